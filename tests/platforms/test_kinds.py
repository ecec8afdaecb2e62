"""A kind of workload is one module and one line for each platform."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import pytest

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms import serialize
from lyftlearn_image.platforms.compile import compile_for_submission, launch_for
from lyftlearn_image.platforms.findings import Finding
from lyftlearn_image.platforms.kubernetes import all_kinds as on_kubernetes
from lyftlearn_image.platforms.kubernetes.job import JobPlan, compile_job
from lyftlearn_image.platforms.kubernetes.kind import WorkloadKind as KubernetesKind
from lyftlearn_image.platforms.kubernetes.pod_template import PodDefaults
from lyftlearn_image.platforms.launch import TARGETS, Compiled
from lyftlearn_image.platforms.permissions import needed
from lyftlearn_image.platforms.sagemaker import actions, all_kinds as on_sagemaker
from lyftlearn_image.platforms.sagemaker.instance_choice import require_instance_type
from lyftlearn_image.platforms.sagemaker.kind import WorkloadKind as SageMakerKind
from lyftlearn_image.platforms.sagemaker.overflow import Slots
from lyftlearn_image.platforms.sagemaker.request_parts import request_parts, set_members
from lyftlearn_image.workload import Job, Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.platforms.launch import Launch, TargetName


class Evaluation(Job):
    """A kind that nobody but this test knows: a report over a model."""

    kind: Literal["evaluation"] = "evaluation"
    model: str


def to_request(workload: Evaluation, launch: Launch) -> Compiled:
    """A processing job over the model."""
    parts = request_parts(workload, launch, Slots(actions.PROCESSING, environment="Environment"))
    resources = {"InstanceCount": 1, "InstanceType": require_instance_type(workload), "VolumeSizeInGB": workload.volume_gb}
    request = {
        "ProcessingJobName": launch.job_name,
        "AppSpecification": {"ImageUri": workload.image, "ContainerArguments": ["evaluate", workload.model]},
        "RoleArn": launch.role_arn,
        "ProcessingResources": {"ClusterConfig": resources},
        "Environment": parts.environment,
    }
    return Compiled("sagemaker", actions.PROCESSING, (set_members(request),), parts.objects)


def to_manifests(workload: Evaluation, launch: Launch) -> Compiled:
    """A Job over the model."""
    plan = JobPlan(PodDefaults(("/opt/ml/output",)), ("evaluate", workload.model), "/opt/ml/input", outputs={})
    return compile_job(workload, launch, plan)


def too_small(workload: Evaluation) -> Iterator[Finding]:
    """A rule of its own."""
    if workload.volume_gb < 2:
        yield Finding(("volume_gb",), "an evaluation needs 2 GB")


@pytest.fixture
def evaluation(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The file of such a workload, with its kind in both registries."""
    kind = SageMakerKind(compile=to_request, log_group="ProcessingJobs", reads=("model",), lint=too_small)
    monkeypatch.setitem(on_sagemaker.KINDS, "evaluation", kind)
    pod = PodDefaults(("/opt/ml/output",))
    monkeypatch.setitem(on_kubernetes.KINDS, "evaluation", KubernetesKind(compile=to_manifests, pod=pod, reads=("model",)))
    yield {
        "name": "report", "kind": "evaluation", "image": "team:1", "model": "s3://models/a/", "output": "s3://runs/x",
        "role_arn": "arn:aws:iam::111122223333:role/ml", "volume_gb": 1,
    }  # fmt: skip
    Workload.members.pop("evaluation", None)


@pytest.mark.parametrize("target", TARGETS)
def test_a_kind_of_ones_own_is_compiled_checked_and_printed(target: TargetName, evaluation: dict[str, Any]) -> None:
    """By the same functions as the others, without a change in them."""
    workload = Evaluation.model_validate({**evaluation, "volume_gb": 2})
    compiled = compile_for_submission(target, workload, launch_for(workload))
    assert "s3://models/a/" in serialize.as_text(compiled)
    policies = needed.permissions(workload, [target])[target]
    assert "arn:aws:s3:::models/a/*" in json.dumps(policies["execution_role" if target == "sagemaker" else "pod_role"])


def test_a_kind_of_ones_own_is_linted_by_its_own_rule(evaluation: dict[str, Any]) -> None:
    """Before it is sent, at the field."""
    workload = Evaluation.model_validate(evaluation)
    with pytest.raises(InvalidInputError, match="volume_gb: an evaluation needs 2 GB"):
        compile_for_submission("sagemaker", workload, launch_for(workload))


@pytest.mark.parametrize("registry", [on_sagemaker, on_kubernetes], ids=["sagemaker", "kubernetes"])
def test_a_kind_that_a_platform_does_not_have_is_refused_by_name(registry: Any) -> None:
    """With the kinds that it has."""
    with pytest.raises(InvalidInputError, match="has nothing for the kind evaluation") as refused:
        registry.workload_kind("evaluation")
    assert refused.value.hint == "It has: training, processing, tuning, serving, transform, notebook."


def test_every_kind_of_workload_is_on_both_platforms() -> None:
    """A new one is not forgotten on either."""
    assert set(on_sagemaker.KINDS) == set(on_kubernetes.KINDS) == set(Workload.members) - {"evaluation"}
