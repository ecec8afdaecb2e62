"""The line of a failed script's output that says what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.run import Status
from lyftlearn_image.runs.log_lines import read_end

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lyftlearn_image.run import Run

_END_BYTES = 1 << 14
_TRACEBACK = "Traceback (most recent call last):"


def failure_line(run: Run) -> str:
    """The last exception's own line, else the last line of stderr, else of stdout; empty for a run that has not failed."""
    if run.status is not Status.FAILED:
        return ""
    ends = [read_end(path, _END_BYTES).decode("utf-8", "replace").splitlines() for path in (run.stderr, run.stdout)]
    found = (_exception_line(lines) for lines in ends)
    last = (line.strip() for lines in ends for line in reversed(lines) if line.strip())
    return next(filter(None, found), "") or next(last, "")


def _exception_line(lines: Iterable[str]) -> str:
    """What stands below the last traceback: its frames are indented, the exception is not."""
    found, is_within = "", False
    for line in lines:
        if line.endswith(_TRACEBACK):
            is_within = True
        elif is_within and line.strip() and not line.startswith((" ", "\t")):
            found, is_within = line.strip(), False
    return found
