"""Starts the model server. Its own folder goes off the import path, and what it imports is in before the team's code."""

from __future__ import annotations

import os
import signal
import sys


def run() -> int:
    """The exit code of the server; 78 when the image has lost what it needs."""
    # Until the server listens to it: nothing runs yet that could be lost.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    here = os.path.dirname(os.path.abspath(__file__))
    # A script's folder comes first by default, and a team may have a module `errors` or `settings` too.
    sys.path[:] = [one for one in sys.path if os.path.abspath(one or ".") != here]
    # Last: the image's folder is no place to shadow a package from.
    sys.path.append(os.path.dirname(os.path.dirname(here)))
    from lyftlearn_runtime import contract, log  # noqa: PLC0415 - in reach since the line above

    try:
        from lyftlearn_runtime.serving import server  # noqa: PLC0415 - as above
    except Exception as error:  # noqa: BLE001 - a team's pip may have broken a package in any way
        reason = f"{type(error).__name__}: {error}".replace("\n", " ")
        log.log_line(f"serve: uvicorn in {sys.prefix} is not as the image came with it: {reason}")
        return contract.EXIT_CONFIG
    return server.main(os.environ)


if __name__ == "__main__":
    sys.exit(run())
