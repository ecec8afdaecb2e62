"""The verbs around a workload file, from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from lyftlearn_image.cli.main import main

WORKLOADS = Path(__file__).parent.parent / "platforms" / "workloads"


def test_compile_prints_requests_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Each action with its request, in their order."""
    assert main(["compile", str(WORKLOADS / "serving.yaml"), "--target", "sagemaker"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]


def test_compile_prints_manifests_as_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    """Ready for kubectl."""
    assert main(["compile", str(WORKLOADS / "serving.yaml"), "--target", "kubernetes"]) == 0
    kinds = [one["kind"] for one in yaml.safe_load_all(capsys.readouterr().out)]
    assert kinds == ["ConfigMap", "Service", "Deployment"]


@pytest.mark.parametrize(("size", "is_large"), [(100_000, 0), (262_144, 1)])
def test_compile_tells_what_needs_server_side_apply(
    size: int, is_large: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kubectl keeps a copy of an object in its annotations, which have 256 KiB together."""
    source = tmp_path / "w.yaml"
    fields = {"name": "demo", "image": "team:1", "program": "t.py", "output": "s3://bucket/x"}
    source.write_text(json.dumps({**fields, "files": {"/etc/app/big.txt": {"content": "x" * size}}}))
    assert main(["compile", str(source), "--target", "kubernetes"]) == 0
    told = capsys.readouterr().err
    assert ("--server-side" in told and "ConfigMap demo-" in told and "Job demo" not in told) == is_large
    assert main(["compile", str(source), "--target", "sagemaker", "--role-arn", "arn:aws:iam::111122223333:role/x"]) == 0
    assert "--server-side" not in capsys.readouterr().err


@pytest.mark.parametrize(("target", "part"), [("sagemaker", "requests"), ("kubernetes", "manifests")])
def test_compile_gives_everything_as_json(target: str, part: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What must be in S3 before, and where the outputs will be, besides what is sent."""
    assert main(["compile", str(WORKLOADS / "training.yaml"), "--target", target, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"target", part, "objects", "outputs"}
    assert found["outputs"]["model"] == "s3://ml-runs/churn/churn/output/model.tar.gz"


def test_the_options_win_over_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    """A run has its own name and place."""
    options = [
        "--job-name",
        "churn-7",
        "--s3-prefix",
        "s3://other/place/",
        "--role-arn",
        "arn:aws:iam::111122223333:role/other",
    ]
    assert main(["compile", str(WORKLOADS / "warm.yaml"), "--target", "sagemaker", *options]) == 0
    request = json.loads(capsys.readouterr().out)["CreateTrainingJob"]
    assert request["TrainingJobName"] == "churn-7"
    assert request["OutputDataConfig"]["S3OutputPath"] == "s3://other/place"
    assert request["RoleArn"].endswith(":role/other")


def test_what_must_be_in_s3_before_is_told_or_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The bundle's bytes are those whose digest is in the request."""
    source = str(WORKLOADS / "training.yaml")
    assert main(["compile", source, "--target", "sagemaker"]) == 0
    assert "to be put before: s3://ml-runs/churn/churn/bundle.json" in capsys.readouterr().err
    assert main(["compile", source, "--target", "sagemaker", "--objects", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "ml-runs/churn/churn/bundle.json").read_text())["files"]


@pytest.mark.parametrize(
    ("lines", "target", "told"),
    [
        ("instance_type: ml.x\n", "sagemaker", "instance_type: CreateTrainingJob refuses"),
        ("kubernetes: {namespace: A}\n", "kubernetes", "kubernetes.namespace: 'A' is no name"),
        ("environment: {KEY: AKIAABCDEFGHIJKLMNOP}\n", "kubernetes", "looks like an AWS access key ID"),
        ("nodes: none\n", "kubernetes", "line 7, key `nodes`"),
    ],
)
def test_what_would_be_refused_is_not_printed(
    lines: str, target: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With exit code 78, in words of the file, and without the value of a secret."""
    path = tmp_path / "job.yaml"
    path.write_text(f"name: job\nimage: team:1\nprogram: t.py\noutput: s3://bucket/x\nrole_arn: {ROLE}\n\n{lines}")
    assert main(["compile", str(path), "--target", target]) == 78
    streams = capsys.readouterr()
    assert told in streams.err
    assert not streams.out
    assert "AKIA" not in streams.err


ROLE = "arn:aws:iam::111122223333:role/training"


def test_a_name_that_kubernetes_does_not_take_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A job's name becomes one of hosts."""
    assert main(["compile", str(WORKLOADS / "warm.yaml"), "--target", "kubernetes", "--job-name", "Not_A.Name"]) == 78
    assert "Not_A.Name" in capsys.readouterr().err


def test_an_editor_gets_the_schema_of_a_workload(capsys: pytest.CaptureFixture[str]) -> None:
    """Of all kinds."""
    assert main(["schema", "workload"]) == 0
    assert len(json.loads(capsys.readouterr().out)["oneOf"]) == 6
