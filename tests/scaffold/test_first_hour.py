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

if TYPE_CHECKING:
    from collections.abc import Callable

# The script of an existing Job, and the Job: its own image, a Secret of the cluster, less than a default instance has.
TRAIN = """\
import argparse, json, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int)
depth = parser.parse_args().depth
assert os.environ["DB_URL"] and os.environ["MODE"] == "nightly"
model = pathlib.Path(os.environ.get("SM_MODEL_DIR", "/tmp"), "model.json")
model.write_text(json.dumps({"depth": depth}))
print("depth", depth)
"""
JOB = """\
apiVersion: batch/v1
kind: Job
metadata: {name: churn, namespace: ml}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      serviceAccountName: churn
      containers:
        - name: main
          image: registry.example.com/churn:3
          command: [python, /app/train.py, --depth, "3"]
          env:
            - {name: MODE, value: nightly}
            - {name: DB_URL, valueFrom: {secretKeyRef: {name: churn-db, key: url}}}
          resources:
            requests: {cpu: 500m, memory: 512Mi}
            limits: {cpu: "1", memory: 1Gi}
"""
# A script for SageMaker, and the one that starts it with the SDK, whose role and session nobody here can know.
ESTIMATED = """\
import argparse, json, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--scale", type=float)
rows = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "rows.csv").read_text().split()
mean = parser.parse_args().scale * sum(map(float, rows)) / len(rows)
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps({"mean": mean}))
print(f"mean={mean}")
"""
LAUNCH = """\
import sagemaker
from sagemaker.inputs import TrainingInput
from sagemaker.sklearn import SKLearn
BUCKET = "s3://ml-data"
raise SystemExit("this script is read and never run")
estimator = SKLearn(
    entry_point="fit.py", source_dir="src", role=sagemaker.get_execution_role(), instance_type="ml.m5.large",
    instance_count=1, framework_version="1.2-1", hyperparameters={"scale": 0.5}, base_job_name="means", max_run=2 * 3600,
    metric_definitions=[{"Name": "mean", "Regex": r"mean=(\\S+)"}],
)
estimator.fit({"train": TrainingInput(f"{BUCKET}/rows/")}, wait=False)
"""
MANIFEST_TEAM = {"job.yaml": JOB, "train.py": TRAIN}
ESTIMATOR_TEAM = {"launch.py": LAUNCH, "src/fit.py": ESTIMATED, "data/rows.csv": "1\n2\n6\n"}
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
