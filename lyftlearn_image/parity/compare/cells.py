"""When two cells of a text table are the same. A cell is a text first, and a number only where nothing is lost by it."""

from __future__ import annotations

import datetime as dt
import functools
import math
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, NamedTuple

from lyftlearn_image.parity.compare.options import ColumnType
from lyftlearn_image.parity.compare.tolerance import EXACT_INTEGERS, is_close, is_same

if TYPE_CHECKING:
    from collections.abc import Callable

    from lyftlearn_image.parity.compare.options import Options

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,15})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,16})\.([0-9]{1,20})")
_SCIENTIFIC = re.compile(r"-?[0-9](?:\.([0-9]{1,17}))?[eE]([+-]?[0-9]{1,3})")
# The formats in which programs write floats so that they come back: the shortest text, and 16 or 17 digits.
_ROUND_TRIPS: tuple[Callable[[float], str], ...] = (repr, "{:.17g}".format, "{:.16g}".format)
# What `number` takes, however it is written; an exponent beyond these digits is no quantity.
_ANY_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_MAX_NUMBER_CHARACTERS = 4000
_NOT_FINITE = {
    "nan": math.nan,
    "inf": math.inf,
    "+inf": math.inf,
    "-inf": -math.inf,
    "infinity": math.inf,
    "-infinity": -math.inf,
}
# What pandas reads as missing (pandas.read_csv, na_values), but for NaN, which is a number.
_MISSING = frozenset({"", "#n/a", "n/a", "na", "<na>", "null", "none", "nat", "\\n"})
_CACHED_PAIRS = 1 << 16


class CellDifference(NamedTuple):
    """How far two cells are apart that are two numbers; None where they are not."""

    distance: float | None


def cell_comparison(options: Options, kind: ColumnType | None) -> Callable[[str, str], CellDifference | None]:
    """What gives the difference of two cells of a column, whose texts differ; None where they are the same all the same."""
    is_same_cell = {
        None: _is_same_plain,
        ColumnType.TEXT: _is_same_text,
        ColumnType.NULLABLE_TEXT: _is_same_nullable,
        ColumnType.NUMBER: _is_same_number,
        ColumnType.DATETIME: _is_same_time,
    }[kind]

    # Columns of few values, and of short ones, have the same pairs again and again.
    @functools.lru_cache(_CACHED_PAIRS)
    def compare(left: str, right: str) -> CellDifference | None:
        return None if is_same_cell(options, left, right) else CellDifference(_distance(left, right))

    return compare


def is_number_text(text: str) -> bool:
    """Whether a cell is a number that comes back as it is written."""
    return _exact_number(text) is not None or _fixed_number(text) is not None


def _distance(left: str, right: str) -> float | None:
    """How far two cells are apart that are two numbers; None for one number that is written in two ways."""
    if not (_ANY_NUMBER.fullmatch(left) and _ANY_NUMBER.fullmatch(right)):
        return None
    apart = abs(float(left) - float(right))
    return apart if apart and math.isfinite(apart) else None


def _is_same_text(_options: Options, _left: str, _right: str) -> bool:
    return False


def _is_same_plain(options: Options, left: str, right: str) -> bool:
    """1 and 1.0 are one number, and with a tolerance so are 0.50 and 0.51; 007 and 7, 1.10 and 1.1, 1e5 and 100000 are not."""
    one, other = _exact_number(left), _exact_number(right)
    if one is None or other is None:
        # Of one format, such as two decimals, in which both come back as they are written.
        fixed_left, fixed_right = _fixed_number(left), _fixed_number(right)
        if fixed_left is None or fixed_right is None or fixed_left[1] != fixed_right[1]:
            return False
        one, other = fixed_left[0], fixed_right[0]
    return is_close(one, other, options)


def _exact_number(text: str) -> float | None:
    """The number that a program writes as this text, without any format of its own."""
    if _INTEGER.fullmatch(text):
        number = int(text)
        # -0 is no integer that a program writes.
        return number if abs(number) <= EXACT_INTEGERS and text != "-0" else None
    if not (_DECIMAL.fullmatch(text) or _SCIENTIFIC.fullmatch(text)):
        return None
    value = float(text)
    written = _plain_exponent(text)
    return value if any(_plain_exponent(write(value)) == written for write in _ROUND_TRIPS) else None


def _fixed_number(text: str) -> tuple[float, str] | None:
    """The number that a program writes as this text in a format with so many decimals, and the format."""
    if match := _DECIMAL.fullmatch(text):
        value, form = float(text), f".{len(match[2])}f"
        return (value, form) if format(value, form) == text else None
    if (match := _SCIENTIFIC.fullmatch(text)) and match[1]:
        value, form = float(text), f".{len(match[1])}e"
        return (value, form) if _plain_exponent(format(value, form)) == _plain_exponent(text) else None
    return None


def _plain_exponent(text: str) -> str:
    """1e-07, 1E-7 and 1.0E-7 as one text: languages write an exponent differently."""
    match = _SCIENTIFIC.fullmatch(text)
    if not match:
        return text
    mantissa = text.lower().partition("e")[0].removesuffix(".0")
    return f"{mantissa}e{int(match[2])}"


def _is_same_nullable(_options: Options, left: str, right: str) -> bool:
    return _is_missing(left) and _is_missing(right)


def _is_same_number(options: Options, left: str, right: str) -> bool:
    if _is_missing(left) or _is_missing(right):
        return _is_missing(left) and _is_missing(right)
    one, other = _any_number(left), _any_number(right)
    return one is not None and other is not None and is_close(one, other, options)


def _any_number(text: str) -> float | Decimal | None:
    text = text.strip()
    if text.lower() in _NOT_FINITE:
        return _NOT_FINITE[text.lower()]
    if (number := _exact_number(text)) is not None:
        return number
    if not _ANY_NUMBER.fullmatch(text) or len(text) > _MAX_NUMBER_CHARACTERS:
        return None
    number = float(text)
    try:
        exact = Decimal(text)
    except InvalidOperation:
        return None
    # A float is what most programs mean, and what ulps are of; a decimal only where a float would lose digits.
    is_float = math.isfinite(number) and abs(number) <= EXACT_INTEGERS and (exact == 0 or number != 0)
    return number if is_float and len(exact.as_tuple().digits) <= len(str(EXACT_INTEGERS)) + 1 else exact


def _is_same_time(options: Options, left: str, right: str) -> bool:
    if _is_missing(left) or _is_missing(right):
        return _is_missing(left) and _is_missing(right)
    try:
        one, other = (dt.datetime.fromisoformat(text.strip()) for text in (left, right))
    except ValueError:
        return False
    # Python's times have microseconds; what is beyond them is compared as it is written.
    if any(_has_nanoseconds(text) for text in (left, right)):
        return False
    return is_same(one, other, options)


def _has_nanoseconds(text: str) -> bool:
    return re.search(r"[.,][0-9]{6}[0-9]*[1-9]", text) is not None and re.search(r"[.,][0-9]{7}", text) is not None


def _is_missing(text: str) -> bool:
    return text.strip().lower() in _MISSING
