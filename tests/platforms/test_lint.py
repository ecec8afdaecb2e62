"""Linting: every breach, on both platforms, at its place, and never a secret's value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, strategies as st

from lyftlearn_image.cli.main import main
from lyftlearn_image.platforms.compile import compile_for_submission, launch_for
from lyftlearn_image.platforms.lint import lint
from lyftlearn_image.workload import Workload

FILES = sorted((Path(__file__).parent / "workloads").glob("*.yaml"))
ECR = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
ROLE = "arn:aws:iam::111122223333:role/ml"
IMAGE = f"{ECR}/team:1"
GOOD = {"name": "job", "image": IMAGE, "program": "train.py"}


def text_of(path: Path) -> str:
    """An example, with its image where SageMaker takes it from."""
    return path.read_text().replace("image: team:1\n", f"image: {IMAGE}\n")


def found(**fields: Any) -> list[tuple[str, str, str]]:
    """Target, field and what, of every breach of a training with these fields."""
    told = lint(yaml.safe_dump({**GOOD, **fields}, sort_keys=False), "job.yaml")
    return [(one.target, one.field, one.what) for one in told if one.level == "error"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_good_files_have_no_breach(path: Path) -> None:
    """Of the examples of every kind."""
    breaches = [(one.target, one.field) for one in lint(text_of(path), path.name) if one.level == "error"]
    assert breaches == []


@pytest.mark.parametrize(
    ("fields", "target", "field", "told"),
    [
        ({"instance_type": "ml.m5.lrage"}, "sagemaker", "instance_type", "ml.m5.large"),
        ({"tags": {"ok": "1", "a;b": "x"}}, "sagemaker", "tags.a;b", "does not match"),
        ({"metrics": {"x": "a" * 500 + "(.)"}}, "sagemaker", "metrics.x", "503 characters, at most 500"),
        ({"channels": {"b": "s3://x/y/", "a": "nothing"}}, "sagemaker", "channels.a", "does not match"),
        ({"channels": {f"c{i}": "s3://x/y/" for i in range(21)}}, "sagemaker", "channels", "21 items, at most 20"),
        ({"warm_pool_s": 99999}, "sagemaker", "warm_pool_s", "at most 21600"),
        ({"max_runtime_s": 2419201}, "sagemaker", "max_runtime_s", "28 days"),
        ({"network": {"subnets": ["a b"], "security_groups": ["sg"]}}, "sagemaker", "network.subnets.0", "does not match"),
        ({"encryption": {"volume_key": "a key"}}, "sagemaker", "encryption.volume_key", "does not match"),
        ({"encryption": {"output_key": "a key"}}, "sagemaker", "encryption.output_key", "does not match"),
        ({"network": {"isolated": True}, "secrets": {"P": "aws-sm://a"}}, "sagemaker", "secrets", "cannot resolve"),
        ({"network": {"isolated": True}, "files": {"/etc/a": {"content": "x"}}}, "sagemaker", "network.isolated", "bundle"),
        ({"role_arn": "nobody"}, "sagemaker", "role_arn", "does not match"),
        ({"kubernetes": {"secrets": {"P": "a#b"}}}, "sagemaker", "kubernetes.secrets.P", "would be missing"),
        ({"kubernetes": {"namespace": "A"}}, "kubernetes", "kubernetes.namespace", "no name of a namespace"),
        ({"kubernetes": {"service_account": "a_b"}}, "kubernetes", "kubernetes.service_account", "no name"),
        ({"kubernetes": {"labels": {"a/b/c": "x"}}}, "kubernetes", "kubernetes.labels.a/b/c", "no key"),
        ({"kubernetes": {"labels": {"a": "x" * 64}}}, "kubernetes", "kubernetes.labels.a", "no value of a label"),
        ({"kubernetes": {"node_selector": {"-": "x"}}}, "kubernetes", "kubernetes.node_selector.-", "no key"),
        ({"kubernetes": {"annotations": {"a": "x" * (1 << 18)}}}, "kubernetes", "kubernetes.annotations", "262144 bytes"),
        ({"run_as_user": 1 << 31}, "kubernetes", "run_as_user", "at most 2147483647"),
        ({"cpus": -1}, "file", "cpus", "greater than 0"),
        ({"environment": {"X": "ghp_" + "a" * 36}}, "file", "environment.X", "a GitHub token"),
    ],
)
def test_a_breach_has_its_place_and_its_target(fields: dict[str, Any], target: str, field: str, told: str) -> None:
    """The field is one that somebody wrote, not one of a request."""
    assert any(one[:2] == (target, field) and told in one[2] for one in found(**fields)), found(**fields)


def test_an_argument_that_is_too_long_is_told_for_both() -> None:
    """SageMaker takes 256 characters, execve 131,072 bytes."""
    text = yaml.safe_dump({"name": "job", "image": IMAGE, "command": ["python", "x" * 131072]})
    told = [(one.target, one.field) for one in lint(text, "job.yaml")]
    assert told == [("kubernetes", "command.1"), ("sagemaker", "command.1")]


def test_every_breach_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake in one field hides none in another, on either platform; each has file and line; the exit code is 1."""
    path = tmp_path / "job.yaml"
    path.write_text(
        f"name: job\nimage: {IMAGE}\nprogram: train.py\ncpus: none\nkubernetes:\n  namespace: ML\n"
        "instance_type: ml.x\nenvironment:\n  API_TOKEN: aB3$xyz!Qw9\n"
    )
    assert main(["lint", str(path)]) == 1
    told = capsys.readouterr().out
    for place in (":4: error [file] cpus", ":6: error [kubernetes]", ":7: error [sagemaker]", ":9: error [file] environment."):
        assert f"{path}{place}" in told
    assert "aB3$" not in told
    assert main(["lint", str(path), "--json"]) == 1
    assert {one["line"] for one in json.loads(capsys.readouterr().out)["findings"]} == {4, 6, 7, 9}


