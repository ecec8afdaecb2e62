"""Tags, Search, Update, Delete and the filters of lists, asked for with boto3; and what the API says of a job's phases."""

from __future__ import annotations

import base64
import datetime as dt
import itertools
import json
import threading
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given, strategies as st

from lyftlearn_image.emulation.sagemaker import tuner
from lyftlearn_image.emulation.sagemaker.job_plan import Account
from lyftlearn_image.emulation.sagemaker.local_api import descriptions, listing, search
from lyftlearn_image.emulation.sagemaker.local_api.api_server import serve
from lyftlearn_image.emulation.sagemaker.local_api.control_plane import ControlPlane
from lyftlearn_image.emulation.sagemaker.local_api.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.emulation.sagemaker.local_api.job_store import JobStore
    from lyftlearn_image.emulation.sagemaker.local_api.record import Record

ROLE = "arn:aws:iam::000000000000:role/lyftlearn"
RESOURCES = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}


class Phases:
    """Takes every training job through all phases to the end that its hyperparameter says; tuning jobs have two trials."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.may_end.set()

    def __call__(self, record: Record, store: JobStore) -> None:
        """See job_store.JobRunner."""
        if record.kind.name == "tuning":
            self._tune(record, store)
            return
        for phase in ("Downloading", "Training"):
            store.enter(record, phase)
        self.may_end.wait(60)
        store.enter(record, "Uploading")
        self._end(record, store)

    @staticmethod
    def _end(record: Record, store: JobStore) -> None:
        loss = float(record.request.get("HyperParameters", {}).get("loss", "0"))
        metrics = [{"MetricName": "loss", "Value": loss, "Timestamp": 1.7e9}]
        status = "Stopped" if record.stop.is_set() else "Failed" if loss < 0 else "Completed"
        end = descriptions.entered(record.description, status, 1.7e9)
        store.update(record, TrainingJobStatus=status, FinalMetricDataList=metrics, **end)

    def _tune(self, record: Record, store: JobStore) -> None:
        for number in range(2):
            values = {"loss": str(3.0 - number)}
            trial = store.add_trial(record, tuner.trial_request(record.request, number, values), values)
            self.may_end.wait(60)
            self._end(trial, store)
        store.update(record, HyperParameterTuningJobStatus="Stopped" if record.stop.is_set() else "Completed")


@pytest.fixture
def phases() -> Phases:
    """What runs the jobs."""
    return Phases()


@pytest.fixture
def sagemaker(phases: Phases) -> Iterator[Any]:
    """boto3's client of a control plane."""
    with serve(ControlPlane(phases, Account("eu-west-1", "123456789012"))) as url:
        session = boto3.Session("AKIA", "secret", region_name="us-east-1")
        yield session.client("sagemaker", endpoint_url=url, config=Config(retries={"total_max_attempts": 1}))
        phases.may_end.set()


def train(sagemaker: Any, name: str, loss: str = "1", **fields: Any) -> str:
    """Runs a training job to its end; its ARN."""
    request = {
        "TrainingJobName": name,
        "HyperParameters": {"loss": loss, "optimizer": "adam"},
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "ResourceConfig": RESOURCES,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **fields,
    }
    return str(sagemaker.create_training_job(**request)["TrainingJobArn"])


def tuning_request(name: str) -> dict[str, Any]:
    """A CreateHyperParameterTuningJob request as SDK v2 writes it: the trial's resources by their second name."""
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "loss", "MinValue": "1", "MaxValue": "3"}]},
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": {},
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            "HyperParameterTuningResourceConfig": RESOURCES,
            "AlgorithmSpecification": {
                "TrainingImage": "image",
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
            },
        },
    }


def ended(sagemaker: Any, name: str) -> Any:
    """The description of a training job that has ended."""
    while (job := sagemaker.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] in ("InProgress", "Stopping"):
        pass
    return job


