"""Permissions: exact resources, and nothing that the workload does not need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image import yamlfile
from lyftlearn_image.cli.main import main
from lyftlearn_image.errors import InvalidInputError, UnsupportedError
from lyftlearn_image.platforms.launch import TARGETS
from lyftlearn_image.platforms.permissions import needed
from lyftlearn_image.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = {path.stem: path for path in sorted((Path(__file__).parent / "workloads").glob("*.yaml"))}
# These take no resource (service authorization reference).
WITHOUT_RESOURCE = {
    "cloudwatch:PutMetricData", "ecr:GetAuthorizationToken", "secretsmanager:BatchGetSecretValue", "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs",
}  # fmt: skip


def of(name: str, **changes: Any) -> dict[str, Any]:
    """What the file's workload needs, with changes, in an account that is known."""
    workload = yamlfile.load(FILES[name], Workload).with_(**changes)
    return needed.permissions(workload, TARGETS, region="eu-west-1", account="111122223333")


def allowed(policy: dict[str, Any]) -> dict[str, list[str]]:
    """Resources by action."""
    found: dict[str, list[str]] = {}
    for one in policy["Statement"]:
        for action in one["Action"]:
            found.setdefault(action, []).extend(one["Resource"])
    return found


@pytest.mark.parametrize("name", list(FILES))
def test_the_policies_are_the_golden_ones(name: str, golden: Callable[[str, str], None]) -> None:
    """Reviewed as prose, and the same each time."""
    text = json.dumps(of(name), indent=2) + "\n"
    assert text == json.dumps(of(name), indent=2) + "\n"
    golden(f"{name}.permissions.json", text)


@pytest.mark.parametrize("name", list(FILES))
def test_every_resource_is_exact(name: str) -> None:
    """No action has a wildcard, and `*` stands only where the service takes no resource."""
    found = of(name)
    policies = [found["sagemaker"]["execution_role"], found["sagemaker"]["submitter"]]
    for role in ("pod_role", "submitter_policy"):
        policies += [found[target][role] for target in found if target == "kubernetes"]
    for policy in policies:
        assert len({one["Sid"] for one in policy["Statement"]}) == len(policy["Statement"])
        for action, resources in allowed(policy).items():
            assert "*" not in action
            assert ("*" in resources) == (action in WITHOUT_RESOURCE)
            for resource in resources:
                assert resource == "*" or resource.split(":")[5].strip("*"), resource


@pytest.mark.parametrize(
    ("change", "action", "resource"),
    [
        ({"secrets": {"A": "aws-sm://a/b?optional#k"}}, "secretsmanager:GetSecretValue", "secret:a/b-??????"),
        ({"secrets": {"A": "aws-ssm:///a/b:3"}}, "ssm:GetParameters", "parameter/a/b"),
        ({"secret_sets": ["aws-ssm-path:///a/b"]}, "ssm:GetParametersByPath", "parameter/a/b/*"),
        ({"files": {"/etc/x": {"secret": "s3://bucket/key"}}}, "s3:GetObject", "arn:aws:s3:::bucket/key"),
        ({"hyperparameters": {"sagemaker_submit_directory": "s3://code/a/sourcedir.tar.gz"}}, "s3:GetObject",
         "arn:aws:s3:::code/a/sourcedir.tar.gz"),
        ({"secrets": {"A": "aws-sm://arn:aws:secretsmanager:r:1:secret:n-AbCdEf#k"}}, "secretsmanager:GetSecretValue",
         "arn:aws:secretsmanager:r:1:secret:n-AbCdEf"),
    ],
)  # fmt: skip
def test_a_reference_is_one_permission_of_both_roles(change: dict[str, Any], action: str, resource: str) -> None:
    """The shim asks the same of the same service on either platform."""
    found = of("warm", **change)
    for policy in (found["sagemaker"]["execution_role"], found["kubernetes"]["pod_role"]):
        assert any(one.endswith(resource) for one in allowed(policy)[action])
        assert "secretsmanager:BatchGetSecretValue" not in allowed(policy)


def test_what_a_kubernetes_secret_brings_is_not_asked_of_aws() -> None:
    """The pod of a workload that has the value from a Secret may not read the reference."""
    found = of("training")
    name = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-??????"
    assert name in allowed(found["sagemaker"]["execution_role"])["secretsmanager:GetSecretValue"]
    assert name not in allowed(found["kubernetes"]["pod_role"])["secretsmanager:GetSecretValue"]


def test_deleting_is_for_checkpoints_alone() -> None:
    """And for nobody without them."""
    assert allowed(of("training")["sagemaker"]["execution_role"])["s3:DeleteObject"] == [
        "arn:aws:s3:::ml-runs/churn/checkpoints/*"
    ]
    assert "s3:DeleteObject" not in allowed(of("warm")["sagemaker"]["execution_role"])


def test_the_submitter_passes_one_role_to_one_service() -> None:
    """iam:PassRole without a condition would be a way to any service."""
    (one,) = [one for one in of("warm")["sagemaker"]["submitter"]["Statement"] if one["Action"] == ["iam:PassRole"]]
    assert one["Resource"] == ["arn:aws:iam::111122223333:role/training"]
    assert one["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def test_the_kubernetes_role_is_for_the_compiled_objects() -> None:
    """Names wherever the API can hold to them; no verb or resource with a wildcard."""
    role = of("training")["kubernetes"]["submitter"]
    assert role["metadata"]["namespace"] == "ml"
    named = {rule["resources"][0]: rule["resourceNames"] for rule in role["rules"] if "resourceNames" in rule}
    assert named == {"serviceaccounts": ["churn"]}
    every = {verb for rule in role["rules"] if "jobs" in rule["resources"] for verb in rule["verbs"]}
    assert every == {"create", "get", "patch", "delete", "list", "watch"}
    assert "*" not in json.dumps(role["rules"])


def test_what_has_no_equal_is_refused_only_when_it_is_asked_for() -> None:
    """Of both targets, the one that there is."""
    workload = yamlfile.load(FILES["transform"], Workload).with_(split="RecordIO")
    assert set(needed.permissions(workload, TARGETS)) == {"sagemaker"}
    with pytest.raises(UnsupportedError, match="does not split"):
        needed.permissions(workload, ["kubernetes"])


def test_a_policy_for_a_prefix_that_nobody_said_is_not_printed() -> None:
    """The policy is for the output's prefix."""
    with pytest.raises(InvalidInputError, match="not said where"):
        of("warm", output=None)


def test_the_verb_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The account comes from the role, the region from the registry, where they are not said."""
    assert main(["permissions", str(FILES["training"]), "--target", "sagemaker"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"sagemaker"}
    assert "arn:aws:ssm:eu-west-1:111122223333:parameter/ml/region" in json.dumps(found)
    assert main(["permissions", str(FILES["warm"]), "--region", "us-east-1", "--account", "999988887777"]) == 0
    assert ":us-east-1:999988887777:" in capsys.readouterr().out
