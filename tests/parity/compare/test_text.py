"""Text: what is the same is the same, and a change is found in its line."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.parity.compare import alignment
from lyftlearn_image.parity.compare.alignment import MAX_EDITS
from lyftlearn_image.parity.compare.lines import MAX_LINE_BYTES
from lyftlearn_image.parity.compare.text import MAX_ALIGNED_LINES, MAX_WHOLE_BYTES
from lyftlearn_image.parity.compare.tolerance import MAX_DIFFERENCES
from lyftlearn_image.parity.differences import Difference, format_value
from tests.examples import examples
from tests.parity.compare.pairs import EXACT, compare_texts, compare_written

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


@examples(20)
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


@given(LINES, st.randoms(use_true_random=False), st.data())
def test_lines_in_any_order_are_the_same(lines: list[bytes], random: Random, data: st.DataObject) -> None:
    """By rule; a line more, less, or other is told with its place on its side, and how often a line is there counts."""
    rule = {"unordered": True, "normalise": ["durations"]}
    shuffled = random.sample(lines, len(lines))
    assert compare_bytes(joined([*lines, b"took 1 s"]), joined([b"took 2 s", *shuffled]), rule) == ()
    number = data.draw(st.integers(0, len(lines)))
    more = [*shuffled[:number], CHANGED, *shuffled[number:]]
    detail = "only on one side, or more often there"
    assert compare_bytes(joined(lines), joined(more), rule) == (Difference(f"line {number + 1}", None, SHOWN, detail),)
    assert compare_bytes(joined(more), joined(lines), rule) == (Difference(f"line {number + 1}", SHOWN, None, detail),)
    twice = compare_bytes(joined([*more, CHANGED]), joined(more), rule)
    assert [(each.left, each.right) for each in twice] == [(SHOWN, None)]


def test_many_unordered_lines_are_told_in_part() -> None:
    """Twenty and the last part's, and that there are more."""
    left, right = (b"".join(b"%s %d\n" % (side, each) for each in range(2000)) for side in (b"left", b"right"))
    *_, last = found = compare_bytes(left, right, {"unordered": True})
    assert len(found) == MAX_DIFFERENCES + 1
    assert last.detail.startswith("and ")


def test_a_pattern_over_line_ends_sees_the_whole_text() -> None:
    """Up to a size, beyond which the text is told as not compared, and never as the same."""
    rule = {"normalise": [{"pattern": r"begin\s[^e]*end", "replace": ""}]}
    assert compare_bytes(b"a\nbegin\n1\nend\nb\n", b"a\nbegin\n2\n3\nend\nb\n", rule) == ()
    large = b"x" * MAX_WHOLE_BYTES
    (difference,) = compare_bytes(large + b"\n1", large + b"\n2", rule)
    assert difference.detail.startswith("not compared: the pattern")


@pytest.mark.parametrize("more", [b"", b"\nlast"])
def test_a_line_without_end_is_compared_in_pieces(more: bytes) -> None:
    """A line of any length takes no more memory than a piece of it."""
    line = bytes(range(32, 127)) * (3 * MAX_LINE_BYTES // 95)
    at = 2 * MAX_LINE_BYTES + 5
    found = compare_bytes(line + more, line[:at] + b"\x01" + line[at + 1 :] + more)
    assert [each.place for each in found] == ["line 3"]
    assert compare_bytes(line + more, line[:-1] + more)


def test_a_bar_of_any_length_is_one_line() -> None:
    """However often it was drawn: a slower machine draws it oftener."""
    bars = [
        b"".join(
            b"\r%3d%%|x| %d/10 [00:%02d<00:09, 1.5it/s]" % (each * 100 // count, each, each % 60) for each in range(count + 1)
        )
        for count in (100, 60_000)
    ]
    rule = {"normalise": ["progress-bars"]}
    assert len(bars[1]) > 2 * MAX_LINE_BYTES
    assert (
        compare_bytes(*(b"start%s\r100%%|x| 10/10 [00:09<00:00, 2it/s, loss=0.5]\nend\n" % each for each in bars), rule) == ()
    )
    assert [each.place for each in compare_bytes(*(b"%s\rloss=%d\n" % (bar, len(bar)) for bar in bars), rule)] == ["line 1"]


@examples(30)
@given(st.lists(st.sampled_from([b"a", b"b"]), max_size=60), st.lists(st.sampled_from([b"a", b"b"]), max_size=60))
def test_aligned_lines_leave_nothing_out(left: list[bytes], right: list[bytes]) -> None:
    """Between the stretches that differ everything is the same; so it is where there are too many edits to align."""
    for most_edits in (MAX_EDITS, 2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(alignment, "MAX_EDITS", most_edits)
            stretches = list(alignment.align(left, right))
        i = j = 0
        for i1, i2, j1, j2 in stretches:
            assert left[i:i1] == right[j:j1]
            i, j = i2, j2
        assert left[i:] == right[j:]


def test_thousands_of_lines_over_two_letters_end() -> None:
    """It takes minutes with the standard library."""
    left, right = (random.choices([b"a", b"b"], k=MAX_ALIGNED_LINES) for random in (Random(0), Random(1)))  # noqa: S311 - no secret
    assert len(compare_bytes(joined(left), joined(right))) == MAX_DIFFERENCES + 1
