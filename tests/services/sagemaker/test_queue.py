"""Training jobs that wait in a queue of AWS Batch, before the local SageMaker, which runs them in real containers."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.cli.main import main
from lyftlearn_image.emulation.sagemaker.job_plan import Account
from lyftlearn_image.emulation.sagemaker.local_api.api_server import serve
from lyftlearn_image.emulation.sagemaker.local_api.control_plane import ControlPlane
from lyftlearn_image.emulation.sagemaker.local_api.jobs import EmulatedJobs, Publisher
from lyftlearn_image.errors import InvalidInputError, UnavailableError, UnsupportedError
from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.platforms.launch import Launch
from lyftlearn_image.retry import Clock
from lyftlearn_image.run import State, Status
from lyftlearn_image.services.sagemaker import logs
from lyftlearn_image.services.sagemaker.queue import Queue, parse_queued_id
from lyftlearn_image.services.sagemaker.queued_training import QueuedTrainingService
from lyftlearn_image.services.service import job_name
from lyftlearn_image.workload import Workload
from tests.services.sagemaker.batch_queue import BatchQueue, serve_queue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import boto3
    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.sagemaker.emulator import SageMakerEmulator
    from lyftlearn_image.platforms.launch import Compiled

PREFIX = "s3://bucket/queued"
NAME = "gpus"
FAST = Clock(sleep=lambda seconds: time.sleep(min(seconds, 0.05)))


@pytest.fixture
def session(
    emulator: SageMakerEmulator, endpoint: AwsEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[boto3.Session]:
    """A session whose SageMaker runs jobs here."""
    monkeypatch.setattr(logs, "LAG_S", 0.0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    plane = ControlPlane(EmulatedJobs(emulator, endpoint, tmp_path / "jobs"), Account("us-east-1"), Publisher(endpoint))
    session = endpoint.session()
    keys = session.get_credentials().get_frozen_credentials()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_key)
    with serve(plane) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", url)
        yield session


@pytest.fixture
def queue(session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchQueue]:
    """The queue, open."""
    queue = BatchQueue(NAME, session.client("sagemaker"))
    queue.open.set()
    with serve_queue(queue) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BATCH", url)
        yield queue


@pytest.fixture
def service(session: boto3.Session, queue: BatchQueue) -> Iterator[QueuedTrainingService]:
    """The service with the queue before it."""
    service = QueuedTrainingService(session, Queue(queue.name), FAST)
    yield service
    service.close()


@pytest.fixture
def compiled(lyftlearn_image_tag: str, s3: S3Client) -> Callable[..., Compiled]:
    """The request for a program; the bucket is there."""
    assert s3

    def compile_(program: str, **fields: Any) -> Compiled:
        command = ("python", "-c", program)
        workload = Workload.model_validate({"name": "svc", "image": lyftlearn_image_tag, "command": command, **fields})
        return compile_for("sagemaker", workload, Launch(job_name(workload, "sagemaker", PREFIX), PREFIX))

    return compile_


def test_a_job_waits_its_turn_and_goes_through(
    service: QueuedTrainingService, queue: BatchQueue, compiled: Callable[..., Compiled], tmp_path: Path
) -> None:
    """The queue is sent the request that we compile; waiting is told, then it is a training job as any other."""
    queue.open.clear()
    request = compiled("open('/opt/ml/model/m','w').write('x'); print('trained')", tags={"team": "a"})
    job = service.submit(request)
    name = job.rpartition("/")[2]
    assert job == f"queued/{NAME}/{name}"
    assert service.state(job) == State(None, "RUNNABLE", f"waits in the queue {NAME}", is_waiting=True)
    assert list(service.logs(job, follow=False)) == []
    with pytest.raises(InvalidInputError, match="has not ended"):
        service.collect(job, tmp_path)
    states: list[State] = []

    def note(state: State) -> None:
        states.append(state)
        queue.open.set()

    assert list(service.logs(job, follow=True, on_state=note)) == ["trained"]
    assert states[0].is_waiting
    assert not states[-1].is_waiting
    run = service.collect(job, tmp_path)
    assert (service.wait(job, note).status, run.status, run.exit_code) == (Status.COMPLETED, Status.COMPLETED, 0)
    assert ((run.artifacts["model"] / "m").read_text(), run.stdout.read_text()) == ("x", "trained\n")
    (queued,) = queue.jobs
    (document,) = request.documents
    sent = {**json.loads(queued.submitted["serviceRequestPayload"]), "Tags": document["Tags"]}
    assert sent == json.loads(json.dumps(document))
    assert queued.submitted["tags"] == {tag["Key"]: tag["Value"] for tag in document["Tags"]}
    assert queued.submitted["jobName"] == name


def test_the_same_workload_is_one_job_also_of_clients_that_come_together(
    session: boto3.Session, queue: BatchQueue, compiled: Callable[..., Compiled]
) -> None:
    """All of them meet it, before and after it has ended."""
    request = compiled("print('once')")
    clients = [QueuedTrainingService(session, Queue(NAME), FAST) for _ in range(4)]
    together = threading.Barrier(len(clients))
    first = {id(client): client._find for client in clients}

    def find_together(client: QueuedTrainingService) -> Callable[[str, str], Any]:
        """All look before any of them submits."""
        look = client._find

        def find(queue: str, name: str) -> Any:
            found = look(queue, name)
            if first.pop(id(client), None):
                together.wait(60)
            return found

        return find

    for client in clients:
        client._find = find_together(client)  # type: ignore[method-assign]
    with ThreadPoolExecutor() as pool:
        (job,) = set(pool.map(lambda client: client.submit(request), clients))
    assert len(queue.jobs) == 1
    assert clients[0].wait(job, lambda _: None).status is Status.COMPLETED
    assert clients[1].submit(request) == job
    assert len(queue.jobs) == 1
    for client in clients:
        client.close()


def test_a_job_is_stopped_in_the_queue(
    service: QueuedTrainingService, queue: BatchQueue, compiled: Callable[..., Compiled], tmp_path: Path
) -> None:
    """It never runs; what is collected says so."""
    queue.open.clear()
    job = service.submit(compiled("print('never')"))
    service.stop(job)
    state = service.wait(job, lambda _: None)
    assert (state.status, state.reason) == (Status.STOPPED, "stopped by lyftlearn-image")
    queue.open.set()
    service.stop(job)
    run = service.collect(job, tmp_path)
    assert (run.status, run.exit_code, run.stdout.read_text(), run.artifacts) == (Status.STOPPED, None, "", {})
    assert list(service.logs(job, follow=True)) == []


def test_a_job_is_stopped_while_it_runs(
    service: QueuedTrainingService, compiled: Callable[..., Compiled], tmp_path: Path
) -> None:
    """Its training job is: with SIGTERM, and what it then saves is kept."""
    program = (
        "import signal, sys, time\n"
        "def end(*_): open('/opt/ml/model/m', 'w').write('saved'); print('saved', flush=True); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(600)"
    )
    job = service.submit(compiled(program))
    lines = []
    for line in service.logs(job, follow=True):
        lines.append(line)
        if line == "ready":
            service.stop(job)
    run = service.collect(job, tmp_path)
    assert (lines, run.status, (run.artifacts["model"] / "m").read_text()) == (["ready", "saved"], Status.STOPPED, "saved")


def test_attempts_that_found_no_room_are_followed_by_the_next(
    service: QueuedTrainingService, queue: BatchQueue, compiled: Callable[..., Compiled], tmp_path: Path
) -> None:
    """Their ends are not the job's; what is collected is the last one's, with its exit code."""
    queue.failing = 1
    job = service.submit(compiled("import sys; print('last'); sys.exit(5)"))
    assert list(service.logs(job, follow=True)) == ["no room", "last"]
    assert len(queue.jobs[0].attempts) == 2
    run = service.collect(job, tmp_path)
    assert (run.status, run.exit_code, run.stdout.read_text()) == (Status.FAILED, 5, "last\n")


def test_a_queue_that_is_away_is_told(session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one error, after as many tries as any other question to AWS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_BATCH", "http://127.0.0.1:9")
    monkeypatch.setattr("lyftlearn_image.aws.session._TRIES", 1)
    service = QueuedTrainingService(session, Queue(NAME), FAST)
    with pytest.raises(UnavailableError, match=f"looking for x in the queue {NAME}: AWS does not answer"):
        service.state(f"queued/{NAME}/x")
    service.close()


def test_what_a_queue_does_not_take_is_told_and_leaves_nothing(
    session: boto3.Session, service: QueuedTrainingService, compiled: Callable[..., Compiled], s3: S3Client
) -> None:
    """Other kinds of jobs, and a queue that there is not."""
    with pytest.raises(UnsupportedError, match="training jobs alone"):
        service.submit(compiled("print()", kind="processing"))
    request = compiled("print()\nprint('two lines go by the bundle')")
    assert request.objects
    other = QueuedTrainingService(session, Queue("none"), FAST)
    with pytest.raises(InvalidInputError, match="JobQueue none not found"):
        other.submit(request)
    other.close()
    assert not [uri for uri in request.objects if objects.list_keys(s3, uri)]
    with pytest.raises(InvalidInputError, match="there is no job"):
        service.state(f"queued/{NAME}/absent")
    with pytest.raises(UnsupportedError, match="cannot be deleted"):
        service.delete(f"queued/{NAME}/absent")


def test_the_verbs_know_a_job_in_a_queue(
    queue: BatchQueue, lyftlearn_image_tag: str, s3: S3Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`submit --queue` prints its id, and `wait`, `logs` and `collect` take it."""
    assert s3
    workload = {
        "name": "verbs", "image": lyftlearn_image_tag, "command": ["echo", "hello"], "output": PREFIX,
        "role_arn": "arn:aws:iam::000000000000:role/r",
    }  # fmt: skip
    path = tmp_path / "verbs.yaml"
    path.write_text(yaml.safe_dump(workload))
    arguments = ["submit", str(path), "--target", "sagemaker", "--queue", NAME, "--share-identifier", "ads", "--priority", "7"]
    assert main(arguments) == 0
    job = capsys.readouterr().out.strip()
    assert job.startswith(f"queued/{NAME}/verbs-")
    submitted = queue.jobs[0].submitted
    assert (submitted["shareIdentifier"], submitted["schedulingPriority"]) == ("ads", 7)
    assert main(["wait", job]) == 0
    assert "Completed" in capsys.readouterr().out
    assert main(["logs", job]) == 0
    assert capsys.readouterr().out == "hello\n"
    assert main(["collect", job, "-o", str(tmp_path / "out")]) == 0
    assert main(["stop", job]) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--target", "kubernetes", "--queue", "q"],
        ["--target", "sagemaker", "--share-identifier", "a"],
        ["--target", "sagemaker", "--priority", "0"],
    ],
    ids=" ".join,
)
def test_a_queue_that_makes_no_sense_is_a_usage_error(arguments: list[str], tmp_path: Path) -> None:
    """Before anything is read or asked."""
    (tmp_path / "w.yaml").write_text("{name: a, image: 'a:1', command: [a]}")
    assert main(["submit", str(tmp_path / "w.yaml"), *arguments]) == 2


@pytest.mark.parametrize("job", ["queued", "queued/", "queued/q", "queued/q/", "queued//n"])
def test_an_id_that_is_only_begun_is_refused(job: str) -> None:
    """With what was expected."""
    with pytest.raises(InvalidInputError, match="is no job"):
        parse_queued_id(job)
    assert parse_queued_id(f"training/{job}") is None


def test_the_queue_may_be_named_by_its_arn() -> None:
    """Which has a slash of its own."""
    arn = "arn:aws:batch:us-east-1:111122223333:job-queue/gpus"
    assert parse_queued_id(f"queued/{arn}/iris-0f3a") == (arn, "iris-0f3a")