def test_a_mistake_under_a_key_with_dots_hides_nothing() -> None:
    """A path of a file has dots, and is one key."""
    told = found(files={"/etc/a.b.yaml": {"content": "x", "mode": "9"}}, instance_type="ml.x")
    assert {(target, field) for target, field, _ in told} == {
        ("file", "files./etc/a.b.yaml.mode"),
        ("sagemaker", "instance_type"),
    }


def test_one_target_alone_can_be_linted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What Kubernetes has no equal of may be meant for SageMaker only."""
    text = text_of(next(path for path in FILES if path.stem == "transform")).replace("split: Line", "split: RecordIO")
    path = tmp_path / "transform.yaml"
    path.write_text(text)
    assert main(["lint", str(path), "--target", "sagemaker"]) == 0
    assert main(["lint", str(path)]) == 1
    assert "does not split RecordIO" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("image", "is_taken"),
    [
        (f"{ECR}/team:1", True), (f"{ECR}/a/b/team@sha256:{'0' * 64}", True), (f"{ECR}.cn/team:1", True),
        ("111122223333.dkr.ecr-fips.us-gov-west-1.amazonaws.com/team", True),
        ("111122223333.dkr-ecr.eu-west-1.on.aws/team:1", True),
        ("team:1", False), ("ghcr.io/team/team:1", False), ("public.ecr.aws/team/team:1", False),
        (f"{ECR}.example.com/team:1", False), (f"localhost/{ECR}/team:1", False), (ECR, False),
    ],
)  # fmt: skip
def test_an_image_from_elsewhere_than_ecr_is_refused_for_sagemaker(image: str, *, is_taken: bool) -> None:
    """By its name, and for SageMaker alone; a run on this machine takes it."""
    told = found(image=image)
    assert told == ([] if is_taken else [("sagemaker", "image", told[0][2])])
    assert all(f"{image} is no image of Amazon ECR" in what for _, _, what in told)
    workload = Workload.model_validate({**GOOD, "image": image, "output": "s3://runs/x", "role_arn": ROLE})
    assert compile_for_submission("sagemaker", workload, launch_for(workload)).documents


def test_a_note_is_no_breach(capsys: pytest.CaptureFixture[str]) -> None:
    """What has no effect on one platform is said, and refused by none."""
    path = next(path for path in FILES if path.stem == "training")
    assert main(["lint", str(path)]) == 0
    assert "note [kubernetes] spot" in capsys.readouterr().out


@pytest.mark.parametrize(
    "fields",
    [
        {"environment": {"AWS": "AKIAABCDEFGHIJKLMNOP"}},
        {"environment": {"KEY": "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n"}},
        {"environment": {"X": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.abc"}},
        {"environment": {"DB_PASSWORD": "tR0ub4dor&3"}},
        {"environment": {"URL": "postgres://user:hunter22@db/prod"}},
        {"hyperparameters": {"wandb_api_key": "0123456789abcdef0123456789abcdef01234567"}},
        {"hyperparameters": {"nested": {"list": ["xoxb-1234567890-abcdef"]}}},
        {"files": {"/etc/app.ini": {"content": "user=x\npassword = tR0ub4dor&3\n"}}},
        {"command": ["python", "train.py", "--token", "glpat-abcdefghijklmnopqrst"], "program": None},
        {"kubernetes": {"annotations": {"note": "sk-abcdefghijklmnopqrstuvwx"}}},
        {"secrets": {"P": "aws-sm://a?default=AKIAABCDEFGHIJKLMNOP"}},
    ],
    ids=str,
)
def test_what_looks_like_a_secret_is_refused_wherever_it_stands(fields: dict[str, Any]) -> None:
    """By its form, or by a random value under a telling name."""
    assert any("in the clear" in one[2] for one in found(**fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"environment": {"MAX_TOKENS": "4096", "TOKENIZER": "bert-base-uncased", "TOKEN_LIMIT": "128000x1Y"}},
        {"environment": {"SECRET_NAME": "prod/db-1X", "PASSWORD_FILE": "/run/secrets/db1X", "DB_PASSWORD": "$(DB)"}},
        {"environment": {"TOKEN": "env://OTHER_TOKEN"}, "secrets": {"PASSWORD": "aws-sm://prod/Db-1#password"}},
        {"hyperparameters": {"padding_token": "<pad>", "n_tokens": 12}},
    ],
    ids=str,
)
def test_what_only_has_such_a_name_is_none(fields: dict[str, Any]) -> None:
    """Models have tokens, and files have the names of secrets."""
    assert found(**fields) == []


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=10, max_size=30))
def test_a_finding_never_repeats_a_secret(value: str) -> None:
    """Whatever it is and whatever else is wrong with the file."""
    secret = f"AKIAABCDEFGHIJKLMNOP {value}"
    text = yaml.safe_dump({**GOOD, "secrets": {"P": secret}, "environment": {"X": f"ghp_{'a' * 36}{value}"}, "cpus": secret})
    findings = lint(text, "job.yaml")
    assert {"secrets.P", "environment.X", "cpus"} <= {one.field for one in findings}
    assert not any(value in str(one) for one in findings)
