"""`lyftlearn-image local` and the clients that teams have: the AWS CLI, SDK v2's models and endpoints, Airflow's operators.

Each is as it was installed from PyPI, in an environment of its own, and knows nothing of this project but the variables that
`local` prints. Jobs and models run in real containers.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.evidence.remote_clients import check_failures, errors_of
from tests.evidence.sdk import BUCKET, HERE, ROLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.evidence.sdk import Sdk

# A cold machine installs the client first.
pytestmark = pytest.mark.timeout(1800)


@pytest.fixture
def name() -> str:
    """What is made has it in its name: `local` is shared."""
    return f"c-{uuid.uuid4().hex[:8]}"


def answer_of(client: Sdk, workspace: Path, **order: Any) -> dict[str, Any]:
    """What a client's program answers."""
    place = client.run(workspace, local=False, **order)
    answer: dict[str, Any] = json.loads((place / "answer.json").read_text())
    return answer


def gave(answer: dict[str, Any]) -> dict[str, Any]:
    """What came of the cases that went well."""
    return {case: one["gave"] for case, one in answer.items() if "gave" in one}


def test_sdk2_deploys_and_predicts(remote: Callable[[str], Sdk], plain_image: str, name: str, tmp_path: Path) -> None:
    """From a fit, of a model, of a package of the registry; at once, as a stream, and asynchronously; updated and deleted."""
    client = replace(remote("sdk2"), program=HERE / "sdk2_hosting.py")
    answer = answer_of(client, tmp_path, image=plain_image, name=name)
    check_failures("sdk2 hosting", errors_of(answer))
    assert gave(answer) == {
        "deploy_from_a_fit": ["1.5", "3.5"],
        "deploy_a_model": 1.5,
        "other_codecs": [["1.5"], ["3.5"]],
        "stream": "1.5",
        "update": ["InService", 2, 1.5],
        "delete": [[], []],
        "register": [[1, "Approved"]],
        "deploy_a_package": "1.5",
        "asynchronous": "1.5",
        "multi_model": ["a.tar.gz", "1.5"],
    }


def test_airflow_runs_its_operators(remote: Callable[[str], Sdk], plain_image: str, name: str, tmp_path: Path) -> None:
    """Training with logs, processing, a model, batch transform, an endpoint and its update, sensors, the registry."""
    answer = answer_of(remote("airflow"), tmp_path, image=plain_image, name=name)
    check_failures("airflow", errors_of(answer))
    assert gave(answer) == {
        "train_with_logs": "Completed",
        "train_again_by_another_name": True,
        "training_sensor": True,
        "read_logs": "4",  # the hook's LogState: the job is complete
        "process": "Completed",
        "create_model": name,
        "transform": "Completed",
        "create_endpoint": ["InService", f"{name}-1"],
        "update_endpoint": ["InService", f"{name}-2"],
        "endpoint_sensor": True,
        "lists": [2, 1],
        "register_a_version": f"model-package/{name}-g/1",
        "delete_a_model": None,
    }


