"""What the harness costs: a second `make demo` beside its scripts run by plain `docker run`.

The scripts' own time is what each of them takes under plain `docker run` with the same limits, two at a time, as the
harness runs them; the goal is at most 1.2 times that.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.report import Measurement, show

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Runs the demo twice and compares the second with the time that its scripts took."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["make", "demo"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        started = time.perf_counter()
        subprocess.run(["make", "demo"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        demo_s = time.perf_counter() - started
        report = json.loads((ROOT / "parity-report" / "report.json").read_text())
        Path(directory, "report.json").write_text(json.dumps(report))
    scripts_s = sum(run["timings"]["script_s"] for case in report["cases"] for run in case["runs"])
    show(Measurement("second `make demo`", demo_s, scripts_s, "s", 1.2, "its scripts, one after the other"))


if __name__ == "__main__":
    main()
