"""Downward values on SageMaker: what a Kubernetes script asks its pod for, it finds in a job's container."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.runtime.conftest import Files, Shim

HOSTS = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}
FIELDS = {
    "POD_NAME": "metadata.name",
    "NAMESPACE": "metadata.namespace",
    "UID_OF_POD": "metadata.uid",
    "JOB": "metadata.labels['job-name']",
    "INDEX": "metadata.annotations['batch.kubernetes.io/job-completion-index']",
    "TEAM": "metadata.labels['team']",
    "IP": "status.podIP",
    "NODE": "spec.nodeName",
    "CPUS": "limits.cpu",
    "MEMORY": "limits.memory",
}
SHOW = f"import json, os; print(json.dumps({{name: os.environ[name] for name in {list(FIELDS)}}}))"


def options(files: Files) -> tuple[str, ...]:
    """A training job on two hosts with limits."""
    variables = [word for name, field in FIELDS.items() for word in ("-e", f"{name}=downward://{field}")]
    return (
        *files.put("/opt/ml/input/config/resourceconfig.json", json.dumps(HOSTS)),
        *("-e", "TRAINING_JOB_NAME=iris-7", "-e", "TRAINING_JOB_ARN=arn:x", *variables),
        *("--cpus", "1.5", "--memory", "256m", "--hostname", "ip-10-0-0-7.ec2.internal"),
        *("--add-host", "algo-1:127.0.0.1", "--add-host", "algo-2:127.0.0.1"),
    )


def test_a_jobs_host_stands_for_a_pod(shim: Shim, files: Files) -> None:
    """Names, index, addresses and limits as the downward API writes them; a label that nobody set is empty."""
    done = shim.python(SHOW, *options(files))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    address, uid = found.pop("IP"), found.pop("UID_OF_POD")
    assert found == {
        "POD_NAME": "iris-7-algo-2",
        "NAMESPACE": "default",
        "JOB": "iris-7",
        "INDEX": "1",
        "TEAM": "",
        "NODE": "ip-10-0-0-7.ec2.internal",
        "CPUS": "2",
        "MEMORY": str(256 << 20),
    }
    assert address.count(".") == 3
    again = json.loads(shim.python(SHOW, *options(files)).stdout)
    assert again["UID_OF_POD"] == uid, "not the same for the same host of the same job"


def test_they_are_no_secrets(shim: Shim, files: Files, tmp_path: Path) -> None:
    """The reason of a failure may name the job and the host."""
    output = tmp_path / "output"
    output.mkdir(mode=0o777)
    program = "import os, sys; sys.exit('failed in ' + os.environ['POD_NAME'])"
    assert shim.python(program, *options(files), "-v", f"{output}:/opt/ml/output").returncode == 1
    assert "failed in iris-7-algo-2" in (output / "failure").read_text()


@pytest.mark.parametrize("field", ["status.phase", "metadata.labels", "limits.nvidia.com/gpu"])
def test_what_is_no_field_of_it_stops_the_start(shim: Shim, field: str) -> None:
    """With the fields that there are."""
    done = shim.run("true", options=("-e", f"X=downward://{field}"))
    assert done.returncode == 78
    assert "expected a field of the downward API: metadata.name" in done.stderr
