"""How long `lyftlearn-image --help` takes, beside the bare interpreter: the goal is 30 ms more."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 30
GOAL_S = 0.030


def wall_s(*command: str) -> float:
    """The wall time of a command in seconds."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Prints the medians of both times, run in turn so that a machine that slows down slows both, and their difference."""
    bare = (sys.executable, "-c", "pass")
    helped = (str(Path(sys.executable).parent / "lyftlearn-image"), "--help")
    wall_s(*helped)
    times = [(wall_s(*bare), wall_s(*helped)) for _ in range(RUNS)]
    bare_s, helped_s = (statistics.median(column) for column in zip(*times, strict=True))
    verdict = "reached" if helped_s - bare_s <= GOAL_S else "NOT reached"
    print(f"lyftlearn-image --help: {helped_s * 1e3:.0f} ms, bare interpreter: {bare_s * 1e3:.0f} ms")
    print(f"  difference {1e3 * (helped_s - bare_s):.0f} ms, goal ≤ {GOAL_S * 1e3:.0f} ms: {verdict}")


if __name__ == "__main__":
    main()
