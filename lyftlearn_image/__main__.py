"""The program `lyftlearn-image`, also as `python -m lyftlearn_image`: the command line, started without needless work."""

from __future__ import annotations

import gc
import sys
import threading

from lyftlearn_image.exit_codes import ExitCode


def run() -> None:
    """Runs the command line and ends the process with its exit code.

    What a start imports lives until the process ends. Looking through it for garbage, now and again while it is imported
    and twice at exit, would take a sixth of the time of `--help`.
    """
    gc.disable()
    # What an encoding, or UTF-8 of a file's name, does not have is shown as an escape; it is no reason to fail.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        from lyftlearn_image.cli.main import main  # noqa: PLC0415 - imported while nobody looks for garbage

        gc.freeze()
        gc.enable()
        threading.excepthook = _report
        sys.unraisablehook = _report_unraisable
        code = main()
    except KeyboardInterrupt:  # before click looks after it
        sys.stderr.write("interrupted\n")
        code = ExitCode.INTERRUPTED
    sys.exit(code)


def _report_unraisable(failed: sys.UnraisableHookArgs) -> None:
    """What the end of an object raises. A library's response that closes what is closed already is nobody's fault.

    So does http.client from Python 3.14 on, when the engine's stream of a container has gone before it.
    """
    closed = isinstance(failed.exc_value, ValueError) and "closed file" in str(failed.exc_value)
    if not closed:
        _report(failed)


def _report(failed: threading.ExceptHookArgs | sys.UnraisableHookArgs) -> None:
    """The last door for what Python itself would write a traceback of: the end of a thread, or of an object."""
    from lyftlearn_image.cli.fault import report_fault  # noqa: PLC0415 - only after a fault

    report_fault(failed.exc_value or failed.exc_type())


if __name__ == "__main__":
    run()
