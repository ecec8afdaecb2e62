"""The local API's jobs, asked for with boto3; what runs them is the test's own."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lyftlearn_image.emulation.aws.endpoint import PROXY_TOKEN_HEADER
from lyftlearn_image.emulation.sagemaker.job_plan import Account
from lyftlearn_image.emulation.sagemaker.local_api.api_server import serve
from lyftlearn_image.emulation.sagemaker.local_api.control_plane import ControlPlane
from lyftlearn_image.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.emulation.sagemaker.local_api.job_store import JobStore
    from lyftlearn_image.emulation.sagemaker.local_api.record import Record


class Held:
    """Runs jobs as long as the test wants: to the end that their name says, or until somebody asks for a stop."""

    def __init__(self) -> None:
        self.may_end = threading.Event()

    def __call__(self, record: Record, store: JobStore) -> None:
        """See job_store.JobRunner."""
        name = str(record.request[record.kind.name_field])
        if name == "broken":
            raise RunError("the engine has gone away")
        if name == "bug":
            raise KeyError(name)
        while not (self.may_end.is_set() or record.stop.wait(0.01)):
            pass
        store.update(record, **{record.kind.status_field: "Stopped" if record.stop.is_set() else "Completed"})


@pytest.fixture
def held() -> Held:
    """What runs the jobs."""
    return Held()


@pytest.fixture
def url(held: Held) -> Iterator[str]:
    """Where the control plane answers."""
    with serve(ControlPlane(held, Account("us-east-1"))) as url:
        yield url


@pytest.fixture
def sagemaker(url: str) -> Any:
    """boto3's client."""
    session = boto3.Session("AKIA", "secret", region_name="us-east-1")
    return session.client("sagemaker", endpoint_url=url, config=Config(retries={"total_max_attempts": 1}))


def create(sagemaker: Any, name: str) -> None:
    """Creates a training job."""
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": "image", "TrainingInputMode": "File"},
        RoleArn="arn:aws:iam::000000000000:role/lyftlearn",
        OutputDataConfig={"S3OutputPath": "s3://bucket/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )


def end(sagemaker: Any, name: str) -> Any:
    """The description of a job that has ended."""
    sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=name, WaiterConfig={"Delay": 0})
    return sagemaker.describe_training_job(TrainingJobName=name)


