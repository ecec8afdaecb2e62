"""How many examples a test has whose examples are dearer, or more telling, than others."""

from __future__ import annotations

from hypothesis import settings

_FEWEST = 5


def examples(percent: int) -> settings:
    """So many for each hundred that the profile has, so that `make test-fast` leaves out the same part of every test."""
    return settings(max_examples=max(_FEWEST, settings().max_examples * percent // 100))
