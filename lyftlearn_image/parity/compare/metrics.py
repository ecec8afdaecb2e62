"""StatsD metrics: the same names, values and tags, however their packets were ordered."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from lyftlearn_image.parity.compare.tolerance import bounded
from lyftlearn_image.parity.differences import Comparison, Difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TIMINGS = ("ms", "h", "d")


def compare_metrics(left: Sequence[str], right: Sequence[str]) -> Comparison:
    """What was sent on each side, as a multiset for each name. A timing's value is a duration and does not count."""
    mine, theirs = _by_name(left), _by_name(right)
    return Comparison("metrics", "metrics", bounded(_compare(mine, theirs)), "values of timings do not count")


def _compare(left: dict[str, Counter[str]], right: dict[str, Counter[str]]) -> Iterator[Difference]:
    for name in sorted(left.keys() | right.keys()):
        mine, theirs = left.get(name, Counter()), right.get(name, Counter())
        if mine != theirs:
            yield Difference(
                name, _text(mine - theirs), _text(theirs - mine), f"sent {mine.total()} and {theirs.total()} times"
            )


def _by_name(lines: Sequence[str]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for line in lines:
        name, colon, rest = line.partition(":")
        value, *parts = rest.split("|") if colon else ["(malformed)"]
        kind = parts[0] if parts else ""
        shown = "|".join(["…" if kind in _TIMINGS else value, *parts])
        found.setdefault(name, Counter())[shown] += 1
    return found


def _text(values: Counter[str]) -> str | None:
    return ", ".join(f"{value} x{count}" if count > 1 else value for value, count in sorted(values.items())) or None
