"""When two values are the same, and the limit on how many differences are listed."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import struct
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from lyftlearn_image.parity.differences import Difference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lyftlearn_image.parity.compare.options import Options

MAX_DIFFERENCES = 20
# Further ones are only counted, and up to here.
MAX_COUNTED = 100_000
# Up to here a float holds every int.
EXACT_INTEGERS = 2**53
# The ordinals of negative floats count down from this one, which is that of -0.0.
_NEGATIVE_ZERO = -(2**63)
# More digits than two floats have together; what is beyond them is rounded.
_DECIMALS = Context(prec=60, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
_TIMES = (dt.date, dt.timedelta)


def is_number(value: Any) -> bool:
    """Whether the value is an int, a float or a decimal; a truth value is none."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def is_close(left: float | Decimal, right: float | Decimal, options: Options) -> bool:
    """Whether two numbers are the same; an infinity is only the same as itself, an int of any size is taken exactly.

    Without a tolerance an int above 2**53 is no float: what was written as a float there may have been another int.
    """
    if left == right:
        return options.has_number_tolerance or not (_is_large(left) or _is_large(right)) or type(left) is type(right)
    if left != left or right != right:  # noqa: PLR0124 - NaN; math.isnan cannot take an int of 400 digits
        return options.equal_nan and left != left and right != right  # noqa: PLR0124 - as above
    if not options.has_number_tolerance or any(isinstance(each, float) and math.isinf(each) for each in (left, right)):
        return False
    return _ulps_apart(left, right) <= options.ulp or _is_within(left, right, options)


def _is_within(left: float | Decimal, right: float | Decimal, options: Options) -> bool:
    """Whether |left - right| <= atol + rtol * |right|, of two finite numbers."""
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        with localcontext(_DECIMALS):
            exact = Decimal(right)
            return abs(Decimal(left) - exact) <= Decimal(options.atol) + Decimal(options.rtol) * abs(exact)
    if not (_is_large(left) or _is_large(right)):
        return abs(left - right) <= options.atol + options.rtol * abs(right)
    # A float would round the larger one, and cannot hold one of 400 digits.
    return abs(Fraction(left) - Fraction(right)) <= Fraction(options.atol) + Fraction(options.rtol) * abs(Fraction(right))


def _is_large(number: float | Decimal) -> bool:
    return isinstance(number, int) and abs(number) > EXACT_INTEGERS


def _ulps_apart(left: float | Decimal, right: float | Decimal) -> float:
    """How many floats further the one is from the other; infinity where neither is a float, or one is no float's value."""
    pair = (left, right)
    if not any(isinstance(each, float) for each in pair) or any(isinstance(each, Decimal) or _is_large(each) for each in pair):
        return math.inf
    return abs(_ordinal(float(left)) - _ordinal(float(right)))


def _ordinal(number: float) -> int:
    """The place of a float among all of them, of which 0.0 and -0.0 have the place 0."""
    (bits,) = struct.unpack("<q", struct.pack("<d", number))
    return int(bits if bits >= 0 else _NEGATIVE_ZERO - bits)


def is_same(left: Any, right: Any, options: Options) -> bool:
    """Whether two values are the same: numbers by `is_close`, lists and mappings item by item, all else by type and value.

    1 and 1.0 are one number; True is none. Values may be nested however deeply.
    """
    pairs = [(left, right)]
    while pairs:
        one, other = pairs.pop()
        if isinstance(one, dict) and isinstance(other, dict):
            if one.keys() != other.keys():
                return False
            pairs += ((one[key], other[key]) for key in one)
        elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
            if len(one) != len(other):
                return False
            pairs += zip(one, other, strict=True)
        elif not _is_same_scalar(one, other, options):
            return False
    return True


def _is_same_scalar(left: Any, right: Any, options: Options) -> bool:
    if is_number(left) and is_number(right):
        return is_close(left, right, options)
    if type(left) is not type(right):
        return False
    if left == right:
        return True
    if options.atol_time and isinstance(left, _TIMES):
        try:
            # Microseconds are all that these types have.
            return bool(abs(left - right) / dt.timedelta(microseconds=1) * 1000 <= options.atol_time_ns)
        except TypeError:  # only one of them has a zone
            return False
    return False


def limit_differences(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """The first differences, and one that says how many more there are."""
    remaining = iter(differences)
    kept = list(itertools.islice(remaining, MAX_DIFFERENCES))
    more = sum(1 for _ in itertools.islice(remaining, MAX_COUNTED))
    if more:
        at_least = "at least " if more == MAX_COUNTED else ""
        kept.append(Difference("", None, None, detail=f"and {at_least}{more} more differences"))
    return tuple(kept)