def tuned(sagemaker: Any, name: str) -> Any:
    """The description of a tuning job that has ended."""
    while (job := sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name))[
        "HyperParameterTuningJobStatus"
    ] in ("InProgress", "Stopping"):
        pass
    return job


def code_of(call: Any) -> str:
    """The code of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def test_a_training_job_tells_its_phases(sagemaker: Any) -> None:
    """Each begins where the one before ends; what else clients read of a description is there from the first moment."""
    train(sagemaker, "job")
    job = ended(sagemaker, "job")
    transitions = job["SecondaryStatusTransitions"]
    assert [one["Status"] for one in transitions] == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all(one["EndTime"] == following["StartTime"] for one, following in itertools.pairwise(transitions))
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == "s3://bucket/out/job/output/model.tar.gz"
    assert job["OutputDataConfig"]["KmsKeyId"] == ""
    assert job["TrainingJobArn"] == "arn:aws:sagemaker:eu-west-1:123456789012:training-job/job"


def test_a_stop_is_told_until_the_end(sagemaker: Any, phases: Phases) -> None:
    """Also where the job comes to another phase meanwhile."""
    phases.may_end.clear()
    train(sagemaker, "job")
    sagemaker.stop_training_job(TrainingJobName="job")
    described = sagemaker.describe_training_job(TrainingJobName="job")
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("Stopping", "Stopping")
    phases.may_end.set()
    assert ended(sagemaker, "job")["SecondaryStatusTransitions"][-1]["Status"] == "Stopped"


def test_lists_are_filtered_and_sorted(sagemaker: Any) -> None:
    """By status, a part of the name and times; by name, status and time, both ways."""
    for name, loss in (("b-1", "1"), ("a-2", "-1"), ("c-3", "2")):
        train(sagemaker, name, loss)
        ended(sagemaker, name)

    def names(**filters: Any) -> list[str]:
        return [job["TrainingJobName"] for job in sagemaker.list_training_jobs(**filters)["TrainingJobSummaries"]]

    assert names() == ["c-3", "a-2", "b-1"]
    assert names(SortOrder="Ascending") == ["b-1", "a-2", "c-3"]
    assert names(SortBy="Name", SortOrder="Ascending") == ["a-2", "b-1", "c-3"]
    assert names(SortBy="Status", SortOrder="Descending")[0] == "a-2"
    assert names(StatusEquals="Failed") == ["a-2"]
    assert names(NameContains="-3") == ["c-3"]
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    assert names(CreationTimeAfter=later) == names(CreationTimeBefore=later - dt.timedelta(hours=2)) == []
    assert len(names(CreationTimeBefore=later)) == 3
    assert names(LastModifiedTimeAfter=later) == []
    assert len(names(LastModifiedTimeBefore=later, MaxResults=2)) == 2
    assert code_of(lambda: names(NextToken="forged")) == "ValidationException"
    assert code_of(lambda: names(SortBy="Size")) == "ValidationException"


def test_the_trials_of_a_tuning_job_are_training_jobs(sagemaker: Any, phases: Phases) -> None:
    """They can be described and listed while they run; counters, the best one and its ARN are told."""
    phases.may_end.clear()
    sagemaker.create_hyper_parameter_tuning_job(**tuning_request("tune"))
    while not (found := sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(HyperParameterTuningJobName="tune"))[
        "TrainingJobSummaries"
    ]:
        pass
    first = found["TrainingJobSummaries"][0]
    trial = sagemaker.describe_training_job(TrainingJobName=first["TrainingJobName"])
    assert trial["TuningJobArn"].endswith(":hyper-parameter-tuning-job/tune")
    assert trial["ResourceConfig"] == RESOURCES
    going_on = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="tune")
    assert going_on["TrainingJobStatusCounters"]["InProgress"] == 1
    phases.may_end.set()
    job = tuned(sagemaker, "tune")
    assert job["TrainingJobStatusCounters"] == {
        "Completed": 2, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 0, "Stopped": 0,
    }  # fmt: skip
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 2, "Pending": 0, "Failed": 0}
    best = job["BestTrainingJob"]
    assert best["TrainingJobArn"].endswith(f":training-job/{best['TrainingJobName']}")
    assert best["FinalHyperParameterTuningJobObjectiveMetric"] == {"Type": "Minimize", "MetricName": "loss", "Value": 2.0}
    by_value = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="tune", SortBy="FinalObjectiveMetricValue"
    )
    values = [one["TunedHyperParameters"]["loss"] for one in by_value["TrainingJobSummaries"]]
    assert values == ["2.0", "3.0"]
    (summary,) = sagemaker.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
    assert (summary["Strategy"], summary["ResourceLimits"]["MaxNumberOfTrainingJobs"]) == ("Bayesian", 2)


def test_a_tuning_job_is_stopped_with_its_trials(sagemaker: Any, phases: Phases) -> None:
    """Each trial is told, the running one and those that would have come."""
    phases.may_end.clear()
    sagemaker.create_hyper_parameter_tuning_job(**tuning_request("tune"))
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="tune")
    phases.may_end.set()
    assert tuned(sagemaker, "tune")["TrainingJobStatusCounters"]["Stopped"] == 2


def test_tags_are_kept_by_arn(sagemaker: Any) -> None:
    """From Create on; the value of a key is replaced, and what is not there has none."""
    arn = train(sagemaker, "job", Tags=[{"Key": "team", "Value": "eta"}, {"Key": "stage", "Value": "dev"}])
    assert "Tags" not in sagemaker.describe_training_job(TrainingJobName="job")
    added = sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "stage", "Value": "prod"}, {"Key": "cost", "Value": ""}])
    expected = [{"Key": "team", "Value": "eta"}, {"Key": "stage", "Value": "prod"}, {"Key": "cost", "Value": ""}]
    assert added["Tags"] == sagemaker.list_tags(ResourceArn=arn)["Tags"] == expected
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team", "cost", "none"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "stage", "Value": "prod"}]
    many = [{"Key": f"key-{number}", "Value": ""} for number in range(50)]
    assert code_of(lambda: sagemaker.add_tags(ResourceArn=arn, Tags=many)) == "ResourceLimitExceeded"
    assert code_of(lambda: sagemaker.list_tags(ResourceArn=f"{arn}-none")) == "ValidationException"


def test_a_job_is_deleted_when_it_has_ended(sagemaker: Any, phases: Phases) -> None:
    """Its name is free again, and its tags are gone with it."""
    phases.may_end.clear()
    arn = train(sagemaker, "job", Tags=[{"Key": "team", "Value": "eta"}])
    assert code_of(lambda: sagemaker.delete_training_job(TrainingJobName="job")) == "ResourceInUse"
    phases.may_end.set()
    ended(sagemaker, "job")
    sagemaker.delete_training_job(TrainingJobName="job")
    assert code_of(lambda: sagemaker.describe_training_job(TrainingJobName="job")) == "ValidationException"
    assert code_of(lambda: sagemaker.list_tags(ResourceArn=arn)) == "ValidationException"
    train(sagemaker, "job")
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []


def test_a_running_job_is_updated_in_what_has_no_effect_here(sagemaker: Any, phases: Phases) -> None:
    """Its profiler is described anew; a warm pool's time, which has one, is refused by name, and so is a job that has ended."""
    phases.may_end.clear()
    train(sagemaker, "job", ProfilerConfig={"S3OutputPath": "s3://bucket/p", "DisableProfiler": False})
    sagemaker.update_training_job(TrainingJobName="job", ProfilerConfig={"DisableProfiler": True})
    assert sagemaker.describe_training_job(TrainingJobName="job")["ProfilerConfig"] == {"DisableProfiler": True}
    with pytest.raises(ClientError, match=r"ValidationException.*ResourceConfig"):
        sagemaker.update_training_job(TrainingJobName="job", ResourceConfig={"KeepAlivePeriodInSeconds": 60})
    phases.may_end.set()
    ended(sagemaker, "job")
    assert code_of(lambda: sagemaker.update_training_job(TrainingJobName="job")) == "ValidationException"


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([{"Name": "TrainingJobName", "Operator": "Contains", "Value": "job"}], {"job-1", "job-2", "job-3"}),
        ([{"Name": "Tags.team", "Value": "eta"}], {"job-1"}),
        ([{"Name": "Tags.team", "Operator": "NotExists"}], {"job-2", "job-3"}),
        ([{"Name": "Metrics.loss", "Operator": "GreaterThan", "Value": "1.5"}], {"job-2", "job-3"}),
        ([{"Name": "HyperParameters.loss", "Operator": "LessThanOrEqualTo", "Value": "2"}], {"job-1", "job-2"}),
        ([{"Name": "ResourceConfig.InstanceType", "Operator": "NotEquals", "Value": "ml.m5.large"}], set()),
        ([{"Name": "CreationTime", "Operator": "GreaterThan", "Value": "2020-01-01T00:00:00Z"}], {"job-1", "job-2", "job-3"}),
        ([{"Name": "TrainingJobName", "Operator": "In", "Value": "job-1,job-3"}], {"job-1", "job-3"}),
    ],
)
def test_jobs_are_searched_for(sagemaker: Any, filters: list[dict[str, str]], found: set[str]) -> None:
    """By members, tags, metrics and hyperparameters, numbers as numbers."""
    for number in (1, 2, 3):
        train(sagemaker, f"job-{number}", str(number), **({"Tags": [{"Key": "team", "Value": "eta"}]} if number == 1 else {}))
        ended(sagemaker, f"job-{number}")
    answer = sagemaker.search(Resource="TrainingJob", SearchExpression={"Filters": filters})
    assert {one["TrainingJob"]["TrainingJobName"] for one in answer["Results"]} == found
    assert answer["TotalHits"] == {"Value": len(found), "Relation": "EqualTo"}


