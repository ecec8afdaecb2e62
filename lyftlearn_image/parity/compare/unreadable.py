"""Files that a comparator cannot read: a truncated, a broken or a hostile one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from lyftlearn_image.parity.differences import Difference, format_value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What a small file may expand to; a larger one to as many times its size.
_MAX_EXPANDED_BYTES = 1 << 30
_MAX_EXPANSION = 100


class UnreadableError(Exception):
    """The reason why a file cannot be read by its comparator, or not within bounds."""


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Whatever a library raises over a broken file becomes UnreadableError.

    That may be anything: BadZipFile, zlib.error, SyntaxError, RecursionError, MemoryError, KeyError, Arrow's own.
    """
    try:
        yield
    except UnreadableError:
        raise
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise UnreadableError(format_value(reason)) from error


def describe_unreadable(left: Path, right: Path, kind: str, error: UnreadableError) -> Difference:
    """Two files whose bytes differ, and of which one is not what it should be."""
    return Difference("", left.name, right.name, f"not {kind}: {error}")


def check_expansion(path: Path, size_bytes: int) -> None:
    """UnreadableError for what a file expands to, where nobody could mean that."""
    if size_bytes > max(_MAX_EXPANDED_BYTES, _MAX_EXPANSION * path.stat().st_size):
        raise UnreadableError(f"it expands to {size_bytes} bytes, which are too many to be compared")
