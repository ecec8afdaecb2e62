"""The first hour: `init`, and then the commands that it prints, as a person types them, outside of the checkout."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.scaffold.teams import ESTIMATOR_TEAM, MANIFEST_TEAM

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_COMMANDS = 4


def run(command: str, directory: Path) -> str:
    """What a command prints; it succeeds."""
    words = shlex.split(command)
    assert words[0] == "lyftlearn-image"
    program = str(Path(sys.executable).parent / words[0])
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON", "COV_"))}
    done = subprocess.run(
        [program, *words[1:]], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(
            MANIFEST_TEAM,
            {"TrainingJobName": "churn", "AlgorithmSpecification.ContainerArguments": ["python", "/app/train.py"]},
            id="an existing Job",
        ),
        pytest.param(
            ESTIMATOR_TEAM,
            {"TrainingJobName": "means", "HyperParameters.scale": "0.5", "ResourceConfig.InstanceType": "ml.m5.large"},
            id="an estimator",
        ),
    ],
)  # fmt: skip
@pytest.mark.timeout(300)
def test_what_a_team_has_comes_to_a_verdict_and_to_a_request_in_four_commands(
    tmp_path: Path,
    lyftlearn_image_tag: str,
    remove_image: Callable[[str], None],
    files: dict[str, str],
    expected: dict[str, Any],
) -> None:
    """`init` and what it prints, each as it is; the building of the base image, once for all teams, is the fourth."""
    team = tmp_path / f"team-{tmp_path.name[-12:].lower().replace('_', '-')}-{os.getpid()}"
    name = expected["TrainingJobName"]
    for file, text in files.items():
        (team / file).parent.mkdir(parents=True, exist_ok=True)
        (team / file).write_text(text)
    told = json.loads(run(f"lyftlearn-image init {team.name} --base {lyftlearn_image_tag} --json", tmp_path))
    assert told["written"] == ["Dockerfile", ".dockerignore", f"{name}.yaml", "suite.yaml"]
    assert len(told["next"]) + 2 <= MOST_COMMANDS
    remove_image(f"{team.name}:latest")
    verdict, request = (run(command, tmp_path) for command in told["next"])
    report = json.loads((tmp_path / "parity-report" / "report.json").read_text())
    assert "Parity" in verdict
    assert [(case["name"], case["outcome"]) for case in report["cases"]] == [(name, "parity")]
    document = json.loads(request)["CreateTrainingJob"]
    for path, value in expected.items():
        found = document
        for key in path.split("."):
            found = found[key]
        assert found[: len(value)] == value if isinstance(value, list) else found == value
    before = {path: path.read_bytes() for path in team.rglob("*") if path.is_file()}
    again = json.loads(run(f"lyftlearn-image init {team.name} --base {lyftlearn_image_tag} --json", tmp_path))
    assert (again["written"], again["kept"]) == ([], told["written"])
    assert {path: path.read_bytes() for path in team.rglob("*") if path.is_file()} == before
    shutil.rmtree(tmp_path / "parity-report")