def test_a_search_is_sorted_paged_and_refused_by_name(sagemaker: Any) -> None:
    """By any property; of a resource that is not searched here, and a value that is no number, the error says which."""
    for number, loss in ((1, "2"), (2, "3"), (3, "1")):
        train(sagemaker, f"job-{number}", loss)
        ended(sagemaker, f"job-{number}")
    either = {"Operator": "Or", "SubExpressions": [
        {"Filters": [{"Name": "TrainingJobName", "Value": "job-1"}]},
        {"Filters": [{"Name": "Metrics.loss", "Operator": "LessThan", "Value": "3"}]},
    ]}  # fmt: skip
    pages = sagemaker.get_paginator("search").paginate(
        Resource="TrainingJob", SearchExpression=either, SortBy="Metrics.loss", SortOrder="Ascending",
        PaginationConfig={"PageSize": 1},
    )  # fmt: skip
    assert [one["TrainingJob"]["TrainingJobName"] for page in pages for one in page["Results"]] == ["job-3", "job-1"]
    with pytest.raises(ClientError, match="does not search for Pipeline"):
        sagemaker.search(Resource="Pipeline")
    filters = [{"Name": "CreationTime", "Operator": "LessThan", "Value": "yesterday"}]
    with pytest.raises(ClientError, match="'yesterday' is neither a number nor a time"):
        sagemaker.search(Resource="TrainingJob", SearchExpression={"Filters": filters})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"AlgorithmSpecification": {"TrainingImage": "x", "TrainingInputMode": "Pipe"}}, "TrainingInputMode = Pipe"),
        ({"AlgorithmSpecification": {"TrainingInputMode": "File"}}, "AlgorithmSpecification.TrainingImage"),
        ({"ResourceConfig": {**RESOURCES, "InstanceType": "ml.p4d.24xlarge"}}, "ml.p4d.24xlarge"),
        ({"RemoteDebugConfig": {"EnableRemoteDebug": True}}, "RemoteDebugConfig.EnableRemoteDebug"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 0}}, "StoppingCondition.MaxRuntimeInSeconds"),
    ],
)
def test_what_cannot_be_run_is_refused_at_create(sagemaker: Any, changes: dict[str, Any], named: str) -> None:
    """By the name of its field; no job of it begins."""
    if "StoppingCondition" in changes:
        sagemaker.meta.events.register("provide-client-params.sagemaker", lambda params, **_: params)
    client = boto3.Session("AKIA", "secret", region_name="us-east-1").client(
        "sagemaker", endpoint_url=sagemaker.meta.endpoint_url, config=Config(parameter_validation=False)
    )
    with pytest.raises(ClientError, match=named) as caught:
        train(client, "job", **changes)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == []


