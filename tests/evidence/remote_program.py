"""What the programs have in common that run where a client of others is: an order in, what came of each case out.

The order is a JSON file. The answer has an entry for each case: what it gave, or the error that it ended with. A client is
as it was installed, but for its waits between two polls.
"""

import json
import sys
import time
import traceback
from pathlib import Path

_SLEEP = time.sleep


def shorten_waits(longest_s):
    """From now on no wait is longer: before the client is imported, which may take the function itself."""
    time.sleep = lambda seconds: _SLEEP(min(seconds, longest_s))


def read_order():
    return json.loads(Path(sys.argv[1]).read_text())


def write_answer(order, answer):
    Path(order["answer"]).write_text(json.dumps(answer))


def carry_out(order, cases):
    """Answers with what comes of each case, by its name."""
    write_answer(order, {name: _outcome(name, case) for name, case in cases.items()})


def methods(cases, helpers):
    """The cases that are methods of an object, in the order in which they stand, without those that only help."""
    names = [name for name, value in vars(type(cases)).items() if callable(value) and not name.startswith("_")]
    return {name: getattr(cases, name) for name in names if name not in helpers}


def _outcome(name, case):
    began = time.monotonic()
    try:
        return {"gave": case()}
    except Exception as error:  # noqa: BLE001 - it is what came of the case
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        print("@@", name, f"{time.monotonic() - began:.1f} s", flush=True)
