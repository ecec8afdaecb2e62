"""Ranges of bytes as S3 takes them (S3 API reference, GetObject and UploadPartCopy; RFC 9110, section 14)."""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes=\s*(?P<first>[0-9]*)\s*-\s*(?P<last>[0-9]*)\s*", re.IGNORECASE)
# A number of more digits is beyond the end of every object.
_MAX_DIGITS = 100


class UnsatisfiableError(Exception):
    """A range that has no byte of the object."""


def parse_range(header: str, size: int) -> range | None:
    """The bytes that a Range header asks of an object of `size` bytes; None for all of them, or for what is no range.

    Several ranges are none, too: S3 has no such answer. Raises UnsatisfiableError.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or not (match["first"] or match["last"]):
        return None
    if not match["first"]:
        asked = range(max(size - _number(match["last"]), 0), size)
    else:
        first, last = _number(match["first"]), _number(match["last"]) if match["last"] else size
        if match["last"] and last < first:
            return None
        asked = range(first, min(last + 1, size))
    if not asked:
        raise UnsatisfiableError
    return asked


def parse_copy_range(header: str, size: int) -> range:
    """The bytes that are copied: both ends are named, and lie in the object. Raises ValueError."""
    match = _RANGE.fullmatch(header)
    if match is None or not match["first"] or not match["last"]:
        raise ValueError(header)
    first, last = _number(match["first"]), _number(match["last"])
    if not first <= last < size:
        raise ValueError(header)
    return range(first, last + 1)


def _number(digits: str) -> int:
    significant = digits.lstrip("0") or "0"
    return int(significant) if len(significant) <= _MAX_DIGITS else 10**_MAX_DIGITS