def test_a_search_that_cannot_be_run_is_refused_at_create(sagemaker: Any) -> None:
    """A tuning job is what its trials are, too: their metric, their image, their instances."""
    for change, named in (
        ({"AlgorithmSpecification": {"TrainingImage": "x", "TrainingInputMode": "File"}}, "MetricDefinitions has no loss"),
        ({"HyperParameterTuningResourceConfig": {**RESOURCES, "InstanceType": "ml.g4dn.xlarge"}}, "ml.g4dn.xlarge"),
        ({"HyperParameterTuningResourceConfig": {"AllocationStrategy": "Prioritized"}}, "AllocationStrategy"),
    ):
        request = tuning_request("tune")
        request["TrainingJobDefinition"] |= change
        with pytest.raises(ClientError, match=f"ValidationException.*(?s:.*){named}"):
            sagemaker.create_hyper_parameter_tuning_job(**request)


PATH = st.lists(st.text(alphabet="ab.", max_size=4), max_size=3)
TREE = st.recursive(st.integers() | st.text(max_size=3), lambda inner: st.dictionaries(st.text("ab.", max_size=3), inner))


@given(TREE, PATH)
def test_no_path_breaks_a_search(tree: Any, path: list[str]) -> None:
    """What a client writes as a property's name is looked up, and else it finds nothing."""
    search.values_at({"A": tree}, ".".join(["A", *path]))


