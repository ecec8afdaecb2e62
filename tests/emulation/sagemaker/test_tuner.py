"""Tuning jobs in the emulator: every trial is a training job, and the best one is what is left."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.emulation.sagemaker import tuner
from lyftlearn_image.errors import InvalidInputError, UnsupportedError
from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.run import Status, StopRequest
from lyftlearn_image.runs.tuning import trial_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.sagemaker.emulator import SageMakerEmulator
    from lyftlearn_image.run import Run

PROGRAM = """#!/usr/bin/env python3
import json, sys
given = json.load(open('/opt/ml/input/config/hyperparameters.json'))
depth = int(given['depth'])
open('/opt/ml/model/depth', 'w').write(str(depth))
open('/opt/ml/output/data/given', 'w').write(json.dumps(given))
print('trial with', depth, flush=True)
if depth == 9: sys.exit(1)
print('loss=%s;' % (depth - 5) ** 2)
"""


def tuning_request(image: str, place: str, **config: Any) -> dict[str, Any]:
    """A search for the depth, of four trials one after the other."""
    return {
        "HyperParameterTuningJobName": "search-1",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {"IntegerParameterRanges": [{"Name": "depth", "MinValue": "1", "MaxValue": "8"}]},
            "RandomSeed": 1,
            **config,
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": {"epochs": "2"},
            "AlgorithmSpecification": {
                "TrainingImage": image, "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
            },
            "RoleArn": "arn:aws:iam::000000000000:role/lyftlearn",
            "OutputDataConfig": {"S3OutputPath": place},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        },
    }  # fmt: skip


@pytest.fixture
def tune(emulator: SageMakerEmulator, make_image: Callable[[str], str], s3: S3Client, tmp_path: Path) -> Callable[..., Run]:
    """Runs a tuning job; its trials take no command, so the program is the image's own `train`."""
    assert s3
    encoded = base64.b64encode(PROGRAM.encode()).decode()
    image = make_image(
        f"RUN echo {encoded} | base64 -d > /usr/local/bin/train && chmod 755 /usr/local/bin/train\nENTRYPOINT []"
    )

    def run(stop: StopRequest | None = None, **config: Any) -> Run:
        request = tuning_request(image, f"s3://bucket/tuned/{tmp_path.name}", **config)
        compiled = Compiled("sagemaker", "CreateHyperParameterTuningJob", (request,))
        return emulator.run(compiled, workspace=tmp_path, stop=stop)

    return run


def test_the_best_trial_is_what_is_left(tune: Callable[..., Run], s3: S3Client, tmp_path: Path) -> None:
    """Every trial has the static values, its own, and the objective's name; each leaves its archives in S3."""
    run = tune()
    assert (run.status, run.job_name, run.exit_code) == (Status.COMPLETED, "search-1", 0)
    assert [one.number for one in run.trials] == [0, 1, 2, 3]
    assert all(one.objective == (one.values["depth"] - 5) ** 2 for one in run.trials)
    least = min((one.objective, one.number) for one in run.trials if one.objective is not None)
    depth = run.trials[least[1]].values["depth"]
    assert (run.artifacts["model"] / "depth").read_text() == str(depth)
    given = json.loads((run.artifacts["output"] / "given").read_text())
    assert given == {"epochs": "2", "depth": str(depth), "_tuning_objective_metric": "loss"}
    assert run.final_metrics == {"loss": least[0]}
    prefixes = s3.list_objects_v2(Bucket="bucket", Prefix=f"tuned/{tmp_path.name}/", Delimiter="/")["CommonPrefixes"]
    names = [one["Prefix"].split("/")[-2] for one in prefixes]
    assert names == [trial_name("search-1", number) for number in range(4)]


def test_a_trial_that_fails_is_none_and_a_job_without_any_has_failed(tune: Callable[..., Run]) -> None:
    """The search goes on; where nothing told the objective, the tuning job has failed and says so."""
    grid = {"Strategy": "Grid", "ResourceLimits": {"MaxParallelTrainingJobs": 2}}
    ranges = {"CategoricalParameterRanges": [{"Name": "depth", "Values": ["9", "4"]}]}
    run = tune(**grid, ParameterRanges=ranges)
    assert [(one.values["depth"], one.objective) for one in run.trials] == [("9", None), ("4", 1.0)]
    assert (run.status, (run.artifacts["model"] / "depth").read_text()) == (Status.COMPLETED, "4")


def test_a_search_in_which_all_fail_has_failed(tune: Callable[..., Run]) -> None:
    """Its end says that no trial told the objective."""
    ranges = {"CategoricalParameterRanges": [{"Name": "depth", "Values": ["9"]}]}
    run = tune(Strategy="Grid", ResourceLimits={"MaxParallelTrainingJobs": 1}, ParameterRanges=ranges)
    assert (run.status, run.reason) == (Status.FAILED, "No trial completed and told its objective.")


def test_a_stop_ends_the_trial_and_the_search(tune: Callable[..., Run]) -> None:
    """As StopHyperParameterTuningJob does; what has not begun does not begin."""
    run = tune(
        stop=StopRequest(re.compile("^trial with")),
        ResourceLimits={"MaxNumberOfTrainingJobs": 30, "MaxParallelTrainingJobs": 1},
    )
    assert run.status is Status.STOPPED
    assert len([one for one in run.trials if one.objective is not None]) <= 1


def test_what_cannot_be_searched_is_refused_by_name() -> None:
    """Before any container starts."""
    request = tuning_request("image", "s3://b/p")
    config = request["HyperParameterTuningJobConfig"]
    for change, told in (
        ({"ParameterRanges": {}}, "nothing to search"),
        ({"Strategy": "Grid"}, "categorical parameters only"),
        ({"HyperParameterTuningJobObjective": None}, "no HyperParameterTuningJobObjective"),
    ):
        with pytest.raises(InvalidInputError, match=told):
            tuner.parse_search({**request, "HyperParameterTuningJobConfig": {**config, **change}})
    config["HyperParameterTuningJobObjective"]["MetricName"] = "gain"
    with pytest.raises(InvalidInputError, match="MetricDefinitions has no gain"):
        tuner.objective_regex(request)


def test_a_strategy_that_is_not_there_is_refused(tune: Callable[..., Run]) -> None:
    """Hyperband decides by what a trial says meanwhile."""
    with pytest.raises(UnsupportedError, match="Strategy = Hyperband"):
        tune(Strategy="Hyperband")
