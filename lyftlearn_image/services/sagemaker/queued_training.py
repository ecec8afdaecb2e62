"""Training jobs that wait their turn in a queue of AWS Batch, which sends SageMaker the very request that we compile.

A service job of Batch has one training job for each of its attempts; what it left is the last one's. Sources: AWS Batch user
guide, "Service job payloads", "Mapping AWS Batch service job status to SageMaker AI status" and "Service job retry
strategies"; API reference, SubmitServiceJob, ListServiceJobs and TerminateServiceJob.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.aws.errors import translate_errors
from lyftlearn_image.aws.session import retrying
from lyftlearn_image.errors import InvalidInputError, UnsupportedError
from lyftlearn_image.platforms.sagemaker.api_model import validate_request
from lyftlearn_image.retry import Backoff, Clock, Waits
from lyftlearn_image.run import State, Status
from lyftlearn_image.services.collect import EndedJob, collect_run
from lyftlearn_image.services.sagemaker.client import SageMakerService
from lyftlearn_image.services.sagemaker.queue import KIND, parse_queued_id
from lyftlearn_image.services.service import Followed, poll_until_ended, run_to_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import boto3

    from lyftlearn_image.platforms.launch import Compiled, TargetName
    from lyftlearn_image.run import Run, StopRequest
    from lyftlearn_image.services.sagemaker.queue import Queue

_ACTION = "CreateTrainingJob"
_SERVICE_JOB_TYPE = "SAGEMAKER_TRAINING"
_NO_TRAINING_JOB_YET = ("SUBMITTED", "PENDING", "RUNNABLE")
_SUCCEEDED, _FAILED = "SUCCEEDED", "FAILED"
_POLLS = Backoff(first_s=2.0, longest_s=30.0, factor=1.5)
_STOP_REASON = "stopped by lyftlearn-image"


class QueuedTrainingService:
    """The `sagemaker` target where a queue of AWS Batch stands before the service."""

    name: TargetName = "sagemaker"

    def __init__(self, session: boto3.Session, queue: Queue, clock: Clock | None = None) -> None:
        self._sagemaker = SageMakerService(session, clock)
        with translate_errors("connecting to AWS"):
            self._batch: Any = session.client("batch", config=retrying())
        self.s3 = self._sagemaker.s3
        self._queue = queue
        self._clock = clock or Clock()

    def submit(self, compiled: Compiled) -> str:
        """Puts the job into the queue, after the objects that it needs; one of this name in it is the one that was meant.

        Raises UnsupportedError for what is no training job: Batch queues nothing else of SageMaker's.
        """
        if compiled.action != _ACTION:
            raise UnsupportedError(
                f"a queue takes training jobs alone, and this is a {compiled.action}", hint="Submit it without --queue."
            )
        (request,) = compiled.documents
        validate_request(_ACTION, request)
        name = str(request["TrainingJobName"])
        if self._find(self._queue.name, name) is None:
            objects.put_objects(self.s3, compiled.objects)
            try:
                self._submit(name, request)
            except BaseException:
                objects.delete_objects(self.s3, compiled.objects)
                raise
        return f"{KIND}/{self._queue.name}/{name}"

    def state(self, job: str) -> State:
        """What Batch says of the job, and SageMaker of its latest attempt."""
        return self._state(self._describe(job))

    def wait(self, job: str, on_state: Callable[[State], None]) -> State:
        """Asks until the end."""
        return poll_until_ended(lambda: self.state(job), on_state, self._clock)

    def logs(
        self,
        job: str,
        *,
        follow: bool,
        keep: bool = False,  # noqa: ARG002 - CloudWatch keeps it
        on_state: Callable[[State], None] | None = None,
        on_cut: Callable[[str], None] | None = None,  # noqa: ARG002 - see above
    ) -> Iterator[str]:
        """The lines of the latest attempt, with `follow` of those from now on; before the first there are none."""
        waits, followed = Waits(_POLLS, self._clock), ""
        while True:
            summary = self._describe(job)
            state, attempt = self._state(summary), _training_job(summary)
            if on_state:
                on_state(state)
            if attempt and attempt != followed:
                yield from self._sagemaker.logs(attempt, follow=follow, on_state=on_state if state.status is None else None)
                followed = attempt
                waits.reset()
            elif state.status is not None or not follow:
                return
            else:
                waits.sleep()
            if not follow:
                return

    def stop(self, job: str) -> None:
        """TerminateServiceJob: it leaves the queue, or its training job is stopped."""
        summary = self._describe(job)
        if self._state(summary).status is None:
            with translate_errors(f"stopping {job}", "batch:TerminateServiceJob"):
                self._batch.terminate_service_job(jobId=summary["jobId"], reason=_STOP_REASON)

    def delete(self, job: str) -> None:
        """AWS keeps the record of a job; see SageMakerService.delete."""
        raise UnsupportedError(
            f"{job} cannot be deleted: AWS Batch and SageMaker keep the record of a job",
            hint="`lyftlearn-image stop` takes it from the queue or ends it; what it left in S3 is yours.",
        )

    def address(self, job: str) -> None:
        """Nowhere: a training job serves nothing."""

    def collect(self, job: str, workspace: Path) -> Run:
        """What the last attempt has left. Of a job that ended in the queue, that it did."""
        summary = self._describe(job)
        state, attempt = self._state(summary), _training_job(summary)
        if state.status is not None and attempt:
            return self._sagemaker.collect(attempt, workspace)
        return collect_run(self, EndedJob(job, state, (), {}, None, None, None), workspace)

    def run(
        self,
        compiled: Compiled,
        *,
        workspace: Path,
        stop: StopRequest | None = None,
        on_line: Callable[[str], None] | None = None,
        on_phase: Callable[[str], None] | None = None,
    ) -> Run:
        """All of it; see Target.run."""
        return run_to_end(self, compiled, workspace, Followed(stop, on_line, on_phase))

    def close(self) -> None:
        """Closes the connections."""
        self._sagemaker.close()
        self._batch.close()

    def _submit(self, name: str, request: Mapping[str, Any]) -> None:
        """One request. Batch rejects the second of two with one token: another client was first, with the same job."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 - 200 ms, for the verbs that run

        # Tags come with Batch's own request, as the SageMaker SDK sends them (sagemaker.aws_batch.batch_api_helper).
        payload = {field: value for field, value in request.items() if field != "Tags"}
        arguments: dict[str, Any] = {
            "jobName": name,
            "jobQueue": self._queue.name,
            "serviceJobType": _SERVICE_JOB_TYPE,
            "serviceRequestPayload": json.dumps(payload),
            "clientToken": hashlib.sha256(f"{self._queue.name}/{name}".encode()).hexdigest(),
        }
        if tags := request.get("Tags"):
            arguments["tags"] = {tag["Key"]: tag["Value"] for tag in tags}
        if self._queue.share_identifier is not None:
            arguments["shareIdentifier"] = self._queue.share_identifier
        if self._queue.priority is not None:
            arguments["schedulingPriority"] = self._queue.priority
        with translate_errors(f"submitting {name} to the queue {self._queue.name}", "batch:SubmitServiceJob"):
            try:
                self._batch.submit_service_job(**arguments)
            except ClientError:
                if self._find(self._queue.name, name) is None:
                    raise

    def _describe(self, job: str) -> Mapping[str, Any]:
        parsed = parse_queued_id(job)
        summary = self._find(*parsed) if parsed else None
        if summary is None:
            raise InvalidInputError(
                f"there is no job {job}",
                hint="Check the queue's name, AWS_REGION and AWS_PROFILE. Batch forgets a job some days after its end;"
                " SageMaker does not: its attempts are `training/<name>`.",
            )
        return summary

    def _find(self, queue: str, name: str) -> Mapping[str, Any] | None:
        """The latest job of this name in a queue, None where there is none. The service's own filter ignores case."""
        by_name = [{"name": "JOB_NAME", "values": [name]}]
        with translate_errors(f"looking for {name} in the queue {queue}", "batch:ListServiceJobs"):
            pages = self._batch.get_paginator("list_service_jobs").paginate(jobQueue=queue, filters=by_name)
            found = [summary for page in pages for summary in page["jobSummaryList"] if summary["jobName"] == name]
        return max(found, key=lambda summary: summary.get("createdAt", 0), default=None)

    def _state(self, summary: Mapping[str, Any]) -> State:
        """Batch's status, in SageMaker's words. An attempt that failed is not the end while Batch makes another."""
        status, reason = str(summary.get("status", "")), str(summary.get("statusReason", ""))
        if status in _NO_TRAINING_JOB_YET:
            return State(None, status, reason or f"waits in the queue {self._queue.name}", is_waiting=True)
        attempt = _training_job(summary)
        latest = self._sagemaker.state(attempt) if attempt else None
        if status not in {_SUCCEEDED, _FAILED}:
            return State(None, latest.phase if latest and latest.status is None else status)
        if latest:  # which may end a moment after Batch has said so
            return latest
        if status == _SUCCEEDED:
            return State(Status.COMPLETED, status, exit_code=0)
        return State(Status.STOPPED if summary.get("isTerminated") else Status.FAILED, status, reason)


def _training_job(summary: Mapping[str, Any]) -> str:
    """The id of the latest attempt's training job; empty before the first. Its name is the service's to choose."""
    arn = str(summary.get("latestAttempt", {}).get("serviceResourceId", {}).get("value", ""))
    return f"training/{arn.rpartition('/')[2]}" if "/" in arn else ""