@given(st.lists(st.integers(0, 9)), st.integers(0, 9), st.integers(0, 9))
def test_bounds_of_times_are_exclusive(times: list[int], after: int, before: int) -> None:
    """The newest first."""
    found = [{"TrainingJobName": "job", "CreationTime": float(time), "LastModifiedTime": 5.0} for time in times]
    bounds = {"CreationTimeAfter": after, "CreationTimeBefore": before}
    chosen = [one["CreationTime"] for one in listing.choose(found, bounds, name_field="TrainingJobName")]
    assert chosen == sorted((time for time in times if after < time < before), reverse=True)


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(1, 7))
def test_pages_put_together_are_the_list(items: list[int], size: int) -> None:
    """Whatever a page's size; a token is for the next one alone."""
    found, token = [], {}
    while True:
        answer = listing.page(items, {"MaxResults": size, **token}, "Items")
        found += answer["Items"]
        if "NextToken" not in answer:
            break
        assert len(answer["Items"]) == size
        token = {"NextToken": answer["NextToken"]}
    assert found == items


@given(st.text(max_size=30))
def test_a_token_that_is_none_is_refused(token: str) -> None:
    """It is the client's error, whatever it is."""
    with pytest.raises(ServiceError) as caught:
        listing.page([1], {"NextToken": token}, "Items")
    assert caught.value.code == "ValidationException"


@given(st.integers(max_value=-1) | st.sampled_from(["", "x", None, [], {}, float("inf"), float("nan")]))
def test_a_forged_place_is_refused(place: Any) -> None:
    """A token has the form of one, and leads nowhere."""
    token = base64.urlsafe_b64encode(json.dumps({"from": place}).encode()).decode()
    with pytest.raises(ServiceError) as caught:
        listing.page([1, 2, 3], {"NextToken": token}, "Items")
    assert caught.value.code == "ValidationException"
