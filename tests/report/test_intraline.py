"""What is marked as different within a line."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.report.intraline import Segment, diff_segments


@given(st.text(max_size=300), st.text(max_size=300))
def test_the_parts_of_a_text_join_to_that_text(left: str, right: str) -> None:
    """Marking loses and adds nothing, and neighbouring parts are of different kinds."""
    found = diff_segments(left, right)

    for text, each in zip((left, right), found, strict=True):
        assert "".join(part.text for part in each) == text
        assert all(one.is_changed != next_one.is_changed for one, next_one in itertools.pairwise(each))


@given(st.text(max_size=100), st.text(max_size=100))
def test_what_is_not_marked_is_the_same_on_both_sides(left: str, right: str) -> None:
    """The unmarked text of one side is the unmarked text of the other."""
    left_parts, right_parts = diff_segments(left, right)

    assert _unmarked(left_parts) == _unmarked(right_parts)


@pytest.mark.parametrize(
    ("left", "right", "marked"),
    [
        ("threads: 2", "threads: 1", ("2", "1")),
        ("loss 0.81724 ok", "loss 0.81731 ok", ("24", "31")),
        ("0.510309", "0.510320", ("09", "20")),
        ("2.0", "1.0", ("2.0", "1.0")),
        ("12.5", "1.25", ("12.5", "1.25")),
        ("1.5", "1.5e-7", ("", "e-7")),
        ("saved model", "saved model ", ("", " ")),
        ("abc", "xyz", ("abc", "xyz")),
        ("", "new", ("", "new")),
    ],
    ids=str,
)
def test_only_what_differs_is_marked(left: str, right: str, marked: tuple[str, str]) -> None:
    """Words are marked whole, fractions from the first digit that differs."""
    left_parts, right_parts = diff_segments(left, right)

    assert (_marked(left_parts), _marked(right_parts)) == marked


def test_long_texts_are_marked_between_their_common_ends() -> None:
    """A text that is too long to match word by word still shows where it differs."""
    words = "word " * 1000

    left_parts, right_parts = diff_segments(f"{words}left {words}", f"{words}right {words}")

    assert (_marked(left_parts), _marked(right_parts)) == ("left", "right")


def _marked(found: tuple[Segment, ...]) -> str:
    return "".join(part.text for part in found if part.is_changed)


def _unmarked(found: tuple[Segment, ...]) -> str:
    return "".join(part.text for part in found if not part.is_changed)
