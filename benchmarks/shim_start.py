"""What the shim adds to the start of a script with nothing to fetch, beside `train` of sagemaker-training, in one image.

Goals: at most 15 ms more than the bare script, and a fifteenth of what the other adds.
"""

from __future__ import annotations

import json

from benchmarks.peers import peer_image, run
from benchmarks.report import Measurement, show

GOAL_MS = 15
GOAL = 1 / 15
PROGRAM = """
import json, os, statistics, subprocess, time
os.makedirs("/opt/ml/input/config", exist_ok=True)
for name, text in (("hyperparameters", '{"lr": "0.1"}'), ("inputdataconfig", "{}"),
                   ("resourceconfig", '{"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"}')):
    open(f"/opt/ml/input/config/{name}.json", "w").write(text)
open("/opt/ml/code/script.py", "w").write("pass\\n")
open("/etc/hosts", "a").write("127.0.0.1 algo-1\\n")
environ = {**os.environ, "SAGEMAKER_PROGRAM": "script.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/code"}
def run(argv):
    started = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ)
    return 1000 * (time.perf_counter() - started)
python = "/opt/venv/bin/python"
ways = {
    "bare": [python, "/opt/ml/code/script.py", "--lr", "0.1"],
    "shim": ["/opt/lyftlearn/bin/entrypoint", "train"],
    "peer": ["/opt/peer/bin/train"],
}
times = {name: [] for name in ways}
for turn in range(20):
    for name, argv in ways.items():
        if name != "peer" or turn % 4 == 0:
            times[name].append(run(argv))
print(json.dumps({name: statistics.median(found) for name, found in times.items()}))
"""


def main() -> None:
    """Prints the medians of interleaved starts of a one-line script."""
    with peer_image() as image:
        found = json.loads(run("run", "--rm", image, "python", "-c", PROGRAM))
    bare, shim, peer = found["bare"], found["shim"], found["peer"]
    verdict = "reached" if shim - bare <= GOAL_MS else "NOT reached"
    print(f"a one-line script: {bare:.0f} ms, through the shim: {shim:.0f} ms")
    print(f"  difference {shim - bare:.0f} ms, goal ≤ {GOAL_MS} ms: {verdict}")
    show(Measurement("what the shim's `train` adds", shim - bare, peer - bare, "ms", GOAL, "what sagemaker-training's adds"))


if __name__ == "__main__":
    main()
