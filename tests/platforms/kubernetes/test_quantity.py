"""Quantities of resources, as the API reads and divides them."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.kubernetes.quantity import divide, parse_quantity

# k8s.io/docs/reference/kubernetes-api/common-definitions/quantity
SUFFIXES = {
    "": 1, "m": Fraction(1, 1000), "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60, "e3": 1000, "E2": 100,
    "e-2": Fraction(1, 100),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "divisor", "expected"),
    [
        ("500m", "1", "1"),
        ("1500m", "1", "2"),
        ("1500m", "1m", "1500"),
        ("300Mi", "1Gi", "1"),
        ("1Gi", "1", "1073741824"),
        ("1e3", "1", "1000"),
        ("2k", "1", "2000"),
        ("3", "0", "3"),
    ],
)
def test_quantities_are_divided_and_rounded_up(text: str, divisor: str, expected: str) -> None:
    """As the downward API gives them (recorded case 04)."""
    assert divide(text, divisor) == expected


@given(
    st.decimals(-1000, 1000, places=2).map(lambda number: f"{number:f}"), st.sampled_from(sorted(SUFFIXES)), st.integers(1, 9)
)
def test_a_quantity_is_its_number_times_its_suffix(number: str, suffix: str, divisor: int) -> None:
    """Exactly: no float comes between."""
    value = Fraction(number) * SUFFIXES[suffix]
    assert parse_quantity(number + suffix) == value
    assert divide(number + suffix, divisor) == str(math.ceil(value / divisor))


@pytest.mark.parametrize("text", ["12 GB", "", "Mi", "1KiB", "1K", "1e", "--1", "1.2.3", "1u"])
def test_what_is_no_quantity_is_told(text: str) -> None:
    """A typing mistake in a limit."""
    with pytest.raises(InvalidInputError, match="is no quantity") as refused:
        parse_quantity(text)
    assert repr(text) in str(refused.value)
