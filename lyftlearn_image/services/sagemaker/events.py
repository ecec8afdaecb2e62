"""The ends of many jobs by events: an EventBridge rule, its SQS queue, and who reads it.

Events come at least once, late, out of order, or not at all: a state that was reached is never taken back, and what no
event tells is asked for in pages of a hundred. Source: developer guide, "Automating SageMaker with EventBridge"; SQS
developer guide, "Amazon SQS standard queues".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from lyftlearn_image.aws.errors import translated
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.sagemaker import job_kinds
from lyftlearn_image.services.service import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import boto3

    from lyftlearn_image.run import State

# A message that cannot be read so often goes to the dead-letter queue, where somebody can look at it.
_MOST_RECEIVES = 5
_KEPT_S = 14 * 24 * 3600
_BATCH = 10
_LONG_POLL_S = 20
# So long without news, and the service itself is asked: an event may be lost.
_ASK_AFTER_S = 300.0
_FIRST_POLL_S = 5.0
_LONGEST_POLL_S = 60.0
_NO_QUEUE = ("NonExistentQueue", "QueueDoesNotExist")
_TERMINAL = ("Completed", "Failed", "Stopped")


class Mailbox(NamedTuple):
    """A queue with its rule. `url` and `dead_letters` are URLs of queues."""

    name: str
    url: str
    dead_letters: str


def open_mailbox(session: boto3.Session, name: str) -> Mailbox:
    """Makes a queue, its dead-letter queue and the rule that fills it; one that is there already is used."""
    with translated(f"making the queue {name}"):
        sqs: Any = session.client("sqs")
        events: Any = session.client("events")
        dead = _queue(sqs, f"{name}-dead", {"MessageRetentionPeriod": str(_KEPT_S)})
        redrive = {"deadLetterTargetArn": dead[1], "maxReceiveCount": str(_MOST_RECEIVES)}
        url, arn = _queue(sqs, name, {"RedrivePolicy": json.dumps(redrive), "MessageRetentionPeriod": str(_KEPT_S)})
        rule = events.put_rule(Name=name, EventPattern=json.dumps(pattern()), State="ENABLED")["RuleArn"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(_policy(arn, rule))})
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn, "DeadLetterConfig": {"Arn": dead[1]}}])
    return Mailbox(name, url, dead[0])


def close_mailbox(session: boto3.Session, box: Mailbox) -> None:
    """Removes the rule and both queues."""
    with translated(f"removing the queue {box.name}"):
        events: Any = session.client("events")
        sqs: Any = session.client("sqs")
        events.remove_targets(Rule=box.name, Ids=["queue"])
        events.delete_rule(Name=box.name)
        for url in (box.url, box.dead_letters):
            sqs.delete_queue(QueueUrl=url)


def pattern() -> dict[str, Any]:
    """What the rule lets through: ends of jobs of every kind, and nothing of their way there."""
    ended = [{kind.status_field: list(_TERMINAL)} for kind in job_kinds.KINDS]
    return {
        "source": ["aws.sagemaker"],
        "detail-type": [kind.detail_type for kind in job_kinds.KINDS],
        "detail": {"$or": ended},
    }


class Consumer:
    """Reads one mailbox, for the client that made it."""

    def __init__(self, session: boto3.Session, box: Mailbox, clock: Clock | None = None) -> None:
        self._sqs: Any = session.client("sqs")
        self._sagemaker: Any = session.client("sagemaker")
        self._box = box
        self._clock = clock or Clock()
        self._has_queue = True

    def wait(
        self,
        jobs: Iterable[str],
        on_end: Callable[[str, State], None],
        say: Callable[[str], None] = lambda _: None,
    ) -> dict[str, State]:
        """The end of every job, by id; `on_end` gets each once. Without its queue it polls, and says so."""
        pending, ended = set(jobs), dict[str, Any]()

        def learn(job: str, state: State) -> None:
            # Duplicates and stragglers find their job here no more.
            if job in pending and state.status is not None:
                pending.remove(job)
                ended[job] = state
                on_end(job, state)

        self._ask(pending, learn)
        heard_at, wait = self._clock.now(), _FIRST_POLL_S
        while pending:
            before = len(pending)
            if self._has_queue:
                self._receive(learn, say)
            else:
                self._clock.sleep(wait)
                wait = min(_LONGEST_POLL_S, wait * 2)
            now = self._clock.now()
            if len(pending) < before:
                heard_at, wait = now, _FIRST_POLL_S
            elif not self._has_queue or now - heard_at >= _ASK_AFTER_S:
                self._ask(pending, learn)
                heard_at = now
        return ended

    def _receive(self, learn: Callable[[str, State], None], say: Callable[[str], None]) -> None:
        """Takes one batch; what could be read is deleted, what could not comes again and ends as a dead letter."""
        try:
            with translated("reading the queue", "sqs:ReceiveMessage"):
                answer = self._sqs.receive_message(
                    QueueUrl=self._box.url, MaxNumberOfMessages=_BATCH, WaitTimeSeconds=_LONG_POLL_S
                )
                read = [message for message in answer.get("Messages", []) if _take(message, learn)]
                if read:
                    entries = [{"Id": str(index), "ReceiptHandle": one["ReceiptHandle"]} for index, one in enumerate(read)]
                    self._sqs.delete_message_batch(QueueUrl=self._box.url, Entries=entries)
        except InvalidInputError as error:
            if not any(code in error.what for code in _NO_QUEUE):
                raise
            self._has_queue = False
            say(f"the queue {self._box.name} is gone; asking SageMaker instead")

    def _ask(self, pending: set[str], learn: Callable[[str, State], None]) -> None:
        """Learns what has ended already, from the newest job on, until every pending one was seen."""
        for kind in job_kinds.KINDS:
            unseen = {name for found, name in map(job_kinds.parse_job_id, pending) if found is kind}
            request: dict[str, Any] = {"MaxResults": 100, "SortBy": "CreationTime", "SortOrder": "Descending"}
            while unseen:
                with translated(f"listing {kind.name} jobs", f"sagemaker:List{kind.stem}s"):
                    page = getattr(self._sagemaker, _LISTS[kind.name])(**request)
                for one in page[f"{kind.stem}Summaries"]:
                    name = one[kind.name_field]
                    if name in unseen and one[kind.status_field] in _TERMINAL:
                        learn(f"{kind.name}/{name}", self._described(kind, name))
                    unseen.discard(name)
                if "NextToken" not in page:
                    break
                request["NextToken"] = page["NextToken"]

    def _described(self, kind: job_kinds.Kind, name: str) -> State:
        """A list has no reason; a description has."""
        with translated(f"asking for {name}", f"sagemaker:Describe{kind.stem}"):
            return job_kinds.state_of(kind, getattr(self._sagemaker, _DESCRIBES[kind.name])(**{kind.name_field: name}))


_LISTS = {
    "training": "list_training_jobs", "processing": "list_processing_jobs", "transform": "list_transform_jobs",
    "tuning": "list_hyper_parameter_tuning_jobs",
}  # fmt: skip
_DESCRIBES = {
    "training": "describe_training_job", "processing": "describe_processing_job", "transform": "describe_transform_job",
    "tuning": "describe_hyper_parameter_tuning_job",
}  # fmt: skip


def _take(message: Mapping[str, Any], learn: Callable[[str, State], None]) -> bool:
    """Whether a message could be read: an event of another kind can, and says nothing here."""
    try:
        event = json.loads(message["Body"])
        kind = job_kinds.kind_for_event(event["detail-type"])
        if kind is not None:
            learn(f"{kind.name}/{event['detail'][kind.name_field]}", job_kinds.state_of(kind, event["detail"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return True


def _queue(sqs: Any, name: str, attributes: Mapping[str, str]) -> tuple[str, str]:
    """URL and ARN of a queue."""
    url = sqs.create_queue(QueueName=name, Attributes=dict(attributes))["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def _policy(queue: str, rule: str) -> dict[str, Any]:
    """Who may write: EventBridge, for this rule."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
