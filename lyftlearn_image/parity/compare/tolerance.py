"""When two numbers are the same, and the limit on how many differences are told."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lyftlearn_image.parity.differences import Difference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lyftlearn_image.parity.compare.rule import Rule

MOST_DIFFERENCES = 20


def close(left: float, right: float, rule: Rule) -> bool:
    """Whether two numbers are the same under a rule; an infinity is only the same as itself."""
    if math.isnan(left) or math.isnan(right):
        return rule.equal_nan and math.isnan(left) and math.isnan(right)
    if left == right:
        return True
    if math.isinf(left) or math.isinf(right):
        return False
    return abs(left - right) <= rule.atol + rule.rtol * abs(right)


def bounded(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """The first differences, and one that says how many more there are."""
    kept: list[Difference] = []
    more = 0
    for one in differences:
        if len(kept) < MOST_DIFFERENCES:
            kept.append(one)
        else:
            more += 1
    if more:
        kept.append(Difference("", None, None, detail=f"and {more} more differences"))
    return tuple(kept)
