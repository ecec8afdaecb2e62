"""The start as a list: detect, read, fetch, materialise, observe, run, carry away, tell."""

from __future__ import annotations

import os
import signal

from lyftlearn_runtime import contract, supervise
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.log import say
from lyftlearn_runtime.start import Start, given_environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


class Stopped(BaseException):
    """The platform wants the container to end, and the script has not begun."""


def main(argv: list[str]) -> int:
    """Makes the contract true and runs the script; its exit code, or the shim's own (64, 69, 77, 78)."""
    secrets: set[str] = set()
    start = None
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            # PID 1 has no default action: without a handler it would wait for SIGKILL.
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, _stop)
        start = Start(argv, given_environment(), secrets)
        start.prepare()
        if not start.needs_supervision:
            start.become()
        code, tail = start.run()
    except ShimError as error:
        return _fail(error.message, error.exit_code, start, secrets)
    except Stopped as error:
        name, number = error.args
        return _fail(f"stopped by {name} before the script began", supervise.SIGNALLED + number, start, secrets)
    except Exception as error:  # noqa: BLE001 - the last door; its text may hold a value, so it is not shown
        return _fail(f"a fault of the start itself: {_where(error)}; please report it", contract.EXIT_CONFIG, start, secrets)
    if code:
        _tell(f"exit code {code}", tail.text(), start, secrets)
    try:
        start.finish()
    except ShimError as error:
        say(_masked(error.message, secrets))
        if code:
            return code
        _tell(error.message, "", start, secrets)
        return contract.EXIT_UNAVAILABLE
    return code


def _stop(number: int, _: Any) -> NoReturn:
    raise Stopped(signal.Signals(number).name, number)


def _fail(message: str, code: int, start: Start | None, secrets: set[str]) -> int:
    say(_masked(message, secrets))
    _tell(message, "", start, secrets)
    return code


def _masked(message: str, secrets: set[str]) -> str:
    """A line of the shim's own without secrets: a variable that it shows may have been one by reference."""
    if not secrets:
        return message
    from lyftlearn_runtime.redact import redact  # noqa: PLC0415 - only after a failure

    return redact(message, secrets)


def _tell(head: str, tail: str, start: Start | None, secrets: set[str]) -> None:
    from lyftlearn_runtime import failure  # noqa: PLC0415 - only after a failure

    failure.tell(head, tail, secrets, is_processing=start is not None and start.is_processing)


def _where(error: BaseException) -> str:
    """The kind of an error and the line that it comes from."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f" at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else ""
    return type(error).__name__ + place
