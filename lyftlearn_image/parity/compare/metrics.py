"""StatsD metrics: the same names, values and tags, however their packets were ordered."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from lyftlearn_image.parity.compare.tolerance import limit_differences
from lyftlearn_image.parity.differences import Comparison, Difference, format_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TIMINGS = ("ms", "h", "d")


def compare_metrics(left: Sequence[str], right: Sequence[str]) -> Comparison:
    """What was sent on each side, as a multiset for each name. A timing's value is a duration and does not count."""
    differences = limit_differences(_compare(_by_name(left), _by_name(right)))
    return Comparison("metrics", "metrics", differences, "values of timings do not count")


def _compare(left: dict[str, Counter[str]], right: dict[str, Counter[str]]) -> Iterator[Difference]:
    for name in sorted(left.keys() | right.keys()):
        left_values, right_values = left.get(name, Counter()), right.get(name, Counter())
        if left_values != right_values:
            detail = f"sent {left_values.total()} and {right_values.total()} times"
            yield Difference(name, _format(left_values - right_values), _format(right_values - left_values), detail)


def _by_name(lines: Sequence[str]) -> dict[str, Counter[str]]:
    by_name: dict[str, Counter[str]] = {}
    for line in lines:
        name, colon, rest = line.partition(":")
        value, *parts = rest.split("|") if colon else ["(malformed)"]
        kind = parts[0] if parts else ""
        sample = "|".join(["…" if kind in _TIMINGS else value, *parts])
        by_name.setdefault(name, Counter())[sample] += 1
    return by_name


def _format(values: Counter[str]) -> str | None:
    """The samples with how often each was sent; None when there are none."""
    if not values:
        return None
    return format_value(", ".join(f"{value} x{count}" if count > 1 else value for value, count in sorted(values.items())))
