"""The service target against the API itself: served here, with jobs that run in real containers."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.emulation.sagemaker.job_plan import Account
from lyftlearn_image.emulation.sagemaker.local_api.api_server import serve
from lyftlearn_image.emulation.sagemaker.local_api.control_plane import ControlPlane
from lyftlearn_image.emulation.sagemaker.local_api.errors import ServiceError
from lyftlearn_image.emulation.sagemaker.local_api.hosting import Hosting
from lyftlearn_image.emulation.sagemaker.local_api.job_store import JobStore
from lyftlearn_image.emulation.sagemaker.local_api.jobs import EmulatedJobs, Publisher
from lyftlearn_image.errors import InvalidInputError, LyftlearnError, UnavailableError, UnsupportedError
from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.platforms.launch import Launch
from lyftlearn_image.retry import Clock
from lyftlearn_image.run import Status, StopRequest
from lyftlearn_image.services.sagemaker import logs
from lyftlearn_image.services.sagemaker.client import SageMakerService
from lyftlearn_image.services.service import job_name
from lyftlearn_image.workload import Tuning, Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import boto3
    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.sagemaker.emulator import SageMakerEmulator
    from lyftlearn_image.platforms.launch import Compiled

PREFIX = "s3://bucket/service"


@pytest.fixture
def session(
    emulator: SageMakerEmulator, endpoint: AwsEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[boto3.Session]:
    """A session whose SageMaker runs jobs here, and whose other services are the local endpoint's."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    session = endpoint.session()
    plane = ControlPlane(EmulatedJobs(emulator, endpoint, tmp_path / "jobs"), Account("us-east-1"), Publisher(endpoint))
    with serve(plane) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", url)
        yield session


