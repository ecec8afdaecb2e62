"""The ends of many jobs by events: an EventBridge rule, its SQS queue, and who reads it.

Events come at least once, late, out of order, or not at all: a state that was reached is never taken back, and what no
event tells is asked for in pages of a hundred. Source: developer guide, "Automating SageMaker with EventBridge"; SQS
developer guide, "Amazon SQS standard queues".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from lyftlearn_image.aws.errors import translate_errors
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.sagemaker import job_kinds
from lyftlearn_image.retry import Backoff, Clock, Waits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import boto3

    from lyftlearn_image.run import State

# A message that cannot be read so often goes to the dead-letter queue, where somebody can look at it.
_MOST_RECEIVES = 5
_KEPT_S = 14 * 24 * 3600
_BATCH = 10
_PAGE = 100
_LONG_POLL_S = 20
# So long without news, and the service itself is asked: an event may be lost.
_ASK_AFTER_S = 300.0
# Without a queue.
_POLLS = Backoff(first_s=5.0, longest_s=60.0)
_NO_QUEUE = ("NonExistentQueue", "QueueDoesNotExist")
_TERMINAL = ("Completed", "Failed", "Stopped")


class EventQueue(NamedTuple):
    """An SQS queue with the EventBridge rule that fills it. `url` and `dead_letter_url` are URLs of queues."""

    name: str
    url: str
    dead_letter_url: str


def create_queue(session: boto3.Session, name: str) -> EventQueue:
    """Makes a queue, its dead-letter queue and the rule that fills it; one that is there already is used."""
    with translate_errors(f"making the queue {name}"):
        sqs: Any = session.client("sqs")
        events: Any = session.client("events")
        dead_url, dead_arn = _create_sqs_queue(sqs, f"{name}-dead", {"MessageRetentionPeriod": str(_KEPT_S)})
        redrive = {"deadLetterTargetArn": dead_arn, "maxReceiveCount": str(_MOST_RECEIVES)}
        attributes = {"RedrivePolicy": json.dumps(redrive), "MessageRetentionPeriod": str(_KEPT_S)}
        url, arn = _create_sqs_queue(sqs, name, attributes)
        rule = events.put_rule(Name=name, EventPattern=json.dumps(event_pattern()), State="ENABLED")["RuleArn"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(_queue_policy(arn, rule))})
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn, "DeadLetterConfig": {"Arn": dead_arn}}])
    return EventQueue(name, url, dead_url)


def delete_queue(session: boto3.Session, queue: EventQueue) -> None:
    """Removes the rule and both queues."""
    with translate_errors(f"removing the queue {queue.name}"):
        events: Any = session.client("events")
        sqs: Any = session.client("sqs")
        events.remove_targets(Rule=queue.name, Ids=["queue"])
        events.delete_rule(Name=queue.name)
        for url in (queue.url, queue.dead_letter_url):
            sqs.delete_queue(QueueUrl=url)


def event_pattern() -> dict[str, Any]:
    """What the rule lets through: ends of jobs of every kind, and nothing of their way there."""
    ended = [{kind.status_field: list(_TERMINAL)} for kind in job_kinds.KINDS]
    return {
        "source": ["aws.sagemaker"],
        "detail-type": [kind.detail_type for kind in job_kinds.KINDS],
        "detail": {"$or": ended},
    }


class Consumer:
    """Reads one queue, for the client that made it."""

    def __init__(self, session: boto3.Session, queue: EventQueue, clock: Clock | None = None) -> None:
        self._sqs: Any = session.client("sqs")
        self._sagemaker: Any = session.client("sagemaker")
        self._queue = queue
        self._clock = clock or Clock()
        self._has_queue = True

    def wait(
        self,
        jobs: Iterable[str],
        on_end: Callable[[str, State], None],
        on_notice: Callable[[str], None] = lambda _: None,
    ) -> dict[str, State]:
        """The end of every job, by id; `on_end` gets each once. Without its queue it polls, of which it gives notice."""
        pending, ended = set(jobs), dict[str, Any]()

        def record(job: str, state: State) -> None:
            # Duplicates and stragglers find their job here no more.
            if job in pending and state.status is not None:
                pending.remove(job)
                ended[job] = state
                on_end(job, state)

        self._list_ended(pending, record)
        news_at, waits = self._clock.now(), Waits(_POLLS, self._clock)
        while pending:
            count = len(pending)
            if self._has_queue:
                self._receive(record, on_notice)
            else:
                waits.sleep()
            now = self._clock.now()
            if len(pending) < count:
                news_at = now
                waits.reset()
            elif not self._has_queue or now - news_at >= _ASK_AFTER_S:
                self._list_ended(pending, record)
                news_at = now
        return ended

    def _receive(self, record: Callable[[str, State], None], on_notice: Callable[[str], None]) -> None:
        """Takes one batch; what could be read is deleted, what could not comes again and ends as a dead letter."""
        try:
            with translate_errors("reading the queue", "sqs:ReceiveMessage"):
                answer = self._sqs.receive_message(
                    QueueUrl=self._queue.url, MaxNumberOfMessages=_BATCH, WaitTimeSeconds=_LONG_POLL_S
                )
                read = [message for message in answer.get("Messages", []) if _read_message(message, record)]
                if read:
                    entries = [{"Id": str(index), "ReceiptHandle": one["ReceiptHandle"]} for index, one in enumerate(read)]
                    self._sqs.delete_message_batch(QueueUrl=self._queue.url, Entries=entries)
        except InvalidInputError as error:
            if not any(code in error.what for code in _NO_QUEUE):
                raise
            self._has_queue = False
            on_notice(f"the queue {self._queue.name} is gone; asking SageMaker instead")

    def _list_ended(self, pending: set[str], record: Callable[[str, State], None]) -> None:
        """Records what has ended already, from the newest job on, until every pending one was seen."""
        from botocore import xform_name  # noqa: PLC0415 - boto3 takes 200 ms

        for kind in job_kinds.KINDS:
            unseen = {name for found, name in map(job_kinds.parse_job_id, pending) if found is kind}
            if not unseen:
                continue
            pages = self._sagemaker.get_paginator(xform_name(f"List{kind.stem}s")).paginate(
                SortBy="CreationTime", SortOrder="Descending", PaginationConfig={"PageSize": _PAGE}
            )
            with translate_errors(f"listing {kind.name} jobs", f"sagemaker:List{kind.stem}s"):
                for page in pages:
                    for summary in page[f"{kind.stem}Summaries"]:
                        name = summary[kind.name_field]
                        if name in unseen and summary[kind.status_field] in _TERMINAL:
                            record(f"{kind.name}/{name}", self._describe(kind, name))
                        unseen.discard(name)
                    if not unseen:
                        break

    def _describe(self, kind: job_kinds.Kind, name: str) -> State:
        """A list has no reason; a description has."""
        from botocore import xform_name  # noqa: PLC0415 - as above

        with translate_errors(f"asking for {name}", f"sagemaker:Describe{kind.stem}"):
            description = getattr(self._sagemaker, xform_name(f"Describe{kind.stem}"))(**{kind.name_field: name})
        return job_kinds.state_of(kind, description)


def _read_message(message: Mapping[str, Any], record: Callable[[str, State], None]) -> bool:
    """Whether a message could be read: an event of another kind can, and says nothing here."""
    try:
        event = json.loads(message["Body"])
        kind = job_kinds.kind_for_event(event["detail-type"])
        if kind is not None:
            record(f"{kind.name}/{event['detail'][kind.name_field]}", job_kinds.state_of(kind, event["detail"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return True


def _create_sqs_queue(sqs: Any, name: str, attributes: Mapping[str, str]) -> tuple[str, str]:
    """URL and ARN of a queue."""
    url = sqs.create_queue(QueueName=name, Attributes=dict(attributes))["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def _queue_policy(queue: str, rule: str) -> dict[str, Any]:
    """Who may write: EventBridge, for this rule."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
