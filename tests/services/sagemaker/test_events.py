"""The ends of many jobs: real SQS and EventBridge interfaces, a served control plane, and a clock that is moved."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.emulation.aws.endpoint import aws_endpoint
from lyftlearn_image.emulation.sagemaker.job_plan import Account
from lyftlearn_image.emulation.sagemaker.local_api.api_server import serve
from lyftlearn_image.emulation.sagemaker.local_api.control_plane import ControlPlane
from lyftlearn_image.retry import Clock
from lyftlearn_image.run import Status
from lyftlearn_image.services.sagemaker import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import boto3

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.sagemaker.local_api.job_store import JobStore
    from lyftlearn_image.emulation.sagemaker.local_api.record import Record
    from lyftlearn_image.run import State

JOBS = 200


class World:
    """Jobs whose ends the test decides, and who hears of them."""

    def __init__(self) -> None:
        self.records: dict[str, tuple[Record, JobStore]] = {}
        self.now = 0.0
        self.slept: list[float] = []
        self.calls: Counter[str] = Counter()
        self.on_sleep: Callable[[], None] = lambda: None

    def hold(self, record: Record, store: JobStore) -> None:
        """A job that does nothing until `end`."""
        self.records[record.request[record.kind.name_field]] = (record, store)

    def end(self, name: str, status: str = "Completed") -> dict[str, Any]:
        """GroupExit a job; the event that would be sent."""
        record, store = self.records[name]
        store.update(record, **{record.kind.status_field: status})
        return {"Source": "aws.sagemaker", "DetailType": record.kind.detail_type, "Detail": json.dumps(record.description)}

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.slept.append(seconds)
        self.now += seconds
        self.on_sleep()

    def clock(self) -> Clock:
        """The moved clock: every look at it costs ten seconds, so that nothing waits for ever."""

        def now() -> float:
            self.now += 10
            return self.now

        return Clock(now, self.sleep)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[AwsEndpoint]:
    """A local endpoint with EventBridge and SQS, which needs no engine."""
    with aws_endpoint("127.0.0.1") as started:
        yield started


@pytest.fixture
def world() -> World:
    """A world of its own for each test."""
    return World()


@pytest.fixture
def session(world: World, endpoint: AwsEndpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    """A session that counts its calls."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
    # A queue that has nothing is not waited for: the clock is the test's.
    monkeypatch.setattr(events, "_LONG_POLL_S", 0)
    session = endpoint.session()
    session.events.register("before-call", lambda model, **_: world.calls.update([model.name]))
    with serve(ControlPlane(world.hold, Account("us-east-1"))) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", url)
        yield session


@pytest.fixture
def queue(session: boto3.Session, request: pytest.FixtureRequest) -> Iterator[events.EventQueue]:
    """A mailbox that is gone at the end, unless the test has removed it."""
    made = events.create_queue(session, f"lyftlearn-{abs(hash(request.node.name))}")
    yield made
    if made.url in session.client("sqs").list_queues().get("QueueUrls", []):
        events.delete_queue(session, made)


def submit(session: boto3.Session, count: int) -> list[str]:
    """So many training jobs."""
    client = session.client("sagemaker")
    names = [f"job-{number}" for number in range(count)]
    for name in names:
        client.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={"TrainingImage": "x", "TrainingInputMode": "File"},
            RoleArn="arn:aws:iam::000000000000:role/lyftlearn",
            OutputDataConfig={"S3OutputPath": "s3://bucket/x"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
        )
    return names


def send(session: boto3.Session, entries: list[dict[str, Any]]) -> None:
    """Events, ten at a time as the API takes them."""
    client = session.client("events")
    for start in range(0, len(entries), 10):
        client.put_events(Entries=entries[start : start + 10])


