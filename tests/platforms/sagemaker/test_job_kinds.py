"""The kinds of SageMaker's jobs: their names in the API, in ARNs and in events, and the state that a description tells."""

from __future__ import annotations

from typing import Any

import pytest

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.sagemaker import api_model, job_kinds
from lyftlearn_image.run import State, Status


@pytest.mark.parametrize(
    ("kind", "stem", "resource", "detail_type", "log_group"),
    [
        ("training", "TrainingJob", "training-job", "SageMaker Training Job State Change", "TrainingJobs"),
        ("processing", "ProcessingJob", "processing-job", "SageMaker Processing Job State Change", "ProcessingJobs"),
        ("transform", "TransformJob", "transform-job", "SageMaker Transform Job State Change", "TransformJobs"),
        ("tuning", "HyperParameterTuningJob", "hyper-parameter-tuning-job",
         "SageMaker HyperParameter Tuning Job State Change", "TrainingJobs"),
        ("endpoint", "Endpoint", "endpoint", "SageMaker Endpoint State Change", "Endpoints"),
    ],
)  # fmt: skip
def test_a_kind_has_the_services_own_names(kind: str, stem: str, resource: str, detail_type: str, log_group: str) -> None:
    """As the API reference, the service authorization reference and the developer guide have them."""
    found, name = job_kinds.parse_job_id(f"{kind}/a/b")
    assert name == "a/b"
    assert (found.name, found.action, found.name_field, found.status_field) == (
        kind, f"Create{stem}", f"{stem}Name", f"{stem}Status",
    )  # fmt: skip
    assert (found.resource, found.detail_type, found.log_group) == (resource, detail_type, f"/aws/sagemaker/{log_group}")
    assert {found.action, f"Describe{stem}"} <= api_model.service_actions()
    assert job_kinds.kind_for_action(found.action) is found
    assert job_kinds.kind_for_event(detail_type) is (None if kind == "endpoint" else found)


@pytest.mark.parametrize("job", ["", "training", "training/", "/x", "job/x"])
def test_what_is_no_jobs_id_is_refused(job: str) -> None:
    """With the form that was expected."""
    with pytest.raises(InvalidInputError, match="is no job") as refused:
        job_kinds.parse_job_id(job)
    assert refused.value.hint == "Expected <kind>/<name>; the kinds are training, processing, transform, tuning, endpoint."


@pytest.mark.parametrize(
    ("kind", "description", "state"),
    [
        ("training", {"TrainingJobStatus": "Completed"}, State(Status.COMPLETED, "Completed", "", 0)),
        ("training", {"TrainingJobStatus": "InProgress", "SecondaryStatus": "Training"}, State(None, "Training")),
        ("training", {"TrainingJobStatus": "Stopping"}, State(None, "Stopping")),
        ("training", {}, State(None, "")),
        ("training", {"TrainingJobStatus": "Stopped", "SecondaryStatus": "MaxRuntimeExceeded"},
         State(Status.STOPPED, "MaxRuntimeExceeded", "", None)),
        ("training", {"TrainingJobStatus": "Failed", "FailureReason": "AlgorithmError: exit code: 137"},
         State(Status.FAILED, "Failed", "AlgorithmError: exit code: 137", 137)),
        ("processing", {"ProcessingJobStatus": "Failed", "FailureReason": "Exit Code 2", "ExitMessage": "why"},
         State(Status.FAILED, "Failed", "why", 2)),
        ("processing", {"TrainingJobStatus": "Failed"}, State(None, "")),
        ("transform", {"TransformJobStatus": "Failed", "FailureReason": "no number"},
         State(Status.FAILED, "Failed", "no number", None)),
        ("endpoint", {"EndpointStatus": "InService"}, State(Status.COMPLETED, "InService")),
        ("endpoint", {"EndpointStatus": "Failed", "FailureReason": "no ping"},
         State(Status.FAILED, "Failed", "no ping", None)),
        ("training", {"TrainingJobStatus": "InService"}, State(None, "InService")),
    ],
)  # fmt: skip
def test_a_description_tells_the_state(kind: str, description: dict[str, Any], state: State) -> None:
    """In the words of a Describe answer, which an event's detail has too."""
    assert job_kinds.state_of(job_kinds.parse_job_id(f"{kind}/x")[0], description) == state
