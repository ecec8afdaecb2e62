"""What went wrong inside a case, as its outcome: one line for the reports, and the traceback in a file beside them."""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING

from lyftlearn_image.errors import LyftlearnError
from lyftlearn_runtime.secret_forms import mask

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

# Below the report's directory: a log for each case that ended in an error.
ERRORS = "errors"
# An exception may carry a whole file in its text.
_REASON_CHARACTERS = 300
_LOG_CHARACTERS = 200_000


def describe_case_error(error: BaseException, log: Path, secrets: Collection[str]) -> str:
    """The error in one line, without a secret, with the place of its log; the log has the traceback, and is this user's."""
    reason = mask(_reason(error), secrets)
    reason = reason if len(reason) <= _REASON_CHARACTERS else f"{reason[:_REASON_CHARACTERS]}…"
    text = mask("".join(traceback.format_exception(error)), secrets)
    # The last lines say what failed, the first ones where it began.
    cut = len(text) - _LOG_CHARACTERS
    text = text if cut <= 0 else f"… {cut:,} characters before …\n{text[cut:]}"
    try:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(text.encode("utf-8", "backslashreplace"))
    except OSError as unwritable:
        return f"{reason} (its log cannot be written: {unwritable.strerror})"
    return f"{reason} (traceback: {log.parent.name}/{log.name})"


def _reason(error: BaseException) -> str:
    if isinstance(error, LyftlearnError):
        parts = [error.what, error.where, error.hint]
    elif isinstance(error, OSError) and error.strerror:
        parts = [error.strerror, os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else ""]
    else:
        # The exception's own text may fail, too.
        parts = [traceback.format_exception_only(error)[-1]]
    lines = (" ".join(part.split()) for part in parts)
    return "; ".join(line for line in lines if line)
