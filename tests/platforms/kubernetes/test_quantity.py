"""Quantities of resources, as the API reads and divides them."""

from __future__ import annotations

import pytest

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.kubernetes.quantity import divide, parse_quantity


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
    ],
)
def test_quantities_are_divided_and_rounded_up(text: str, divisor: str, expected: str) -> None:
    """As the downward API gives them (recorded case 04)."""
    assert divide(text, divisor) == expected


def test_what_is_no_quantity_is_told() -> None:
    """A typing mistake in a limit."""
    with pytest.raises(InvalidInputError, match="12 GB"):
        parse_quantity("12 GB")