def test_a_job_is_described_until_its_end(sagemaker: Any, held: Held) -> None:
    """With its request, its ARN and its status; a stop is asked for once."""
    create(sagemaker, "job")
    described = sagemaker.describe_training_job(TrainingJobName="job")
    assert described["TrainingJobArn"] == "arn:aws:sagemaker:us-east-1:000000000000:training-job/job"
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("InProgress", "Starting")
    assert described["OutputDataConfig"] == {"S3OutputPath": "s3://bucket/out", "KmsKeyId": "", "CompressionType": "GZIP"}
    assert described["ModelArtifacts"] == {"S3ModelArtifacts": "s3://bucket/out/job/output/model.tar.gz"}
    sagemaker.stop_training_job(TrainingJobName="job")
    assert end(sagemaker, "job")["TrainingJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match="The job job is in status Stopped"):
        sagemaker.stop_training_job(TrainingJobName="job")


def test_jobs_are_listed_in_pages(sagemaker: Any, held: Held) -> None:
    """The newest first, by status and by a part of the name."""
    held.may_end.set()
    for number in range(5):
        create(sagemaker, f"job-{number}")
        end(sagemaker, f"job-{number}")
    held.may_end.clear()
    create(sagemaker, "job-on")
    pages = sagemaker.get_paginator("list_training_jobs").paginate(PaginationConfig={"PageSize": 2})
    listed = [job["TrainingJobName"] for page in pages for job in page["TrainingJobSummaries"]]
    assert listed == ["job-on", "job-4", "job-3", "job-2", "job-1", "job-0"]
    going_on = sagemaker.list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"]
    assert [job["TrainingJobName"] for job in going_on] == ["job-on"]
    assert len(sagemaker.list_training_jobs(NameContains="-3")["TrainingJobSummaries"]) == 1


@pytest.mark.parametrize(
    ("name", "reason"), [("broken", "InternalServerError: the engine has gone away"), ("bug", "InternalServerError: KeyError")]
)
def test_a_job_whose_run_breaks_off_has_failed(sagemaker: Any, name: str, reason: str) -> None:
    """It does not seem to go on for ever."""
    create(sagemaker, name)
    while (described := sagemaker.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] == "InProgress":
        pass
    assert (described["TrainingJobStatus"], described["FailureReason"]) == ("Failed", reason)


def test_what_the_service_would_refuse_is_refused(sagemaker: Any) -> None:
    """With the service's codes: a name that is taken, one that is not there, an action that is not here."""
    create(sagemaker, "job")
    for call, code in (
        (lambda: create(sagemaker, "job"), "ResourceInUse"),
        (lambda: sagemaker.describe_training_job(TrainingJobName="none"), "ValidationException"),
        (lambda: sagemaker.describe_processing_job(ProcessingJobName="none"), "ValidationException"),
        (lambda: sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="none"), "ResourceNotFound"),
        (lambda: sagemaker.describe_endpoint(EndpointName="none"), "UnknownOperationException"),
        (sagemaker.list_code_repositories, "UnknownOperationException"),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", '{"TrainingJobName": 1}', "\x00", pytest.param("[" * 100_000, id="deep")],
)
def test_no_body_breaks_the_server(url: str, body: str) -> None:
    """What is no request of the API is an error of the caller's, in JSON."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request("POST", "/", body, {"X-Amz-Target": "SageMaker.CreateTrainingJob"})
    response = connection.getresponse()
    document = json.loads(response.read())
    connection.close()
    assert response.status == 400
    assert document["__type"] in {"SerializationException", "ValidationException"}


def test_a_request_without_end_is_refused(url: str) -> None:
    """It is read as far as a request goes, whatever it says of its length."""
    address = urlsplit(url)
    assert address.port is not None
    with socket.create_connection((address.hostname or "", address.port), timeout=60) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nX-Amz-Target: SageMaker.Search\r\nContent-Length: 1000000000000\r\n\r\n")
        # 1,000 MiB: more than is ever read.
        with pytest.raises(ConnectionError), contextlib.closing(client):
            client.sendall(b" " * (1_000 << 20))


def test_clients_that_say_nothing_leave_room_for_others(url: str, sagemaker: Any) -> None:
    """However many connections are open, the next request is answered."""
    address = urlsplit(url)
    assert address.port is not None
    with contextlib.ExitStack() as stack:
        for _ in range(600):
            stack.enter_context(socket.create_connection((address.hostname or "", address.port), timeout=60))
        assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == []


def test_a_control_plane_is_idle_when_its_jobs_have_been_stopped(held: Held) -> None:
    """So that whoever ends it knows when nothing runs any more."""
    plane = ControlPlane(held, Account("us-east-1"))
    with serve(plane) as url:
        session = boto3.Session("AKIA", "secret", region_name="us-east-1")
        create(session.client("sagemaker", endpoint_url=url), "job")
        assert plane.is_busy()
        plane.request_stop()
        while plane.is_busy():
            pass


def test_with_a_token_only_the_aws_endpoint_is_answered(held: Held) -> None:
    """Every user of this machine can reach a port of loopback; who asks is verified at the endpoint."""
    plane = ControlPlane(held, Account("us-east-1"))
    with serve(plane, "a token") as url:
        answers = []
        for headers in ({}, {PROXY_TOKEN_HEADER: "another"}, {PROXY_TOKEN_HEADER: "a token"}):
            connection = http.client.HTTPConnection(urlsplit(url).netloc)
            connection.request("POST", "/", b"{}", {"X-Amz-Target": "SageMaker.ListTrainingJobs", **headers})
            response = connection.getresponse()
            answers.append((response.status, json.loads(response.read()).get("__type")))
            connection.close()
    assert answers == [(400, "AccessDeniedException"), (400, "AccessDeniedException"), (200, None)]
