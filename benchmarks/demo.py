"""What the harness costs: a second `make demo`, beside the time that its scripts alone take.

The scripts' time is measured in a run with one case at a time, from each script's start to its end; of a case's two
scripts, which run side by side, the slower counts. Building, moving data, comparing and reporting are not in it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import Measurement, show

ROOT = Path(__file__).resolve().parent.parent
SUITE = ROOT / "parity_tests" / "suite.yaml"
GOAL = 1.2


def main() -> None:
    """Prints both times and their ratio."""
    cli = str(Path(sys.executable).parent / "lyftlearn-image")
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["make", "image"], cwd=ROOT, check=True, capture_output=True)
        command = [cli, "parity", "run", str(SUITE), "--jobs", "1", "--report", directory, "--quiet"]
        subprocess.run(command, check=True, capture_output=True)
        cases = json.loads(Path(directory, "report.json").read_text())["cases"]
    started = time.perf_counter()
    subprocess.run(["make", "demo"], cwd=ROOT, check=True, capture_output=True)
    demo_s = time.perf_counter() - started
    scripts_s = sum(max(run["timings"]["script_s"] for run in case["runs"]) for case in cases)
    show(Measurement("a second `make demo`", demo_s, scripts_s, "s", GOAL, "its scripts alone, case after case"))


if __name__ == "__main__":
    main()
