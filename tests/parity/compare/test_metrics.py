"""StatsD metrics: the same samples, in whatever order their packets came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.parity.compare.metrics import compare_metrics
from lyftlearn_image.parity.differences import Comparison, Difference

if TYPE_CHECKING:
    from random import Random

NAMES = st.text("abc._", min_size=1, max_size=3)
TAGS = st.sampled_from(["", "|@0.5", "|#x:1", "|@0.1|#x:1,y:2"])
COUNTED = st.builds("{}:{}|{}{}".format, NAMES, st.integers(-9, 9), st.sampled_from(["c", "g", "s"]), TAGS)
TIMINGS = st.builds("{}:{}|{}{}".format, NAMES, st.floats(0, 9), st.sampled_from(["ms", "h", "d"]), TAGS)
MALFORMED = NAMES.map("{}nonsense".format)
LINES = st.lists(COUNTED | TIMINGS | MALFORMED, max_size=6)


def places(left: list[str], right: list[str]) -> list[str]:
    """The names whose samples differ."""
    return [difference.place for difference in compare_metrics(left, right).differences]


@given(LINES, st.randoms(use_true_random=False))
def test_the_order_does_not_count(lines: list[str], random: Random) -> None:
    """UDP promises none."""
    shuffled = lines.copy()
    random.shuffle(shuffled)
    assert places(lines, shuffled) == []


@given(LINES, COUNTED | TIMINGS | MALFORMED)
def test_a_sample_more_is_told_by_its_name(lines: list[str], line: str) -> None:
    """Also one that was sent before: how often counts."""
    assert places(lines, [*lines, line]) == [line.partition(":")[0]]
    assert places([*lines, line], lines) == [line.partition(":")[0]]


@given(LINES, NAMES, st.sampled_from(["c", "g", "s"]), TAGS, st.sampled_from(["value", "kind", "tags"]))
def test_a_changed_sample_is_told_by_its_name(lines: list[str], name: str, kind: str, tags: str, change: str) -> None:
    """Its value, its kind or its tags."""
    other = {"value": f"{name}:2|{kind}{tags}", "kind": f"{name}:1|x{tags}", "tags": f"{name}:1|{kind}{tags}|#more"}[change]
    assert places([*lines, f"{name}:1|{kind}{tags}"], [*lines, other]) == [name]


@given(st.sampled_from(["ms", "h", "d"]), TAGS, st.floats(0, 9), st.floats(0, 9))
def test_how_long_something_took_does_not_count(kind: str, tags: str, one: float, other: float) -> None:
    """That it was measured does, and with which tags."""
    assert places([f"t:{one}|{kind}{tags}"], [f"t:{other}|{kind}{tags}"]) == []
    assert places([f"t:{one}|{kind}{tags}"], [f"t:{other}|{kind}{tags}|#more"]) == ["t"]
    assert places([f"t:{one}|{kind}"], [f"t:{one}|c"]) == ["t"]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (["a:1|c"], ["a:2|c"], Difference("a", "1|c", "2|c", "sent 1 and 1 times")),
        (["a:1|c"], ["a:1|c", "a:1|c", "a:1|c"], Difference("a", None, "1|c x2", "sent 1 and 3 times")),
        (["a:2|g", "a:1|g"], [], Difference("a", "1|g, 2|g", None, "sent 2 and 0 times")),
        (["t:5|ms|#x:1"], [], Difference("t", "…|ms|#x:1", None, "sent 1 and 0 times")),
        (["nonsense"], [], Difference("nonsense", "(malformed)", None, "sent 1 and 0 times")),
        (["a:1"], ["a:"], Difference("a", "1", "", "sent 1 and 1 times")),
    ],
)
def test_only_what_the_other_side_lacks_is_shown(left: list[str], right: list[str], expected: Difference) -> None:
    """And how often each side sent it at all."""
    comparison = compare_metrics(left, right)
    assert comparison == Comparison("metrics", "metrics", (expected,), "values of timings do not count")


def test_names_are_told_in_their_order_and_not_all() -> None:
    """A report stays readable."""
    found = places([f"n{number:02}:1|c" for number in range(30)], [])
    assert found == [*(f"n{number:02}" for number in range(20)), ""]
