"""Runs in an environment that has the AWS CLI: commands, one after the other, in one process that the CLI's own driver reads.

The order is a JSON file with `commands`, by name. The answer has the exit code and both streams of each. The CLI is as it was
installed, but for its waits between two polls.
"""

import contextlib
import io
import json
import sys
import time
from pathlib import Path

real_sleep = time.sleep
time.sleep = lambda seconds: real_sleep(min(seconds, 0.2))

from awscli.clidriver import create_clidriver  # noqa: E402


def run(arguments):
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        try:
            code = create_clidriver().main(arguments)
        except SystemExit as ended:
            code = ended.code
    out, err = (stream.buffer.getvalue().decode() for stream in streams)
    return {"code": code, "out": out, "err": err}


order = json.loads(Path(sys.argv[1]).read_text())
Path(order["answer"]).write_text(json.dumps({name: run(arguments) for name, arguments in order["commands"].items()}))
