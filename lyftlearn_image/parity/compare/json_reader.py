"""JSON files as values that lose nothing of what is written: no digit, and no key that stands twice."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from lyftlearn_image.parity.compare.unreadable import UnreadableError, reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A document is read whole, and takes some ten times its size.
MAX_DOCUMENT_BYTES = 1 << 25
# 17 digits tell every float from any other (IEEE 754); what has more says more than a float holds.
_FLOAT_DIGITS = 17
# The longest integer that Python reads in a time in proportion to its length.
_MAX_INTEGER_DIGITS = 4300


class RepeatedKey(tuple[Any, ...]):
    """The values of a key that an object has several times, in their order."""

    __slots__ = ()


class UnreadNumber(NamedTuple):
    """A number that no float holds, such as 1e999, as it is written."""

    text: str

    def __repr__(self) -> str:
        return self.text


def read_document(path: Path) -> tuple[Any, ...]:
    """The one document of a file, in a tuple of its own; an empty tuple when it is none, or is too large to be one."""
    if path.stat().st_size > MAX_DOCUMENT_BYTES:
        return ()
    try:
        return (_parse(path.read_bytes()),)
    except UnreadableError:
        return ()


def read_lines(path: Path) -> Iterator[Any]:
    """The documents of a file that has one a line (JSON lines). UnreadableError at the first line that is none."""
    for number, line in _lines(path):
        try:
            yield _parse(line)
        except UnreadableError as error:
            is_too_large = path.stat().st_size > MAX_DOCUMENT_BYTES
            more = (
                f"; the whole file has more than {MAX_DOCUMENT_BYTES} bytes, too many for one document" if is_too_large else ""
            )
            raise UnreadableError(f"{error} in line {number}{more}") from error


def count_lines(path: Path) -> int:
    """The number of lines with a document."""
    return sum(1 for _ in _lines(path))


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_DOCUMENT_BYTES + 1):
            number += 1
            if len(line) > MAX_DOCUMENT_BYTES:
                raise UnreadableError(f"line {number} has more than {MAX_DOCUMENT_BYTES} bytes, too many for one document")
            if line.strip():
                yield number, line


def _parse(data: bytes) -> Any:
    with reading():
        encoding = json.detect_encoding(data)
        # In other encodings a byte is a character in its own right; these two share the name of the one without a mark.
        text = data.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "surrogatepass")
        return _DECODER.decode(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        values: dict[str, list[Any]] = {}
        for key, value in pairs:
            values.setdefault(key, []).append(value)
        found = {key: each[0] if len(each) == 1 else RepeatedKey(each) for key, each in values.items()}
    return found


def _float(text: str) -> float | Decimal | UnreadNumber:
    number = float(text)
    if len(text) <= _FLOAT_DIGITS and not math.isinf(number) and number:
        return number
    mantissa = text.lower().partition("e")[0]
    digits = mantissa.lstrip("-").replace(".", "").strip("0")
    if math.isinf(number) or (not number and digits):
        return UnreadNumber(text)
    return Decimal(text) if len(digits) > _FLOAT_DIGITS else number


def _integer(text: str) -> int | UnreadNumber:
    return int(text) if len(text) <= _MAX_INTEGER_DIGITS else UnreadNumber(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_int=_integer)
