"""`$(VAR)`, as a kubelet expands it."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.platforms.kubernetes.expansion import expand


@given(st.text(alphabet="$()AB x", max_size=30))
def test_doubling_dollars_is_the_inverse_of_expansion(text: str) -> None:
    """No text is changed by being quoted and expanded, whatever is known."""
    assert expand(text.replace("$", "$$"), {"A": "1", "B": "2", "": "3"}) == text


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("$(X)", "$(X)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A", "$A"),
        ("$$A", "$A"),
        ("$(A", "$(A"),
        ("$", "$"),
        ("a$", "a$"),
    ],
)
def test_references_are_expanded_as_a_kubelet_does(text: str, expanded: str) -> None:
    """As recorded: unknown ones stay, every `$$` becomes `$`."""
    assert expand(text, {"A": "1"}) == expanded
