"""How long `lyftlearn-image --help` takes, beside the bare interpreter: the goal is 150 ms more."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 15
GOAL_S = 0.150


def median_s(*command: str) -> float:
    """The median wall time of a command in seconds, over interleaved runs of its own."""
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    """Prints both times and their difference."""
    bare = median_s(sys.executable, "-c", "pass")
    helped = median_s(str(Path(sys.executable).parent / "lyftlearn-image"), "--help")
    verdict = "reached" if helped - bare <= GOAL_S else "NOT reached"
    print(f"lyftlearn-image --help: {helped * 1e3:.0f} ms, bare interpreter: {bare * 1e3:.0f} ms")
    print(f"  difference {1e3 * (helped - bare):.0f} ms, goal ≤ 150 ms: {verdict}")


if __name__ == "__main__":
    main()
