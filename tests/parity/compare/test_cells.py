"""Cells of text tables: a text first, and a number only where nothing is lost by it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, strategies as st

from lyftlearn_image.parity.compare.cells import cell_comparison, is_number_text
from lyftlearn_image.parity.compare.options import Options

FINITE = st.floats(allow_nan=False, allow_infinity=False)
IDS = st.text("0123456789", min_size=1, max_size=25)
# Each a text that says one thing, and another one that a careless reader takes for it.
LOSSES = [
    ("02139", "2139"), ("12345678901234567890", "12345678901234567168"), ("9007199254740993", "9007199254740992"),
    ("9007199254740993", "9007199254740992.0"), ("1e5", "100000"), ("1E5", "100000.0"), ("1e+05", "100000"), ("1.5e3", "1500"),
    ("1.10", "1.1"), ("0x10", "16"), ("1_000", "1000"), ("+1", "1"), (" 1", "1"), ("1.", "1"), (".5", "0.5"), ("-0", "0"),
    ("NULL", "n/a"), ("", "NULL"), ("", "nan"), ("nan", "NaN"), ("inf", "Infinity"), ("true", "True"), ("1", "True"),
    ("1,5", "1.5"), ("1e400", "1e500"), ("0.10000000000000000001", "0.1"), ("\uff11", "1"), ("\u0661", "1"),
]  # fmt: skip


def same(left: str, right: str, kind: str | None = None, **options: Any) -> bool:
    """Whether two cells of a column are the same by a rule."""
    rule = Options.model_validate({**options, "types": {"c": kind} if kind else {}})
    return left == right or cell_comparison(rule, rule.types.get("c"))(left, right) is None


@pytest.mark.parametrize("pair", LOSSES)
@pytest.mark.parametrize("options", [{}, {"rtol": 0.5, "atol": 1}, {"ulp": 4}])
def test_what_a_reader_of_numbers_would_lose_is_a_difference(pair: tuple[str, str], options: dict[str, Any]) -> None:
    """Also with a tolerance, on whichever side it stands."""
    assert not same(*pair, **options)
    assert not same(*pair[::-1], **options)


@given(IDS, IDS)
def test_ids_are_never_one_that_are_written_differently(left: str, right: str) -> None:
    """Digits with leading zeros, and more of them than a float holds."""
    assume(left != right)
    assert not same(left, right)


@given(st.floats(-1e15, 1e15).filter(bool), st.sampled_from([repr, "{:.17g}".format, "{:.6e}".format, "{:.3f}".format]))
def test_a_number_is_one_in_each_format_of_its_own(number: float, write: Any) -> None:
    """As programs write floats: so that they come back, or with so many decimals."""
    assert is_number_text(write(number))


@given(st.floats(-1e6, 1e6), st.floats(0, 10), st.integers(1, 6))
def test_numbers_of_one_format_have_the_tolerance(number: float, apart: float, decimals: int) -> None:
    """And not without one."""
    left, right = f"{number:.{decimals}f}", f"{number + apart:.{decimals}f}"
    distance = abs(float(left) - float(right))
    assert same(left, right, atol=distance * 1.000001 + 1e-12)
    if distance:
        assert not same(left, right, atol=distance / 2)
        assert not same(left, right)


@pytest.mark.parametrize(
    ("left", "right"), [("1", "1.0"), ("-3.0", "-3"), ("0", "-0.0"), ("1e-07", "1E-7"), ("1e-07", "1.0E-7")]
)
def test_one_number_in_the_shortest_text_of_two_types_is_one(left: str, right: str) -> None:
    """An integer, and the float of the same value: a column of integers with a missing value is written so."""
    assert same(left, right)
    assert same(right, left)


@pytest.mark.parametrize(
    ("kind", "left", "right", "options", "expected"),
    [
        ("text", "1", "1.0", {}, False),
        ("text", "1", "2", {"atol": 9}, False),
        ("text", "NULL", "n/a", {}, False),
        ("nullable-text", "NULL", "n/a", {}, True),
        ("nullable-text", "", "None", {}, True),
        ("nullable-text", "1", "1.0", {}, False),
        ("number", "007", "7", {}, True),
        ("number", "1e5", "100000", {}, True),
        ("number", "+1.50", "1.5", {}, True),
        ("number", "NULL", "", {}, True),
        ("number", "NULL", "0", {}, False),
        ("number", "nan", "NaN", {}, True),
        ("number", "nan", "NaN", {"equal_nan": False}, False),
        ("number", "nan", "NULL", {}, False),
        ("number", "inf", "Infinity", {}, True),
        ("number", "inf", "-inf", {"rtol": 1}, False),
        ("number", "12345678901234567890", "12345678901234567168", {}, False),
        ("number", "12345678901234567890", "12345678901234567890.0", {}, True),
        ("number", "12345678901234567890", "12345678901234567168", {"rtol": 1e-9}, True),
        ("number", "1e400", "1e500", {}, False),
        ("number", "1e99999999999", "1", {"rtol": 1}, False),
        ("number", "0.1", "0.30000000000000004", {"ulp": 4}, False),
        ("number", "0.3", "0.30000000000000004", {"ulp": 1}, True),
        ("number", "x", "y", {"atol": 9}, False),
        ("datetime", "2026-01-01", "2026-01-01T00:00:00", {}, True),
        ("datetime", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", {}, True),
        ("datetime", "2026-01-01T00:00:00", "2026-01-01T00:00:01", {"atol": 9}, False),
        ("datetime", "2026-01-01T00:00:00", "2026-01-01T00:00:01", {"atol_time": "1s"}, True),
        ("datetime", "2026-01-01T00:00:00", "2026-01-01T00:00:01", {"atol_time": "999ms"}, False),
        ("datetime", "2026-01-01T00:00:00", "2026-01-01T00:00:00Z", {"atol_time": "1d"}, False),
        ("datetime", "2026-01-01T00:00:00.0000001", "2026-01-01T00:00:00.0000002", {}, False),
        ("datetime", "99999-01-01", "99999-01-02", {"atol_time": "9d"}, False),
        ("datetime", "NaT", "", {}, True),
    ],
)
def test_the_rule_says_what_a_column_is(kind: str, left: str, right: str, options: dict[str, Any], *, expected: bool) -> None:
    """Then each spelling of a number, a moment or a missing value is one."""
    assert same(left, right, kind, **options) is expected
    assert same(right, left, kind, **options) is expected


@given(st.text(max_size=8), st.text(max_size=8), st.sampled_from(["text", "nullable-text", "number", "datetime", None]))
def test_any_two_texts_can_be_compared(left: str, right: str, kind: str | None) -> None:
    """By every type of column; which side is which decides nothing but the share of a relative tolerance."""
    for options in ({}, {"atol": 1}, {"ulp": 4}, {"atol_time": "1d"}):
        assert same(left, right, kind, **options) == same(right, left, kind, **options)


@given(FINITE, FINITE)
def test_a_column_of_numbers_takes_every_float(left: float, right: float) -> None:
    """As its shortest text."""
    assert same(repr(left), repr(right), "number") == (left == right)
    assert (
        same(repr(left), repr(right), "number", atol=min(abs(left) + abs(right), 1e308) * 1.000001)
        or max(map(abs, (left, right))) > 1e307
    )
