"""The timings of runs as a drawing: lengths on one scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lyftlearn_image.run import Run

PHASES = ("prepare", "startup", "script", "collect")
_MOST_TICKS = 6
# Below a clock's resolution there is nothing to draw.
_SHORTEST_S = 1e-9


@dataclass(frozen=True)
class Bar:
    """One phase: where it begins and how long it is, both as a fraction of the scale."""

    phase: str
    seconds: float
    start: float
    length: float


@dataclass(frozen=True)
class Scale:
    """What the full width stands for, and the seconds at which a line helps to read it."""

    seconds: float
    ticks: tuple[float, ...]

    def fraction(self, seconds: float) -> float:
        """The place of a moment, as a fraction of the width."""
        return seconds / self.seconds


def fit_scale(runs: Sequence[Run]) -> Scale:
    """A scale on which all these runs fit, with round ticks."""
    longest = max((run.timings.total_s for run in runs), default=0.0)
    if longest < _SHORTEST_S:
        longest = 1.0
    step = _round_step(longest / _MOST_TICKS)
    end = math.ceil(longest / step - 1e-9) * step
    return Scale(end, tuple(step * index for index in range(round(end / step) + 1)))


def _round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def phase_bars(run: Run, scale: Scale) -> tuple[Bar, ...]:
    """The run's phases one after the other; a phase that was not measured has no bar."""
    found, at_s = [], 0.0
    for phase in PHASES:
        seconds = getattr(run.timings, f"{phase}_s")
        if seconds is None:
            continue
        found.append(Bar(phase, seconds, scale.fraction(at_s), scale.fraction(seconds)))
        at_s += seconds
    return tuple(found)
