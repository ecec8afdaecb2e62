"""When two values are the same, and the limit on how many differences are listed."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from lyftlearn_image.parity.differences import Difference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lyftlearn_image.parity.compare.options import Options

MAX_DIFFERENCES = 20
# Up to here a float holds every int.
_EXACT_INTEGERS = 2**53


def is_number(value: Any) -> bool:
    """Whether the value is an int or a float; a truth value is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_close(left: float, right: float, options: Options) -> bool:
    """Whether two numbers are the same; an infinity is only the same as itself, an int of any size is taken exactly."""
    if left == right:
        return True
    if left != left or right != right:  # noqa: PLR0124 - NaN; math.isnan cannot take an int of 400 digits
        return options.equal_nan and left != left and right != right  # noqa: PLR0124 - as above
    if math.inf in {left, right} or -math.inf in {left, right} or not (options.rtol or options.atol):
        return False
    if all(isinstance(number, float) or abs(number) <= _EXACT_INTEGERS for number in (left, right)):
        return abs(left - right) <= options.atol + options.rtol * abs(right)
    # A float would round the larger one, and cannot hold one of 400 digits.
    return abs(Fraction(left) - Fraction(right)) <= Fraction(options.atol) + Fraction(options.rtol) * abs(Fraction(right))


def is_same(left: Any, right: Any, options: Options) -> bool:
    """Whether two values are the same: numbers by `is_close`, lists and mappings item by item, all else by type and value.

    1 and 1.0 are one number; True is none.
    """
    if is_number(left) and is_number(right):
        return is_close(left, right, options)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(is_same(left[key], right[key], options) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(is_same(*pair, options) for pair in zip(left, right, strict=True))
    return type(left) is type(right) and bool(left == right)


def limit_differences(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """The first differences, and one that says how many more there are."""
    kept: list[Difference] = []
    more = 0
    for difference in differences:
        if len(kept) < MAX_DIFFERENCES:
            kept.append(difference)
        else:
            more += 1
    if more:
        kept.append(Difference("", None, None, detail=f"and {more} more differences"))
    return tuple(kept)
