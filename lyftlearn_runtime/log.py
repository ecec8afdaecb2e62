"""Lines of the shim's own on stderr, marked so that nobody takes them for the script's."""

from __future__ import annotations

import os

PREFIX = "lyftlearn: "


def log_line(message: str) -> None:
    """Writes one line to stderr; a closed stderr is no reason to fail."""
    try:
        os.write(2, (PREFIX + message + "\n").encode("utf-8", "backslashreplace"))
    except OSError:
        pass
