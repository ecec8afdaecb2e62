"""The start of every container: its steps in a row, and the one door through which a failure leaves."""

from __future__ import annotations

import os

from lyftlearn_runtime import contract, execution, placement, start, supervise
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.log import log_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Collection
    from typing import Any, NoReturn
else:
    import _signal as signal  # see supervise.py

# What is known before the first step.
_NOTHING = start.Invocation((), {}, None, frozenset(), is_processing=False)


class Stopped(BaseException):
    """The platform wants the container to end, and the script has not begun."""


def main(argv: list[str]) -> int:
    """Makes the contract true and runs the script; its exit code, or the shim's own (64, 69, 77, 78)."""
    # The value of the last step that was done: what a failure of the next one must not show, and where it is reported.
    known: Any = _NOTHING
    try:
        _catch_stop_signals()
        known = invocation = start.detect(argv, start.process_environment())
        known = inputs = start.read(invocation)
        known = resolved = start.resolve(inputs)
        known = placed = placement.place(resolved)
        known = launch = start.describe(placed)
        known = outcome = execution.run(launch)
    except ShimError as error:
        return _fail(error.message, error.exit_code, known)
    except Stopped as error:
        from signal import Signals  # noqa: PLC0415 - the names are what is slow

        (number,) = error.args
        message = f"stopped by {Signals(number).name} before the script began"
        return _fail(message, supervise.SIGNALLED + number, known)
    except Exception as error:  # noqa: BLE001 - the last door; its text may hold a value, so it is not shown
        return _fail(f"a fault of the start itself: {_where(error)}; please report it", contract.EXIT_CONFIG, known)
    if outcome.exit_code:
        _report(f"exit code {outcome.exit_code}", outcome.stderr, known)
    try:
        execution.finish(launch, outcome)
    except ShimError as error:
        log_line(_masked(error.message, known.secrets))
        if outcome.exit_code:
            return int(outcome.exit_code)
        _report(error.message, "", known)
        return contract.EXIT_UNAVAILABLE
    return int(outcome.exit_code)


def _catch_stop_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        # PID 1 has no default action: without a handler it would wait for SIGKILL.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop)


def _stop(number: int, _: Any) -> NoReturn:
    raise Stopped(number)


def _fail(message: str, code: int, known: Any) -> int:
    log_line(_masked(message, known.secrets))
    _report(message, "", known)
    return code


def _masked(message: str, secrets: Collection[str]) -> str:
    """A line of the shim's own without secrets: a variable that it shows may have been one by reference."""
    if not secrets:
        return message
    from lyftlearn_runtime.secret_forms import mask  # noqa: PLC0415 - only after a failure

    return mask(message, secrets)


def _report(reason: str, stderr: str, known: Any) -> None:
    """Leaves the reason of a failure where the platform looks for it."""
    from lyftlearn_runtime import failure  # noqa: PLC0415 - only after a failure

    failure.write_reason(reason, stderr, known.secrets, is_processing=known.is_processing)


def _where(error: BaseException) -> str:
    """The kind of an error and the line that it comes from."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f" at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else ""
    return type(error).__name__ + place
