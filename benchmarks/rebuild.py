"""How long a rebuild takes after a change of code alone, beside a cold build: the goal is one twentieth.

Cold means: no layer from the cache, and package caches that are empty. The base image is there already, and Debian's
and Python's packages come over this machine's network. Everything runs in a copy of the toolkit, by its command line.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from benchmarks.report import Measurement, show
from lyftlearn_image.build.builder import build_directory
from lyftlearn_image.build.engine import ensure_engine

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("images", "entrypoints", "lyftlearn_image", "lyftlearn_runtime")
GOAL = 1 / 20


def copy_toolkit(target: Path, run_id: str) -> None:
    """The toolkit's own files, with package caches that nobody has used before."""
    for part in PARTS:
        shutil.copytree(ROOT / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
    template = target / "images" / "Dockerfile.j2"
    text, changed = re.subn(r"type=cache,target=([^,\s]+)", rf"type=cache,id={run_id}\1,target=\1", template.read_text())
    if not changed:
        raise SystemExit("the template has no cache mounts; this benchmark has to be looked at")
    template.write_text(text)


def build_s(toolkit: Path, tag: str, *arguments: str) -> float:
    """The wall time of `lyftlearn-image build` in the copy, in seconds, the start of the interpreter included."""
    program = "import sys; from lyftlearn_image.cli.main import main; sys.exit(main(sys.argv[1:]))"
    verb = ["build", "lyftlearn", "--images", str(toolkit / "images"), "--tag", tag, "--json", "--quiet"]
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", program, *verb, *arguments], cwd=toolkit, capture_output=True, check=True)
    took_s = time.perf_counter() - started
    if not json.loads(done.stdout)["was_built"]:
        raise SystemExit("nothing was built; this benchmark has to be looked at")
    return took_s


def team_rebuild_s(directory: Path, base: str, tag: str) -> float:
    """The wall time of the second build of a team's image, after a change of its script, in seconds."""
    (directory / "Dockerfile").write_text(f"FROM {base}\nCOPY . /opt/ml/code/\n")
    (directory / "train.py").write_text("print('one')\n")
    build_directory(directory, tag)
    (directory / "train.py").write_text("print('two')\n")
    started = time.perf_counter()
    build_directory(directory, tag)
    return time.perf_counter() - started


def main() -> None:
    """Builds cold, changes the shim, builds; changes a team's script, builds."""
    run_id = f"lyftlearn-benchmark-{uuid.uuid4().hex[:8]}"
    class_tag, team_tag = f"{run_id}:class", f"{run_id}:team"
    with tempfile.TemporaryDirectory() as directory:
        toolkit, team = Path(directory, "toolkit"), Path(directory, "team")
        team.mkdir()
        copy_toolkit(toolkit, run_id)
        cold_s = build_s(toolkit, class_tag, "--no-cache")
        main_module = toolkit / "lyftlearn_runtime" / "main.py"
        main_module.write_text(f"{main_module.read_text()}\n# A change of the code.\n")
        shim_s = build_s(toolkit, class_tag)
        team_s = team_rebuild_s(team, class_tag, team_tag)
    with ensure_engine(print).connect() as client:
        for tag in (team_tag, class_tag):
            client.images.remove(tag)
    show(
        Measurement("rebuild after a change of the shim", shim_s, cold_s, "s", GOAL, "cold build"),
        Measurement("rebuild after a change of a team's script", team_s, cold_s, "s", GOAL, "cold build"),
    )


if __name__ == "__main__":
    main()
