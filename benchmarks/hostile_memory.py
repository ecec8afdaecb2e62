"""What a case can make the harness take: its largest memory in a suite of cases that leave as much as they can.

A log of 1 GB, one line of 250 MB with `stop_when`, a sparse file of 4 GiB, a hundred thousand files, an archive that
unpacks to far more than it is, a deep observation, a flood of metrics.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from benchmarks.report import Measurement, show

IMAGE = "lyftlearn:latest"
GOAL_MIB = 300.0
_OBSERVATION = "/opt/ml/output/data/.lyftlearn/observation.json"
ATTACKS = {
    "log": "for _ in range(1000): sys.stdout.write(('x' * 99 + chr(10)) * 10_000)",
    "line": "for _ in range(250): sys.stdout.write('x' * 1_000_000)\nprint(chr(10) + 'stop here', flush=True); time.sleep(100)",
    "sparse": "open('/opt/ml/model/huge', 'wb').truncate(4 << 30)",
    "files": "for n in range(100_000): open(f'/opt/ml/model/{n}', 'wb')",
    "zeros": "for n in range(8): open(f'/opt/ml/model/{n}', 'wb').truncate(1 << 30)",
    "observation": f"""
os.path.exists('{_OBSERVATION}') and os.remove('{_OBSERVATION}')
os.makedirs(os.path.dirname('{_OBSERVATION}'), exist_ok=True); open('{_OBSERVATION}', 'w').write('[' * 100_000)
""",
    "flood": "s = socket.socket(2, 2)\nfor n in range(1_000_000): s.sendto(b'x' * 1000, ('127.0.0.1', 8125))",
}


def main() -> None:
    """Runs the suite in a process of its own, and prints the largest memory that it had."""
    cases = []
    for name, program in ATTACKS.items():
        command = ["python3", "-c", f"import os, sys, time, socket\n{program}"]
        cases.append({"name": name, "workload": {"command": command}, **({"stop_when": "^stop"} if name == "line" else {})})
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "suite.yaml"
        path.write_text(yaml.safe_dump({"name": "attacks", "image": IMAGE, "cases": cases}), encoding="utf-8")
        command = [sys.executable, "-m", "lyftlearn_image", "parity", "run", str(path), "--report", f"{directory}/report"]
        with subprocess.Popen([*command, "--quiet"], stdout=subprocess.DEVNULL) as process:
            _, _, usage = os.wait4(process.pid, 0)
            process.returncode = 0
        report = yaml.safe_load((Path(directory) / "report" / "report.json").read_text(encoding="utf-8"))
    for case in report["cases"]:
        print(f"{case['name']}: {case['outcome']}: {case['problem'][:100]}")
    show(Measurement("largest memory of the harness", usage.ru_maxrss / 1024, GOAL_MIB, "MiB", 1, "allowed"))


if __name__ == "__main__":
    main()
