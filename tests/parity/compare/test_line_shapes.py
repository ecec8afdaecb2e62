"""Lines of one shape are normalised alike: what is known of one is never wrong of another."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, strategies as st

from lyftlearn_image.parity.compare.line_shapes import LineShapes
from lyftlearn_image.parity.compare.normalisers import NORMALISERS, Replacement, normalise
from tests.examples import examples

PARTS = (
    "2026-11-28 23:12:18,123",
    "0x7f12ab", "1x7f12ab", "12.5 it/s", "took 5 ms", "pid 17", "RSS 12 MB", "/tmp/a1", "loss 0.5", "é",
    "/site-packages/a.py:12:",
    "[00:01<00:02, 3.5it/s, loss=1]", "2s 3ms/step", " ", "x", "9x", "0", "1e-05 s", "Nov 28 23:12:18",
    "I1128 23:12:18.123 7", "runtime: 12", "\\r",
)  # fmt: skip
LINES = st.lists(st.sampled_from(PARTS), max_size=6).map("".join)
RULES = st.lists(st.sampled_from(sorted(NORMALISERS)), min_size=1, unique=True)


def other_digits(line: str, digits: str) -> str:
    """The line with other digits in the places of its own."""
    more = itertools.cycle(digits)
    return "".join(next(more) if character.isascii() and character.isdigit() else character for character in line)


def is_surely_same(shapes: LineShapes, left: str, right: str) -> bool:
    """Whether two lines are known for one."""
    return not shapes.find_unsure([left.encode()], [right.encode()])


@examples(300)
@given(RULES, LINES, st.text("0123456789", min_size=1, max_size=9), st.text("0123456789", min_size=1, max_size=9), LINES)
@example(["addresses"], "1x7f12ab", "0", "1", "")
@example(["durations"], "took 5 ms", "5", "6", "took 5 ms, 7")
def test_what_is_surely_the_same_is_the_same(rules: list[str], line: str, one: str, other: str, another: str) -> None:
    """For lines of one shape and of two, the first of which nobody had seen, or somebody had."""
    shapes = LineShapes(rules)
    for _ in range(2):
        for left in (other_digits(line, one), another):
            right = other_digits(line, other)
            if is_surely_same(shapes, left, right):
                assert normalise(left, rules) == normalise(right, rules)


@pytest.mark.parametrize(
    ("rules", "left", "right", "expected"),
    [
        (["timestamps", "durations"], "10:00:00 took 5 ms, loss 0.5", "11:00:00 took 1234 ms, loss 0.5", True),
        (["timestamps", "durations"], "10:00:00 took 5 ms, loss 0.5", "11:00:00 took 6 ms, loss 0.6", False),
        (["pids"], "pid 1", "pid 22", True),
        (["durations"], "5 ms", "7 ms", True),
        ([], "5 ms", "7 ms", False),
        (["durations", Replacement(pattern="4")], "5 ms", "7 ms", False),
    ],
)
def test_what_it_finds(rules: list[str | Replacement], left: str, right: str, *, expected: bool) -> None:
    """Also for different numbers of digits; nothing where a pattern of one's own may tell digits apart."""
    assert is_surely_same(LineShapes(rules), left, right) == expected


def test_shapes_that_never_come_again_are_not_kept() -> None:
    """After so many it no longer looks: working out a form costs more than it saves."""
    shapes = LineShapes(["durations"])
    assert is_surely_same(shapes, "took 5 ms", "took 6 ms")
    for number in range(2000):
        is_surely_same(shapes, "x" * (number % 900) + "y" * (number // 900) + "1", "")
    assert not is_surely_same(shapes, "took 5 ms", "took 6 ms")


def test_a_pair_is_found_among_others() -> None:
    """By its place; pairs of the same bytes are none."""
    left = [b"a", b"took 5 ms", b"loss 0.5", b"b", b"took 7 ms"]
    right = [b"a", b"took 6 ms", b"loss 0.6", b"c", b"took 8 ms"]
    assert LineShapes(["durations"]).find_unsure(left, right) == [2, 3]


DIGITS = st.text("0123456789", min_size=1, max_size=9)


@given(RULES, LINES, LINES, st.lists(st.tuples(DIGITS, DIGITS), min_size=1, max_size=8), st.booleans())
@example(["durations"], "loss 0.5 took 5 ms", "", [("1", "1"), ("12", "13")], False)  # noqa: FBT003 - as drawn
def test_many_pairs_at_once_are_what_each_is(
    rules: list[str],
    line: str,
    another: str,
    digits: list[tuple[str, str]],
    is_of_two: bool,  # noqa: FBT001 - as drawn
) -> None:
    """Where one statement printed all lines of each side, and where another one stands among them."""
    left = [other_digits(line, one).encode() for one, _ in digits]
    right = [other_digits(another if is_of_two else line, other).encode() for _, other in digits]
    shapes = LineShapes(rules)
    alone = [place for place, pair in enumerate(zip(left, right, strict=True)) if shapes.find_unsure([pair[0]], [pair[1]])]
    assert shapes.find_unsure(left, right) == alone
    assert LineShapes(rules).find_unsure([*left, b"x"], [*right, b"x"]) == alone
