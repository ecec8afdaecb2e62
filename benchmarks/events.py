"""The ends of a thousand jobs: API calls by events, beside asking for each job as often as one would."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from benchmarks.report import Measurement, show
from lyftlearn_image.emulation.aws.endpoint import aws_endpoint
from lyftlearn_image.emulation.sagemaker.job_plan import Account
from lyftlearn_image.emulation.sagemaker.local_api.api_server import serve
from lyftlearn_image.emulation.sagemaker.local_api.control_plane import ControlPlane
from lyftlearn_image.emulation.sagemaker.local_api.jobs import Publisher
from lyftlearn_image.retry import Clock
from lyftlearn_image.services.sagemaker import events

if TYPE_CHECKING:
    import boto3

    from lyftlearn_image.emulation.sagemaker.local_api.job_store import JobStore
    from lyftlearn_image.emulation.sagemaker.local_api.record import Record

JOBS = 1000
# An hour's jobs, each asked for twice a minute: what a loop around DescribeTrainingJob costs.
POLLS = 120


def main() -> None:
    """Ends a thousand held jobs, whose events go through EventBridge and SQS, and counts the calls."""
    held: list[tuple[Record, JobStore]] = []
    calls: Counter[str] = Counter()
    with aws_endpoint("127.0.0.1") as endpoint:
        os.environ["AWS_ENDPOINT_URL"] = endpoint.url
        session = endpoint.session()
        session.events.register("before-call", lambda model, **_: calls.update([model.name]))
        events._LONG_POLL_S = 0  # noqa: SLF001 - the local queue has no more to wait for
        with serve(
            ControlPlane(lambda record, store: held.append((record, store)), Account("us-east-1"), Publisher(endpoint))
        ) as url:
            os.environ["AWS_ENDPOINT_URL_SAGEMAKER"] = url
            queue = events.create_queue(session, "lyftlearn-benchmark")
            names = [_submit(session, number) for number in range(JOBS)]
            consumer = events.Consumer(session, queue, Clock())
            calls.clear()
            ended: list[str] = []
            consumer_calls: Counter[str] = Counter()

            def on_end(job: str, _: Any) -> None:
                ended.append(job)

            for record, store in held:
                store.update(record, **{record.kind.status_field: "InProgress"})
            calls.clear()
            _end_all(held, calls)
            found = consumer.wait(names, on_end)
            consumer_calls.update(calls)
            if not len(found) == len(set(ended)) == JOBS:
                raise SystemExit("a state was lost")
    count = sum(consumer_calls.values())
    show(
        Measurement(
            "API calls to learn 1,000 ends by events", count, JOBS * POLLS, "calls", 0.01, "DescribeTrainingJob in a loop"
        )
    )


def _end_all(held: list[tuple[Record, JobStore]], calls: Counter[str]) -> None:
    """Publishes every end, without the job list knowing of it yet; the publishing is not the client's."""
    for record, store in held:
        store.update(record, **{record.kind.status_field: "Completed"})
        # The list would tell at once; an event comes first on the real service, too.
        record.description[record.kind.status_field] = "InProgress"
    calls.clear()


def _submit(session: boto3.Session, number: int) -> str:
    name = f"job-{number}"
    session.client("sagemaker").create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": "x", "TrainingInputMode": "File"},
        RoleArn="arn:aws:iam::000000000000:role/lyftlearn",
        OutputDataConfig={"S3OutputPath": "s3://bucket/x"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    return f"training/{name}"


if __name__ == "__main__":
    main()
