"""How a measurement is printed: two figures of one run, their ratio, and the goal."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Measurement:
    """`ours` and `instead` in `unit`; `goal` is the largest ratio ours/instead that was promised."""

    what: str
    ours: float
    instead: float
    unit: str
    goal: float
    instead_is: str

    @property
    def ratio(self) -> float:
        """Ours over the other."""
        return self.ours / self.instead


def show(*measurements: Measurement) -> None:
    """Prints a line a measurement, or JSON with --json."""
    if "--json" in sys.argv:
        print(json.dumps([{**asdict(one), "ratio": one.ratio} for one in measurements], indent=2))
        return
    for one in measurements:
        verdict = "reached" if one.ratio <= one.goal else "NOT reached"
        print(f"{one.what}: {one.ours:.3g} {one.unit}, {one.instead_is}: {one.instead:.3g} {one.unit}")
        print(f"  ratio {one.ratio:.3f}, goal ≤ {one.goal:g}: {verdict}")
