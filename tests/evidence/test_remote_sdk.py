"""SageMaker's own SDKs against `lyftlearn-image local`, not in their local mode: each does what a notebook does with jobs."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.evidence.remote_differences import REMOTE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.evidence.sdk import Sdk

# A cold machine installs the client first.
pytestmark = pytest.mark.timeout(1800)
PHASES = ["Starting", "Downloading", "Training", "Uploading", "Completed"]
# What comes of each case on the service; of an error the words that matter.
SDK2: Mapping[str, Any] = {
    "tuner_begins": None,
    "fit_with_defaults": {
        "log": ["loss=0.75; score=0.5;", "loss=0.25; score=0.5;"],
        "phases": PHASES,
        "told phases": True,
        "told seconds": True,
        "account": "000000000000",
    },
    "model_data": {"there": True, "name": "model.tar.gz"},
    "analytics": {"loss": 0.5, "score": 0.5},
    "analytics_by_name": ["loss"],
    "attach": {
        "hyperparameters": {"alpha": "0.5"},
        "instance": "ml.m5.large",
        "same model": True,
        "tags": [{"Key": "team", "Value": "eta"}],
    },
    "attach_to_none": "(ValidationException) when calling the DescribeTrainingJob operation: Requested resource not found.",
    "fit_in_script_mode": True,
    "fit_of_a_failure": "Failed. Reason: AlgorithmError: the rows are no numbers, exit code: 3.",
    "fit_of_no_data": "Failed. Reason: ClientError: channel train: No S3 objects found under S3 URL",
    "fit_on_spot_capacity": {"checkpoints": 1, "savings told": True, "savings": 1},
    "fit_that_is_stopped": "Stopped",
    "fit_with_remote_debug": None,
    "fit_on_a_gpu": None,
    "processing": {"status": "Completed", "rows": "1,2\n3,4\n", "log": True},
    "transform": {"rows": "1.5\n3.5\n", "attached": "MultiRecord"},
    "tuner_ends": {
        "trials": 2,
        "statuses": ["Completed"],
        "best is best": True,
        "score": True,
        "model of the best": True,
        "counters": 2,
        "best arn": True,
        "elapsed": True,
    },
    "search": ["-fit"],
    "pipeline": None,
    "experiment": None,
}
# What comes of the cases that are otherwise here.
HERE2: Mapping[str, Any] = {
    "fit_on_spot_capacity": {"checkpoints": 1, "savings told": True, "savings": 0},
    "fit_with_remote_debug": "(ValidationException) when calling the CreateTrainingJob operation: the embedded target does not "
    "implement RemoteDebugConfig.EnableRemoteDebug",
    "fit_on_a_gpu": "(ValidationException) when calling the CreateTrainingJob operation: the embedded target does not know the "
    "instance type ml.p3.2xlarge",
    "pipeline": "(UnknownOperationException) when calling the CreatePipeline operation: CreatePipeline is not in",
    "experiment": "(UnknownOperationException) when calling the CreateExperiment operation: CreateExperiment is not in",
}


SDK3: Mapping[str, Any] = {
    "tuner_begins": None,
    "train": {"status": "Completed", "phases": PHASES, "model": "model.tar.gz", "seconds": True},
    "train_with_source_code": "Completed",
    "failure": "AlgorithmError: the rows are no numbers, exit code: 3",
    "absent": "(ValidationException) when calling the DescribeTrainingJob operation: Requested resource not found.",
    "listed": 1,
    "processing": "1,2\n3,4\n",
    "tuner_ends": {"status": "Completed", "metrics": ["loss", "score"], "trials": 2},
}


def is_as_told(came: Mapping[str, Any], told: Any) -> bool:
    """Whether a case came out so: with this value, or with an error that has these words."""
    if "error" in came:
        return isinstance(told, str) and told in came["error"]
    return bool(came["gave"] == told)


def check(client: str, answer: Mapping[str, Any], service: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Every case is as on the service, or as the table of known differences has it; neither one more nor one fewer."""
    assert answer.keys() == service.keys()
    otherwise = {name: came for name, came in answer.items() if not is_as_told(came, service[name])}
    known = {case.partition(" ")[2] for one in REMOTE for case in one.cases if case.startswith(f"{client} ")}
    assert otherwise.keys() == known == here.keys(), otherwise
    assert all(is_as_told(came, here[name]) for name, came in otherwise.items()), otherwise


def test_sdk2_does_with_jobs_what_it_does_on_the_service(
    remote: Callable[[str], Sdk], plain_image: str, lyftlearn_image_tag: str, tmp_path: Path
) -> None:
    """Fit with its defaults and in script mode, logs, analytics, attach, processing, a tuner, a transformer, a search."""
    name = f"sdk2-{uuid.uuid4().hex[:8]}"
    place = remote("sdk2").run(tmp_path, local=False, image=plain_image, lyftlearn=lyftlearn_image_tag, name=name)
    check("v2", json.loads((place / "answer.json").read_text()), SDK2, HERE2)


def test_sdk3_does_with_jobs_what_it_does_on_the_service(
    remote: Callable[[str], Sdk], plain_image: str, lyftlearn_image_tag: str, tmp_path: Path
) -> None:
    """ModelTrainer with the image's own program and with source code, a failure, a list, processing, a tuner."""
    name = f"sdk3-{uuid.uuid4().hex[:8]}"
    place = remote("sdk3").run(tmp_path, local=False, image=plain_image, lyftlearn=lyftlearn_image_tag, name=name)
    check("v3", json.loads((place / "answer.json").read_text()), SDK3, {})


@pytest.mark.parametrize(
    "changes",
    [
        {"model_data": {"gave": {"there": False, "name": "model.tar.gz"}}},
        {"attach": {"error": "KeyError: 'KmsKeyId'"}},
        {"pipeline": {"gave": None}},
        {"pipeline": {"error": "InternalFailure"}},
    ],
)
def test_one_difference_more_or_fewer_fails(changes: dict[str, Any]) -> None:
    """A planted fault: a case that is no longer as on the service, one that is again, and one that differs in another way."""
    told = {**SDK2, **HERE2}
    answer = {
        name: {"error" if isinstance(one, str) and name != "fit_that_is_stopped" else "gave": one} for name, one in told.items()
    }
    check("v2", answer, SDK2, HERE2)
    with pytest.raises(AssertionError):
        check("v2", {**answer, **changes}, SDK2, HERE2)
