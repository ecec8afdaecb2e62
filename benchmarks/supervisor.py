"""What the shim costs while the script runs: its memory, the way of a signal, the script's output; and its size on disk."""

from __future__ import annotations

import json
import statistics
import subprocess
import time

from benchmarks.peers import run
from benchmarks.report import Measurement, show
from lyftlearn_image.build.builder import build
from lyftlearn_image.build.engine import build_client
from lyftlearn_image.build.spec import find_images_dir

MIB = 1 << 20
PROGRAM = r"""
import json, os, signal, statistics, subprocess, time
shim = "/opt/lyftlearn/bin/entrypoint"
python = "/usr/bin/python3"
def memory(pid):
    text = open(f"/proc/{pid}/smaps_rollup").read()
    return {k: int(text.split(k + ":")[1].split()[0]) / 1024 for k in ("Rss", "Pss")}
listen = ("import signal, sys, time\n"
          "def heard(*_):\n    print(repr(time.monotonic()), flush=True)\n    sys.exit(0)\n"
          "signal.signal(signal.SIGTERM, heard)\nprint('ready', flush=True)\nwhile True: signal.pause()\n")
def term(argv):
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env={**os.environ, "LYFTLEARN_CONTEXT": "kubernetes"})
    child.stdout.readline()
    found = memory(child.pid)
    time.sleep(0.05)
    sent = time.monotonic()
    child.send_signal(signal.SIGTERM)
    heard = float(child.stdout.readline())
    child.wait()
    return 1000 * (heard - sent), found
direct = [term([python, "-c", listen])[0] for _ in range(15)]
through = [term([shim, python, "-c", listen]) for _ in range(15)]
measured = subprocess.run(["du", "-s", "-B1", "--apparent-size", "/opt/lyftlearn"], capture_output=True, text=True)
print(json.dumps({
    "direct": statistics.median(direct), "term": statistics.median(one for one, _ in through),
    "rss": max(one["Rss"] for _, one in through), "pss": max(one["Pss"] for _, one in through),
    "size": int(measured.stdout.split()[0]),
}))
"""


OUTPUT_BYTES = 1600 << 16
WRITE = "import sys\nfor _ in range(1600): sys.stdout.buffer.write(b'x' * 65535 + b'\\n')\n"


def output_s(*words: str) -> float:
    """Seconds from `docker run` with these words to the last of 100 MiB of output."""
    command = [str(build_client()), "run", "--rm", "-e", "LYFTLEARN_CONTEXT=kubernetes", *words]
    started = time.perf_counter()
    size = 0
    with subprocess.Popen([*command, "-c", WRITE], stdout=subprocess.PIPE) as process:
        while data := process.stdout.read(1 << 16):  # type: ignore[union-attr]  # PIPE was asked for
            size += len(data)
    if size != OUTPUT_BYTES:
        raise SystemExit(f"{size} of {OUTPUT_BYTES} bytes came")
    return time.perf_counter() - started


def main() -> None:
    """Prints the four figures, each beside its goal."""
    image = build("lyftlearn", images_dir=find_images_dir()).image
    found = json.loads(run("run", "--rm", "--entrypoint", "/usr/bin/python3", image, "-c", PROGRAM))
    limits = (
        ("memory of the supervising process (RSS)", found["rss"], 20, "MiB"),
        ("memory of its own (PSS)", found["pss"], 20, "MiB"),
        ("size in the image", found["size"] / MIB, 1, "MiB"),
        ("TERM to the script's handler", found["term"], 20, "ms"),
    )
    for what, value, goal, unit in limits:
        print(f"{what}: {value:.2f} {unit}, goal ≤ {goal} {unit}: {'reached' if value <= goal else 'NOT reached'}")
    print(f"  TERM to a script without the shim: {found['direct']:.2f} ms")
    plain, carried = [], []
    python = "/usr/bin/python3"
    for _ in range(7):
        plain.append(output_s("--entrypoint", python, image))
        carried.append(output_s(image, python))
    ours, alone = statistics.median(carried), statistics.median(plain)
    show(Measurement("100 MiB of output of a container", ours, alone, "s", 1 / 0.95, "without the shim"))


if __name__ == "__main__":
    main()
