"""What the shim adds to the start of a program with nothing to fetch, inside the image: at most 60 ms."""

from __future__ import annotations

import json
import subprocess

from lyftlearn_image.build.engine import build_client

GOAL_MS = 60
PROGRAM = """
import json, statistics, subprocess, time
def run(argv):
    started = time.perf_counter()
    subprocess.run(argv, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started
bare, shim = [], []
for _ in range(30):
    bare.append(run(["/usr/bin/python3", "-c", "pass"]))
    shim.append(run(["/opt/lyftlearn/bin/entrypoint", "/usr/bin/python3", "-c", "pass"]))
print(json.dumps([1000 * statistics.median(bare), 1000 * statistics.median(shim)]))
"""


def main() -> None:
    """Prints the medians of 30 interleaved starts of a one-line script, with and without the shim."""
    command = [str(build_client()), "run", "--rm", "--entrypoint", "python", "lyftlearn:latest", "-c", PROGRAM]
    bare, shim = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    verdict = "reached" if shim - bare <= GOAL_MS else "NOT reached"
    print(f"a one-line script: {bare:.0f} ms, through the shim: {shim:.0f} ms")
    print(f"  difference {shim - bare:.0f} ms, goal ≤ {GOAL_MS} ms: {verdict}")


if __name__ == "__main__":
    main()
