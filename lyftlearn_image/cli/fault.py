"""The last door: an exception that nobody expected becomes one line, and a log file that can be sent to us.

The exception's own text may hold a value of a file, a variable or a service, so it is written nowhere: the log has the
kinds of the exceptions, the lines of code that they came through, and the versions.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING

from lyftlearn_image import __version__
from lyftlearn_image.cli.output import show_error
from lyftlearn_image.errors import LyftlearnError
from lyftlearn_image.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

EXIT_FAULT = ExitCode.FAILED
# What a bug report needs: these decide how a file is read and how a container runs.
_PACKAGES = ("boto3", "click", "docker", "moto", "numpy", "pyarrow", "pydantic", "PyYAML", "rich")
# Frames of one exception that are written, from either end of its stack: endless recursion has a thousand.
_FRAMES_AT_EITHER_END = 20


def report_fault(error: BaseException, verbs: Collection[str] = ()) -> LyftlearnError:
    """Writes the log of an exception and one line about it, and gives what that says.

    The exit code of a fault is EXIT_FAULT, which never means "different".
    `verbs` are the words of the command line that may stand in the log.
    """
    kind, place = type(error).__name__, _place(error)
    try:
        path = _write(describe_fault(error, verbs))
    except OSError as unwritable:
        where, hint = "", f"No log could be written ({unwritable.strerror}); set XDG_STATE_HOME to a folder that you can write."
    else:
        where, hint = f"{path}", "Please report it, with this file: it has versions and places in the code, and no values."
    told = LyftlearnError(f"a fault of lyftlearn-image itself: {kind}{place}", where=where, hint=hint)
    show_error(told)
    return told


def describe_fault(error: BaseException, verbs: Collection[str] = ()) -> str:
    """The text of a log: versions, and every exception of the chain with the code that it came through."""
    return "\n".join([*_versions(verbs), "", *_chain(error)]) + "\n"


def _versions(verbs: Collection[str]) -> Iterator[str]:
    import platform  # noqa: PLC0415 - only after a fault
    from importlib import metadata  # noqa: PLC0415

    # Of the arguments the verb alone: any other one may be a secret.
    verb = next((word for word in sys.argv[1:] if word in verbs), "")
    yield f"lyftlearn-image {__version__} {verb}".rstrip()
    yield f"Python {platform.python_version()} on {platform.platform()}"
    for package in _PACKAGES:
        try:
            yield f"{package} {metadata.version(package)}"
        except metadata.PackageNotFoundError:
            yield f"{package} is not installed"


def _chain(error: BaseException) -> Iterator[str]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield f"{'from ' if current is not error else ''}{type(current).__module__}.{type(current).__qualname__}"
        # The traceback's own text would end with the exception's.
        frames = traceback.extract_tb(current.__traceback__)
        left_out = len(frames) - 2 * _FRAMES_AT_EITHER_END
        if left_out > 0:
            yield from _lines(frames[:_FRAMES_AT_EITHER_END])
            yield f"  … {left_out} more"
        yield from _lines(frames[-_FRAMES_AT_EITHER_END:] if left_out > 0 else frames)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _lines(frames: list[traceback.FrameSummary]) -> Iterator[str]:
    for frame in frames:
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
        if frame.line:
            yield f"    {frame.line}"


def _place(error: BaseException) -> str:
    """The innermost line of the toolkit's own that it came through."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib may be what failed
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(root + os.sep)]
    return f" at {os.path.relpath(own[-1].filename, root)}:{own[-1].lineno}" if own else ""


def _write(text: str) -> Path:
    """A new file, which only this user can read, where the toolkit keeps its logs."""
    import tempfile  # noqa: PLC0415 - only after a fault
    from pathlib import Path  # noqa: PLC0415

    state = Path(os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()) / "lyftlearn-image"
    try:
        state.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix="fault-", suffix=".log", dir=state)
    except (OSError, RuntimeError):  # a home that cannot be written, or none at all
        descriptor, name = tempfile.mkstemp(prefix="lyftlearn-image-fault-", suffix=".log")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return Path(name)
