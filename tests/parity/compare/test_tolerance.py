"""When two values are the same."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, strategies as st

from lyftlearn_image.parity.compare.options import Options
from lyftlearn_image.parity.compare.tolerance import MAX_DIFFERENCES, is_close, is_same, limit_differences
from lyftlearn_image.parity.differences import Difference
from tests.parity.compare.pairs import EXACT, VALUES, changed_values

FINITE = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = st.integers() | FINITE | st.integers(-(10**400), 10**400)


@given(NUMBERS)
def test_a_number_is_close_to_itself_only(number: float) -> None:
    """Without a tolerance nothing but the number is the same, whether it is written as an int or as a float."""
    assert is_close(number, number, EXACT)
    if isinstance(number, int):
        assert not is_close(number, number + 1, EXACT)
    else:
        assert not is_close(number, math.nextafter(number, math.inf), EXACT)


@given(NUMBERS, NUMBERS, st.floats(0, 1e300))
def test_an_absolute_tolerance_is_a_distance(left: float, right: float, atol: float) -> None:
    """Two numbers are the same up to it, and no further; how it is rounded decides nothing but the last digit."""
    distance = abs(Fraction(left) - Fraction(right))
    assume(abs(distance - Fraction(atol)) > Fraction(atol) / 10**12)
    assert is_close(left, right, Options(atol=atol)) == (distance <= atol)


@given(NUMBERS, NUMBERS, st.floats(0, 10))
def test_a_relative_tolerance_is_a_share_of_the_right_side(left: float, right: float, rtol: float) -> None:
    """As numpy's isclose takes it."""
    distance, allowed = abs(Fraction(left) - Fraction(right)), Fraction(rtol) * abs(Fraction(right))
    assume(distance == 0 or abs(distance - allowed) > max(allowed, distance) / 10**12)
    assume(not allowed or allowed > 1e-300)  # above the subnormals, which have no twelve digits
    assume(isinstance(left, int) or isinstance(right, int) or max(distance, allowed) < 1e308)
    assert is_close(left, right, Options(rtol=rtol)) == (distance <= allowed)


@pytest.mark.parametrize(
    ("left", "right", "options", "expected"),
    [
        (math.inf, math.inf, {}, True),
        (math.inf, -math.inf, {"rtol": 1}, False),
        (math.inf, 1.0, {"rtol": 1}, False),
        (1.0, math.inf, {"rtol": 1}, False),
        (-math.inf, 1, {"rtol": 1}, False),
        (1, -math.inf, {"atol": 1e300}, False),
        (math.nan, math.nan, {}, True),
        (math.nan, math.nan, {"equal_nan": False}, False),
        (math.nan, 1.0, {"atol": 1}, False),
        (1.0, math.nan, {"atol": 1}, False),
        (math.nan, 10**400, {"atol": 1}, False),
        (1, 1.0, {}, True),
        (2**53 + 1, float(2**53), {}, False),
        (10**400, 10**400 + 1, {"atol": 1}, True),
        (10**400, 10**400 + 2, {"atol": 1}, False),
        (10**400, 1.5, {"rtol": 1}, False),
        (1.0, 2.0, {"rtol": 0.25, "atol": 0.5}, True),
        (1.0, 2.0, {"rtol": 0.25, "atol": 0.25}, False),
        (1, 2.0, {"rtol": 0.25, "atol": 0.5}, True),
        (1, 2.0, {"rtol": 0.25, "atol": 0.25}, False),
        (3.0, 2.0, {"atol": 1}, True),
        (-3, -2, {"rtol": 0.5}, True),
        (13, 10, {"rtol": 0.3}, True),
        (13, 10.0, {"rtol": 0.3}, True),
        (2**53 + 3, 2**53, {"atol": 2.5}, False),
        (-(2**53) - 1, -(2**53), {"atol": 0.5}, False),
        (-3.0, -2.0, {"rtol": 0.5}, True),
    ],
)
def test_numbers_that_have_no_neighbours(left: float, right: float, options: dict[str, Any], *, expected: bool) -> None:
    """Infinities, NaN, ints that no float holds, and both tolerances at once."""
    assert is_close(left, right, Options(**options)) is expected


@given(VALUES)
def test_a_value_is_the_same_as_itself(value: Any) -> None:
    """At every depth, NaN too."""
    assert is_same(value, value, EXACT)
    assert is_same([value, value], (value, value), EXACT)


@given(changed_values())
def test_a_value_with_a_change_is_another_one(change: tuple[Any, Any, Any]) -> None:
    """Wherever in it the change is, and whichever side has it."""
    left, right, _ = change
    assert not is_same(left, right, EXACT)
    assert not is_same(right, left, EXACT)


@pytest.mark.parametrize(("left", "right"), [(1, True), (0.0, False), ("1", 1), (None, False), ([], {}), ("", None)])
def test_values_of_two_types_are_two(left: Any, right: Any) -> None:
    """A truth value is no number, and nothing is not false."""
    assert not is_same(left, right, EXACT)
    assert not is_same(right, left, EXACT)


@pytest.mark.parametrize(("left", "right"), [([1.0], [1.5]), ({"a": [1]}, {"a": [1.5]}), ((1.0, 2), (1.5, 2))])
def test_the_tolerance_holds_at_every_depth(left: Any, right: Any) -> None:
    """A number in a list is compared as one outside."""
    assert is_same(left, right, Options(atol=0.5))
    assert not is_same(left, right, Options(atol=0.25))


@pytest.mark.parametrize("number", [0, 1, MAX_DIFFERENCES, MAX_DIFFERENCES + 1, MAX_DIFFERENCES + 30])
def test_many_differences_are_counted_not_listed(number: int) -> None:
    """A report stays readable: the first ones, and how many more."""
    differences = [Difference(f"line {each}", "a", "b") for each in range(number)]
    limited = limit_differences(differences)
    assert list(limited[:MAX_DIFFERENCES]) == differences[:MAX_DIFFERENCES]
    more = [Difference("", None, None, f"and {number - MAX_DIFFERENCES} more differences")] if number > MAX_DIFFERENCES else []
    assert list(limited[MAX_DIFFERENCES:]) == more