@pytest.mark.slow
def test_many_jobs_lose_no_state(session: boto3.Session, world: World, queue: events.EventQueue) -> None:
    """Events twice, in any order, some never: every end is learnt once, for a bounded number of calls."""
    names = submit(session, JOBS)
    chance = random.Random(7)  # noqa: S311 - the same tangle each time
    ends = {name: chance.choice(["Completed", "Failed", "Stopped"]) for name in names}
    entries = [world.end(name, status) for name, status in ends.items()]
    lost = set(chance.sample(range(JOBS), 20))
    sent = [entry for index, entry in enumerate(entries) if index not in lost]
    sent += chance.sample(sent, 60)
    # One that was sent before the end, and comes after it.
    sent.append({**entries[0], "Detail": json.dumps({**json.loads(entries[0]["Detail"]), "TrainingJobStatus": "InProgress"})})
    chance.shuffle(sent)
    # The consumer begins before anything is told: all it gets comes through the queue, or by asking in the end.
    for name in names:
        record, _ = world.records[name]
        record.description["TrainingJobStatus"] = "InProgress"
    send(session, sent)
    world.calls.clear()
    heard: list[str] = []

    def ends_late() -> None:
        for name, status in ends.items():
            world.records[name][0].description["TrainingJobStatus"] = status

    def on_end(job: str, _: State) -> None:
        heard.append(job)
        if len(heard) == JOBS - len(lost):
            ends_late()

    found = events.Consumer(session, queue, world.clock()).wait([f"training/{name}" for name in names], on_end)
    assert {job: state.status for job, state in found.items()} == {
        f"training/{name}": Status(status) for name, status in ends.items()
    }
    assert sorted(heard) == sorted(found)
    assert world.calls["DescribeTrainingJob"] == len(lost)
    assert world.calls["ListTrainingJobs"] == 2 * JOBS / 100
    # Ten messages a batch; a real queue gives some batches less full, and some empty while it waits.
    assert world.calls["ReceiveMessage"] < JOBS


def test_without_the_queue_it_asks(session: boto3.Session, world: World, queue: events.EventQueue) -> None:
    """Deleted in the middle: said once, and nothing is lost; the waits grow to a minute."""
    names = submit(session, 30)
    notices: list[str] = []

    def one_more() -> None:
        running = [name for name in names if world.records[name][0].description["TrainingJobStatus"] == "InProgress"]
        if running and len(world.slept) > 6:
            world.end(running[0])
            world.end(running[-1])

    world.on_sleep = one_more
    events.delete_queue(session, queue)
    found = events.Consumer(session, queue, world.clock()).wait(
        [f"training/{name}" for name in names], lambda _job, _state: None, notices.append
    )
    assert len(found) == 30
    assert notices == [f"the queue {queue.name} is gone; asking SageMaker instead"]
    assert 30.0 <= max(world.slept) <= 60.0


def test_a_message_that_is_no_event_ends_as_a_dead_letter(
    session: boto3.Session, world: World, queue: events.EventQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs no other job its state, is never deleted unread, and can be looked at."""
    sqs = session.client("sqs")
    # A message that was not deleted comes again at once, instead of after 30 seconds.
    sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"VisibilityTimeout": "0"})
    sqs.send_message(QueueUrl=queue.url, MessageBody="not JSON")
    sqs.send_message(QueueUrl=queue.url, MessageBody=json.dumps({"detail-type": "SageMaker Model State Change", "detail": {}}))
    submit(session, 1)
    consumer = events.Consumer(session, queue, world.clock())
    ticks = itertools.count()

    def now() -> float:
        if next(ticks) == 50:
            world.end("job-0")
        world.now += 10
        return world.now

    monkeypatch.setattr(consumer, "_clock", Clock(now, world.sleep))
    assert set(consumer.wait(["training/job-0"], lambda _job, _state: None)) == {"training/job-0"}
    dead = sqs.receive_message(QueueUrl=queue.dead_letter_url, MaxNumberOfMessages=10).get("Messages", [])
    assert [one["Body"] for one in dead] == ["not JSON"]


def test_the_rule_lets_through_ends_alone(session: boto3.Session, world: World, queue: events.EventQueue) -> None:
    """Of every kind of job, and nothing of the way there."""
    submit(session, 1)
    end = world.end("job-0")
    running = {**end, "Detail": json.dumps({**json.loads(end["Detail"]), "TrainingJobStatus": "InProgress"})}
    others = [
        {
            "Source": "aws.sagemaker",
            "DetailType": f"SageMaker {words} Job State Change",
            "Detail": json.dumps({field: "Failed"}),
        }
        for words, field in (
            ("Processing", "ProcessingJobStatus"),
            ("Transform", "TransformJobStatus"),
            ("HyperParameter Tuning", "HyperParameterTuningJobStatus"),
        )
    ]
    foreign = {"Source": "aws.batch", "DetailType": "Batch Job State Change", "Detail": json.dumps({"status": "FAILED"})}
    send(session, [running, end, *others, foreign])
    got = session.client("sqs").receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10)["Messages"]
    assert sorted(json.loads(one["Body"])["detail-type"] for one in got) == sorted(
        ["SageMaker Training Job State Change", *(one["DetailType"] for one in others)]
    )


def test_a_mailbox_is_made_once(session: boto3.Session, queue: events.EventQueue) -> None:
    """Made again it is the same: two clients may start at once."""
    assert events.create_queue(session, queue.name) == queue
