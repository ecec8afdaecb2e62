"""What the harness costs: a second `make demo`, beside the same scripts in bare containers.

The scripts' time is measured in a run with one case at a time, from each script's start to its end; of a case's two
scripts, which run side by side, the slower counts. Since no script runs without its container, the start of two bare
containers side by side is added for each case. Building, moving data, collecting, comparing and reporting are not in it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import Measurement, show

ROOT = Path(__file__).resolve().parent.parent
SUITE = ROOT / "parity_tests" / "suite.yaml"
GOAL = 1.2


STARTS = 5


def main() -> None:
    """Prints both times and their ratio."""
    cli = str(Path(sys.executable).parent / "lyftlearn-image")
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["make", "image"], cwd=ROOT, check=True, capture_output=True)
        command = [cli, "parity", "run", str(SUITE), "--jobs", "1", "--report", directory, "--quiet"]
        subprocess.run(command, check=True, capture_output=True)
        report = json.loads(Path(directory, "report.json").read_text())
    started = time.perf_counter()
    subprocess.run(["make", "demo"], cwd=ROOT, check=True, capture_output=True)
    demo_s = time.perf_counter() - started
    scripts_s = sum(max(run["timings"]["script_s"] for run in case["runs"]) for case in report["cases"])
    start_s = two_bare_containers(report["image"]["name"])
    alone_s = scripts_s + start_s * len(report["cases"])
    instead = f"its scripts alone ({scripts_s:.1f} s), each in a bare container (two start in {start_s:.2f} s)"
    show(Measurement("a second `make demo`", demo_s, alone_s, "s", GOAL, instead))


def two_bare_containers(image: str) -> float:
    """Seconds that two containers side by side take to do nothing: the median of a few."""
    command = ["docker", "run", "--rm", "--entrypoint", "true", image]
    times = []
    for _ in range(STARTS):
        started = time.perf_counter()
        with subprocess.Popen(command) as one, subprocess.Popen(command) as other:
            one.wait()
            other.wait()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


if __name__ == "__main__":
    main()
