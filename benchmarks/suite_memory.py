"""What the harness keeps of each case: its memory after the first cases of a suite of two hundred, and after the last.

Most of what a case leaves is on the disk; what stays in memory is what its reports will show. The first cases import and
connect, which is done once.
"""

from __future__ import annotations

import gc
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from benchmarks.report import Measurement, show
from lyftlearn_image.parity.run import SuiteRun
from lyftlearn_image.parity.suite import load_suite

if TYPE_CHECKING:
    from lyftlearn_image.parity.run_plan import Event

IMAGE = "lyftlearn:latest"
CASES = 200
FIRST = 10
GOAL_MIB = 20.0


def resident_mib() -> float:
    """The memory of this process that is not on a disk (proc(5), VmRSS)."""
    gc.collect()
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def main() -> None:
    """Runs the suite and prints by how much the memory has grown."""
    finished: list[float] = []

    def on_event(event: Event) -> None:
        if event.state == "finished":
            finished.append(resident_mib())

    program = "import sys, json; print('metric', 0.5); json.dump({'a': 1}, open('/opt/ml/model/model.json', 'w'))"
    workload = {"command": ["python3", "-c", program]}
    cases = [{"name": f"case-{number}", "workload": workload} for number in range(CASES)]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "suite.yaml"
        path.write_text(yaml.safe_dump({"name": "memory", "image": IMAGE, "cases": cases}), encoding="utf-8")
        suite = load_suite(path)
        result = SuiteRun(
            suite=suite, suite_path=path, directory=Path(directory) / "report", cases=suite.cases, on_event=on_event
        ).run()
    if wrong := [case.name for case in result.cases if not case.is_as_expected]:
        raise SystemExit(f"these cases did not come out as parity: {', '.join(wrong)}")
    grown = finished[-1] - finished[FIRST - 1]
    show(Measurement(f"growth of the harness over {CASES} cases", max(grown, 0.0), GOAL_MIB, "MiB", 1, "allowed"))


if __name__ == "__main__":
    main()
