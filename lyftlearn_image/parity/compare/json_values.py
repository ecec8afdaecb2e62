"""JSON texts as values that lose nothing of what is written: no digit, and no key that stands twice."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any, NamedTuple

from lyftlearn_image.parity.compare.unreadable import reading

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


def parse(text: bytes, errors: str = "surrogateescape") -> Any:
    """The value of a JSON text in UTF-8. UnreadableError when it is none."""
    with reading():
        return _DECODER.decode(text.decode("utf-8", errors))


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
