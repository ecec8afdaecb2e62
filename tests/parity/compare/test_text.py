"""Text: what is the same is the same, and a change is found in its line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, strategies as st

from lyftlearn_image.parity.compare.text import MAX_ALIGNED_LINES, compare_texts
from lyftlearn_image.parity.compare.tolerance import MAX_DIFFERENCES
from lyftlearn_image.parity.differences import Difference, format_value
from tests.parity.compare.pairs import EXACT, compare_written

if TYPE_CHECKING:
    from collections.abc import Sequence

# Bytes that other readers take for the end of a line, that look like an escape, or that are no UTF-8.
LINES = st.lists(st.text("ab\r\x0b\x0c\x1c\x85\u2028\\", max_size=4).map(str.encode) | st.binary(max_size=3), max_size=8).map(
    lambda lines: [line.replace(b"\n", b"") for line in lines]
)
CHANGED = b"changed \xff"
SHOWN = "changed \\xff"


def compare_bytes(left: bytes, right: bytes, rule: dict[str, Any] | None = None) -> tuple[Difference, ...]:
    """What is found in two files with these bytes."""
    return compare_written("a.txt", Path.write_bytes, (left, right), {"compare": "text", **(rule or {})})


def joined(lines: Sequence[bytes]) -> bytes:
    """A text of these lines."""
    return b"".join(line + b"\n" for line in lines)


@given(st.binary(max_size=30))
def test_text_is_the_same_as_itself(data: bytes) -> None:
    """Any bytes whatever."""
    assert compare_bytes(data, data) == ()


@given(
    st.binary(max_size=6) | st.text("a\\xfe\r\n").map(str.encode), st.binary(max_size=6) | st.text("a\\xfe\r\n").map(str.encode)
)
def test_other_bytes_are_another_text(left: bytes, right: bytes) -> None:
    """Also where one of them is what the other one's escapes look like."""
    assert bool(compare_bytes(left, right)) == (left != right)


@given(LINES, st.data())
def test_a_changed_line_is_told_with_its_number(lines: list[bytes], data: st.DataObject) -> None:
    """On both sides, with the line as it is shown."""
    lines = [*lines, b"last"]
    number = data.draw(st.integers(0, len(lines) - 1))
    changed = [*lines[:number], CHANGED, *lines[number + 1 :]]
    assert any(
        (each.place, each.right) == (f"line {number + 1}", SHOWN) for each in compare_bytes(joined(lines), joined(changed))
    )
    assert any(
        (each.place, each.left) == (f"line {number + 1}", SHOWN) for each in compare_bytes(joined(changed), joined(lines))
    )


@given(LINES, st.data())
def test_a_line_more_is_told_and_no_other(lines: list[bytes], data: st.DataObject) -> None:
    """The lines behind it are aligned."""
    number = data.draw(st.integers(0, len(lines)))
    longer = [*lines[:number], CHANGED, *lines[number:]]
    lines, longer = [b"first", *lines], [b"first", *longer]
    assert compare_bytes(joined(lines), joined(longer)) == (Difference(f"line {number + 2}", None, SHOWN),)
    assert compare_bytes(joined(longer), joined(lines)) == (Difference(f"line {number + 2}", SHOWN, None),)


@given(LINES)
def test_the_line_break_at_the_end_counts(lines: list[bytes]) -> None:
    """The last line with and without one."""
    text = joined([*lines, b"last"])
    assert compare_bytes(text, text[:-1]) == (Difference("end", r"'\n'", "'t'", "only one ends with a line break"),)
    assert compare_bytes(text[:-1], text) == (Difference("end", "'t'", r"'\n'", "only one ends with a line break"),)


def test_a_stretch_of_another_length_is_told_line_by_line() -> None:
    """Numbered as on the left; lines that only the right side has, as there."""
    left, right = "a\nb\nc\nd\ne", "a\nX\nY\nZ\nd\ne"
    assert compare_texts(left, right, EXACT) == (
        Difference("line 2", "b", "X"),
        Difference("line 3", "c", "Y"),
        Difference("line 4", None, "Z"),
    )
    assert [each.place for each in compare_texts(f"0\n1\n{left}", right, EXACT)] == [
        "line 1",
        "line 2",
        "line 4",
        "line 5",
        "line 4",
    ]


@settings(max_examples=20)
@given(st.integers(0, MAX_ALIGNED_LINES), st.sampled_from([0, 1, -1]))
def test_a_change_in_a_long_text_is_told_with_its_line(number: int, more: int) -> None:
    """Too long to be aligned, it is compared line by line; and so is the number of lines."""
    left = [str(each) for each in range(MAX_ALIGNED_LINES + 1)]
    right = [*left[:number], "changed", *left[number + 1 :]]
    right = [*right, "more"] if more > 0 else right[:-1] if more < 0 else right
    expected = [Difference(f"line {number + 1}", str(number), "changed")] if number < len(right) else []
    if more:
        expected.append(Difference("length", str(len(left)), str(len(right)), "number of lines"))
    assert compare_texts("\n".join(left), "\n".join(right), EXACT) == tuple(expected)


@pytest.mark.parametrize("lines", [MAX_ALIGNED_LINES, MAX_ALIGNED_LINES + 1])
def test_a_text_is_aligned_up_to_a_length(lines: int) -> None:
    """A line at the beginning shifts all others, which is seen in a text that is not too long."""
    text = "\n".join(str(each) for each in range(lines))
    found = compare_texts(text, text[text.index("\n") + 1 :], EXACT)
    assert len(found) == (1 if lines == MAX_ALIGNED_LINES else MAX_DIFFERENCES + 1)


def test_lines_that_are_often_there_are_aligned_too() -> None:
    """A line more in a text of 400 equal ones is one difference, and not a shift of all of them."""
    lines = ["same"] * 400
    found = compare_texts("\n".join(["first", *lines]), "\n".join(["first", "more", *lines]), EXACT)
    assert found == (Difference("line 2", None, "more"),)


def test_the_normalisers_of_the_rule_are_applied() -> None:
    """Before the lines are compared; what is left still counts."""
    rule = {"normalise": ["durations", {"pattern": r"run-\d+"}]}
    assert compare_bytes(b"run-1 took 1.5 s\n", b"run-2 took 2 s\n", rule) == ()
    (difference,) = compare_bytes(b"took 1.5 s, loss 0.1", b"took 2.5 s, loss 0.2", rule)
    assert difference == Difference("line 1", "took <duration>, loss 0.1", "took <duration>, loss 0.2")


def test_a_long_line_is_cut() -> None:
    """The whole one stays in the run's files."""
    (difference,) = compare_bytes(b"a" * 5000, b"b" * 5000)
    assert (difference.left, difference.right) == (format_value("a" * 5000), format_value("b" * 5000))
