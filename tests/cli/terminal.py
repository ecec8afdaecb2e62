"""A terminal of the test's own, and what a program has written to it."""

from __future__ import annotations

import contextlib
import os


def read_to_end(terminal: int, program: int) -> bytes:
    """All that stands on the terminal once the program has ended; closes both ends."""
    os.close(program)
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal ends
        while data := os.read(terminal, 1 << 16):
            shown += data
    os.close(terminal)
    return shown