@pytest.fixture
def service(session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> SageMakerService:
    """The target; a local CloudWatch has no lag, and its waits are short."""
    monkeypatch.setattr(logs, "LAG_S", 0.0)
    return SageMakerService(session, Clock(sleep=lambda seconds: time.sleep(min(seconds, 0.05))))


@pytest.fixture
def compiled(lyftlearn_image_tag: str, s3: S3Client, service: SageMakerService) -> Callable[..., Compiled]:
    """The request for a program, with an output that the service archives."""

    def compile_(program: str, **fields: Any) -> Compiled:
        command = ("python", "-c", program)
        workload = Workload.model_validate({"name": "svc", "image": lyftlearn_image_tag, "command": command, **fields})
        return compile_for(service.name, workload, Launch(job_name(workload, "sagemaker", PREFIX), PREFIX))

    return compile_


def test_a_job_goes_through_the_service(service: SageMakerService, compiled: Callable[..., Compiled], tmp_path: Path) -> None:
    """Submitted, followed, waited for and collected: the same result type as the embedded target's."""
    lines: list[str] = []
    program = "open('/opt/ml/model/m','w').write('x'); print('trained'); import sys; print('noted', file=sys.stderr)"
    run = service.run(compiled(program), workspace=tmp_path, on_line=lines.append)
    assert (run.status, run.exit_code, run.reason) == (Status.COMPLETED, 0, "")
    assert lines == ["trained", "noted"]
    assert run.stdout.read_text() == "trained\nnoted\n"
    assert (run.artifacts["model"] / "m").read_text() == "x"


def test_a_tuning_job_goes_through_the_service(
    service: SageMakerService, lyftlearn_image_tag: str, s3: S3Client, tmp_path: Path
) -> None:
    """Its trials, with their values and objectives; the best one's log and artifacts are the job's."""
    program = b"""
import sys
depth = int(sys.argv[sys.argv.index('--depth') + 1])
open('/opt/ml/model/m', 'w').write(str(depth))
print('loss=%s' % (depth - 3) ** 2)
"""
    s3.put_object(Bucket="bucket", Key="tuned/code/train.py", Body=program)
    workload = Tuning(
        name="svc-tuning", image=lyftlearn_image_tag, program="/opt/ml/input/data/code/train.py", seed=1,
        channels={"code": "s3://bucket/tuned/code/"}, metrics={"loss": r"loss=(\S+)"}, objective="loss", goal="minimize",
        max_trials=3, search_space={"depth": {"type": "int", "low": 1, "high": 6}},
    )  # fmt: skip
    run = service.run(compile_for(service.name, workload, Launch("svc-tuning-1", PREFIX)), workspace=tmp_path)
    assert (run.status, run.exit_code, len(run.trials)) == (Status.COMPLETED, 0, 3)
    depths = [int(one.values["depth"]) for one in run.trials]
    assert [one.objective for one in run.trials] == [(depth - 3) ** 2 for depth in depths]
    nearest = min(depths, key=lambda depth: (depth - 3) ** 2)
    assert (run.artifacts["model"] / "m").read_text() == str(nearest)
    assert run.stdout.read_text() == f"loss={(nearest - 3) ** 2}\n"


def test_the_log_and_the_metrics_of_several_hosts(
    service: SageMakerService, compiled: Callable[..., Compiled], tmp_path: Path
) -> None:
    """A stream for each host; the final values are in the description."""
    program = "import os; print('I am', os.environ['SM_CURRENT_HOST'], 'loss=' + os.environ['SM_CURRENT_HOST'][-1])"
    run = service.run(compiled(program, nodes=2, metrics={"loss": r"loss=(\S+)"}), workspace=tmp_path)
    assert sorted(run.stdout.read_text().splitlines()) == ["I am algo-1 loss=1", "I am algo-2 loss=2"]
    assert run.final_metrics == {"loss": 2.0}


def test_the_log_of_a_failure_is_that_of_the_host_that_failed(
    service: SageMakerService, compiled: Callable[..., Compiled], tmp_path: Path
) -> None:
    """The one whose words the service's reason has; the other is ended by the service."""
    program = (
        "import os, sys, time; host = os.environ['SM_CURRENT_HOST']; print('I am', host, flush=True)\n"
        "if host == 'algo-2': print('ValueError: bad shard', file=sys.stderr); sys.exit(7)\n"
        "time.sleep(300)"
    )
    run = service.run(compiled(program, nodes=2), workspace=tmp_path)
    assert (run.status, run.exit_code) == (Status.FAILED, 7)
    assert "ValueError: bad shard" in run.reason
    assert sorted(run.stdout.read_text().splitlines()) == ["I am algo-2", "ValueError: bad shard"]


def test_nothing_is_left_of_a_job_that_is_refused(
    service: SageMakerService, compiled: Callable[..., Compiled], s3: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service's own limits are told, and the bundle that was put for the job is removed."""

    def refuse(*_: Any) -> None:
        raise ServiceError("ResourceLimitExceeded", "The account-level service limit is 0 Instances")

    request = compiled("print()\nprint()")
    assert request.objects
    monkeypatch.setattr(JobStore, "handle", refuse)
    with pytest.raises(LyftlearnError, match="ResourceLimitExceeded"):
        service.submit(request)
    assert not [uri for uri in request.objects if objects.list_keys(s3, uri)]


def test_a_failure_comes_with_its_code_and_reason(
    service: SageMakerService, compiled: Callable[..., Compiled], tmp_path: Path
) -> None:
    """The script's own exit code, taken from the words of the service."""
    run = service.run(compiled("import sys; sys.exit('no data')"), workspace=tmp_path)
    assert (run.status, run.exit_code) == (Status.FAILED, 1)
    assert "no data" in run.reason


def test_a_processing_job_goes_through_too(
    service: SageMakerService, compiled: Callable[..., Compiled], tmp_path: Path
) -> None:
    """Its outputs are found by its description."""
    program = "open('/opt/ml/processing/output/a','w').write('a'); raise SystemExit(4)"
    run = service.run(compiled(program, kind="processing"), workspace=tmp_path)
    assert (run.status, run.exit_code) == (Status.FAILED, 4)
    assert (run.artifacts["output"] / "a").read_text() == "a"


def test_the_same_workload_is_the_same_job(
    service: SageMakerService, compiled: Callable[..., Compiled], tmp_path: Path
) -> None:
    """Submitted twice, also by two clients at once, it runs once; a client that comes later collects it."""
    one = compiled("print(open('/proc/sys/kernel/random/uuid').read().strip())")
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(service.submit(one))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert service.wait(found[0], lambda _: None).status is Status.COMPLETED
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    texts = {service.collect(found[0], tmp_path / name).stdout.read_text() for name in ("first", "second")}
    assert len(texts) == 1


def test_a_job_is_stopped(service: SageMakerService, compiled: Callable[..., Compiled], tmp_path: Path) -> None:
    """By a line of its log, or by hand; the script sees SIGTERM. Stopping an ended job changes nothing."""
    program = (
        "import signal, sys, time; "
        "signal.signal(signal.SIGTERM, lambda *_: (print('saving', flush=True), sys.exit(3))); "
        "print('ready', flush=True); time.sleep(60)"
    )
    one = compiled(program)
    run = service.run(one, workspace=tmp_path, stop=StopRequest(re.compile("ready")))
    assert run.status is Status.STOPPED
    assert "saving" in run.stdout.read_text()
    service.stop(service.submit(one))


def test_what_overflows_is_there_before_the_job(
    service: SageMakerService, compiled: Callable[..., Compiled], tmp_path: Path
) -> None:
    """The launch bundle is written to S3 by the submission itself."""
    files = {"/etc/team/config.yaml": {"content": "from-the-bundle"}}
    run = service.run(compiled("print(open('/etc/team/config.yaml').read())", files=files), workspace=tmp_path)
    assert run.stdout.read_text() == "from-the-bundle\n"


def test_a_job_that_is_not_there_is_told(service: SageMakerService, tmp_path: Path) -> None:
    """By every verb, with what to check; so is a word that names none."""
    for job in ("training/no-such", "processing/no-such"):
        with pytest.raises(InvalidInputError, match=r"there is no (training|processing) job no-such"):
            service.state(job)
    with pytest.raises(InvalidInputError, match="'iris' is no job"):
        service.stop("iris")


def test_a_job_that_runs_cannot_be_collected(
    service: SageMakerService, compiled: Callable[..., Compiled], tmp_path: Path
) -> None:
    """Half of a result is none."""
    job = service.submit(compiled("import time; print('ready', flush=True); time.sleep(60)"))
    with pytest.raises(InvalidInputError, match="has not ended"):
        service.collect(job, tmp_path)
    # A signal that comes before the script has begun is not heard, and the sleep would go on.
    assert next(iter(service.logs(job, follow=True))) == "ready"
    service.stop(job)
    service.wait(job, lambda _: None)


def test_an_endpoint_that_is_away_is_told(session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one error, without a traceback of boto3's."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "http://127.0.0.1:9")
    monkeypatch.setattr("lyftlearn_image.aws.session._TRIES", 1)
    with pytest.raises(UnavailableError, match="asking for x: AWS does not answer"):
        SageMakerService(session).state("training/x")


def test_what_is_not_served_is_refused_by_name(session: boto3.Session) -> None:
    """The control plane never pretends."""
    with pytest.raises(Exception, match="CreateModel is not in this local control plane"):
        session.client("sagemaker").create_model(ModelName="m", ExecutionRoleArn="arn:aws:iam::000000000000:role/x-y-z")


@pytest.fixture
def hosting_session(
    session: boto3.Session, emulator: SageMakerEmulator, endpoint: AwsEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[boto3.Session]:
    """A session whose SageMaker has models and endpoints, and no jobs."""
    hosting = Hosting(emulator.context, endpoint, tmp_path / "endpoints")
    jobs = EmulatedJobs(emulator, endpoint, tmp_path / "jobs")
    with serve(ControlPlane(jobs, Account("us-east-1"), hosting=hosting)) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", url)
        yield session


def test_an_endpoint_is_deleted_with_its_configuration_and_model(hosting_session: boto3.Session, s3: S3Client) -> None:
    """Also where `stop` has taken the endpoint before. Of a job the service keeps the record."""
    s3.put_object(Bucket="bucket", Key="model.tar.gz", Body=b"x")
    service, client = SageMakerService(hosting_session), hosting_session.client("sagemaker")
    container = {"Image": "team:1", "ModelDataUrl": "s3://bucket/model.tar.gz"}
    role = "arn:aws:iam::000000000000:role/x"
    variant = {"VariantName": "all", "ModelName": "iris-1", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    client.create_model(ModelName="iris-1", PrimaryContainer=container, ExecutionRoleArn=role)
    client.create_endpoint_config(EndpointConfigName="iris-1", ProductionVariants=[variant])
    service.delete("endpoint/iris-1")
    for describe in (
        lambda: client.describe_model(ModelName="iris-1"),
        lambda: client.describe_endpoint_config(EndpointConfigName="iris-1"),
    ):
        with pytest.raises(ClientError):
            describe()
    with pytest.raises(UnsupportedError, match="SageMaker keeps the record of a job"):
        service.delete("training/iris-1")
