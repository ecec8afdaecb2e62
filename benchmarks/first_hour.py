"""How many commands, and seconds, it takes a new user from what he has to a verdict and to a SageMaker request.

The wheel is installed into an empty environment, and everything happens outside of the checkout: `init` in a directory with a
Job manifest and its script, or with a script and the one that starts it with SageMaker's SDK, and then the commands that it
prints, each as it is. The building of the base image counts as a command, and is measured with nothing to build.
Before `init` it took seven commands and edits between them.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import Measurement, show
from lyftlearn_image.build.connection import connect
from tests.scaffold.teams import ESTIMATOR_TEAM, MANIFEST_TEAM

ROOT = Path(__file__).resolve().parent.parent
TEAMS = {"a Job manifest and its script": MANIFEST_TEAM, "an estimator's script": ESTIMATOR_TEAM}
COMMANDS_BEFORE = 7
GOAL_COMMANDS = 4


def main() -> None:
    """Prints each step with its seconds, and the commands of each team beside those that it took before."""
    with tempfile.TemporaryDirectory(prefix="lyftlearn-first-hour-") as work:
        started = time.perf_counter()
        program = install(Path(work))
        tell("the wheel, built and installed into an empty environment", time.perf_counter() - started)
        measurements = []
        for number, (what, files) in enumerate(TEAMS.items(), start=1):
            directory = Path(work, "elsewhere", f"first-hour-{os.getpid()}-{number}")
            try:
                measurements.append(first_hour(program, directory, what, files))
            finally:
                remove_image(f"{directory.name}:latest")
    show(*measurements)


def install(work: Path) -> Path:
    """The command of the wheel, in an environment of its own."""
    quietly(sys.executable, "-m", "build", "--wheel", "--outdir", str(work / "dist"), str(ROOT))
    quietly(sys.executable, "-m", "venv", str(work / "env"))
    (wheel,) = (work / "dist").glob("*.whl")
    python = work / "env" / "bin" / "python"
    quietly(str(python), "-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "constraints.txt"), str(wheel))
    return python.with_name("lyftlearn-image")


def first_hour(program: Path, directory: Path, what: str, files: dict[str, str]) -> Measurement:
    """All commands of one team, run as they are printed; the last one has to print a request."""
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")
    print(what, file=sys.stderr)
    commands = [f"lyftlearn-image init {directory.name} --json"]
    commands += json.loads(step(program, commands[0], directory.parent))["next"]
    printed = [step(program, command, directory.parent) for command in commands[1:]]
    if "CreateTrainingJob" not in json.loads(printed[-1]):
        raise SystemExit("the last command printed no request; this benchmark has to be looked at")
    return Measurement(
        f"commands from {what} to a verdict and a request", len(commands), COMMANDS_BEFORE, "commands",
        GOAL_COMMANDS / COMMANDS_BEFORE, "before `init`",
    )  # fmt: skip


def step(program: Path, command: str, directory: Path) -> str:
    """What a command prints. Its seconds are told."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    started = time.perf_counter()
    words = [str(program), *shlex.split(command)[1:]]
    done = subprocess.run(words, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    tell(command, time.perf_counter() - started)
    if done.returncode:
        raise SystemExit(f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def tell(what: str, seconds: float) -> None:
    """A step, on stderr: stdout may be JSON."""
    print(f"  {seconds:6.1f} s  {what}", file=sys.stderr, flush=True)


def quietly(*command: str) -> None:
    """Runs a command that has nothing to say."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def remove_image(name: str) -> None:
    """Removes what a step has built, if it came so far."""
    client = connect()
    if client.images.list(name):
        client.images.remove(name, force=True)
    client.close()


if __name__ == "__main__":
    main()