def test_the_aws_cli_runs_jobs_and_endpoints(remote: Callable[[str], Sdk], plain_image: str, name: str, tmp_path: Path) -> None:
    """Files to S3, a job waited for, its log, tags and lists; a model, an endpoint, its answer, its update and its end."""
    place = f"s3://{BUCKET}/{name}"
    data, said = tmp_path / "d.csv", tmp_path / "said"
    data.write_text("1,2\n3,4\n")
    job = {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": plain_image, "TrainingInputMode": "File"},
        "HyperParameters": {"alpha": "0.5"},
        "InputDataConfig": [
            {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"{place}/train/"}}}
        ],
        "OutputDataConfig": {"S3OutputPath": f"{place}/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 120},
        "Tags": [{"Key": "team", "Value": "eta"}],
    }
    arn = f"arn:aws:sagemaker:us-east-1:000000000000:training-job/{name}"
    container = {"Image": plain_image, "ModelDataUrl": f"{place}/out/{name}/output/model.tar.gz"}
    variants = json.dumps([{"VariantName": "all", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}])
    commands = {
        "who": "sts get-caller-identity --query Account --output text",
        "upload": f"s3 cp {data} {place}/train/d.csv",
        "create job": ["sagemaker", "create-training-job", "--cli-input-json", json.dumps(job)],
        "wait": f"sagemaker wait training-job-completed-or-stopped --training-job-name {name}",
        "status": f"sagemaker describe-training-job --training-job-name {name} --query TrainingJobStatus --output text",
        "again": ["sagemaker", "create-training-job", "--cli-input-json", json.dumps(job)],
        "absent job": f"sagemaker describe-training-job --training-job-name {name}-none",
        "jobs": f"sagemaker list-training-jobs --name-contains {name} --status-equals Completed --query "
        "TrainingJobSummaries[].TrainingJobName --output text",
        # Version 2's `logs tail` sends the same operation; it is not on PyPI.
        "log": f"logs filter-log-events --log-group-name /aws/sagemaker/TrainingJobs --log-stream-name-prefix {name} "
        "--query events[].message --output text",
        "add tag": f"sagemaker add-tags --resource-arn {arn} --tags Key=a,Value=b --query Tags[].Key --output text",
        "tags": f"sagemaker list-tags --resource-arn {arn} --query Tags[].Key --output text",
        "delete tag": f"sagemaker delete-tags --resource-arn {arn} --tag-keys team",
        "list": f"s3 ls --recursive {place}/out/",
        "create model": [*f"sagemaker create-model --model-name {name} --execution-role-arn {ROLE}".split(),
                         "--primary-container", json.dumps(container), "--query", "ModelArn", "--output", "text"],
        "configure": [*f"sagemaker create-endpoint-config --endpoint-config-name {name}".split(),
                      "--production-variants", variants],
        "configure again": [*f"sagemaker create-endpoint-config --endpoint-config-name {name}-2".split(),
                            "--production-variants", variants],
        "endpoint": f"sagemaker create-endpoint --endpoint-name {name} --endpoint-config-name {name}",
        "wait for it": f"sagemaker wait endpoint-in-service --endpoint-name {name}",
        "invoke": f"sagemaker-runtime invoke-endpoint --endpoint-name {name} --content-type text/csv "
        f"--body fileb://{data} {said}",
        "absent endpoint": f"sagemaker-runtime invoke-endpoint --endpoint-name {name}-none --body fileb://{data} {said}.none",
        "update": f"sagemaker update-endpoint --endpoint-name {name} --endpoint-config-name {name}-2",
        "wait again": f"sagemaker wait endpoint-in-service --endpoint-name {name}",
        "configured": f"sagemaker describe-endpoint --endpoint-name {name} --query EndpointConfigName --output text",
        "endpoints": f"sagemaker list-endpoints --name-contains {name} --sort-by Name --query Endpoints[].EndpointStatus "
        "--output text",
        "models": f"sagemaker list-models --name-contains {name} --query Models[].ModelName --output text",
        "delete": f"sagemaker delete-endpoint --endpoint-name {name}",
        "wait for its end": f"sagemaker wait endpoint-deleted --endpoint-name {name}",
        "delete the rest": f"sagemaker delete-endpoint-config --endpoint-config-name {name}",
        "delete model": f"sagemaker delete-model --model-name {name}",
        "ecr": "ecr get-login-password",
    }  # fmt: skip
    read = {case: one.split() if isinstance(one, str) else one for case, one in commands.items()}
    answer = answer_of(remote("awscli"), tmp_path, commands=read)
    refused = {
        "again": "(ResourceInUse) when calling the CreateTrainingJob operation: TrainingJob names must be unique",
        "absent job": "(ValidationException) when calling the DescribeTrainingJob operation: Requested resource not found.",
        "absent endpoint": f"(ValidationError) when calling the InvokeEndpoint operation: Endpoint {name}-none of account",
    }
    for case, words in refused.items():
        assert words in answer[case]["err"], answer[case]
    check_failures("aws cli", {case: one["err"] for case, one in answer.items() if one["code"] and case not in refused})
    out = {case: one["out"].strip() for case, one in answer.items()}
    assert (out["who"], out["status"], out["jobs"]) == ("000000000000", "Completed", name)
    assert out["tags"].split() == ["team", "a"]
    assert "trained with" in out["log"]
    assert out["list"].endswith(f"{name}/out/{name}/output/model.tar.gz")
    assert out["create model"] == f"arn:aws:sagemaker:us-east-1:000000000000:model/{name}"
    assert said.read_text().split() == ["1.5", "3.5"]
    assert (out["configured"], out["endpoints"], out["models"]) == (f"{name}-2", "InService", name)


def test_a_failure_that_nobody_explained_fails() -> None:
    """A planted fault, for the table is held in both directions."""
    known = {
        "ecr": "The local endpoint does not serve ecr GetAuthorizationToken. Images are those of the engine on this machine"
    }
    check_failures("aws cli", known)
    with pytest.raises(AssertionError, match=r"nobody explained(.|\n)*status"):
        check_failures("aws cli", {**known, "status": "none"})
    with pytest.raises(AssertionError, match="nobody explained"):
        check_failures("aws cli", {"ecr": "InternalFailure"})
    with pytest.raises(AssertionError, match="go well now"):
        check_failures("aws cli", {})
