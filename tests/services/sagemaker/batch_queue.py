"""A queue of AWS Batch before the local SageMaker: the four operations of service jobs, by botocore's own model of them.

What it answers is the model's, the status of a job follows the user guide's table ("Mapping AWS Batch service job status to
SageMaker AI status"), and every attempt is a training job of the local control plane, which runs in a real container.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.validate import ParamValidator

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT = "000000000000"
_MODEL = botocore.session.get_session().get_service_model("batch")
_BY_PATH = {
    _MODEL.operation_model(name).http["requestUri"]: _MODEL.operation_model(name)
    for name in ("SubmitServiceJob", "DescribeServiceJob", "ListServiceJobs", "TerminateServiceJob")
}
_RUNNING = {"Starting": "SCHEDULED", "Downloading": "STARTING"}


class _ClientError(Exception):
    """Batch's ClientException."""


@dataclass
class _Job:
    submitted: dict[str, Any]
    job_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    attempts: list[str] = field(default_factory=list)
    terminated: str = ""


class BatchQueue:
    """One queue, `name`. `open` lets jobs out of it; the attempts before the `failing`th fail, as without capacity."""

    def __init__(self, name: str, sagemaker: Any) -> None:
        self.name = name
        self.open = threading.Event()
        self.failing = 0
        self.jobs: list[_Job] = []
        self._sagemaker = sagemaker
        self._lock = threading.Lock()

    def answer(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request. Raises _ClientError for what Batch refuses."""
        with self._lock:
            return {
                "SubmitServiceJob": self._submit, "DescribeServiceJob": self._describe,
                "ListServiceJobs": self._list, "TerminateServiceJob": self._terminate,
            }[operation](request)  # fmt: skip

    def _submit(self, request: dict[str, Any]) -> dict[str, Any]:
        self._check(request["jobQueue"])
        token = request.get("clientToken")
        if token and any(job.submitted.get("clientToken") == token for job in self.jobs):
            raise _ClientError("a request with this clientToken has been received already")
        job = _Job(request)
        self.jobs.append(job)
        return {"jobArn": self._arn(job), "jobName": request["jobName"], "jobId": job.job_id}

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        self._check(request["jobQueue"])
        (by_name,) = request["filters"]
        assert by_name["name"] == "JOB_NAME"
        wanted = {value.lower() for value in by_name["values"]}
        found = [self._summary(job) for job in self.jobs if job.submitted["jobName"].lower() in wanted]
        # A page for each: nobody may rely on there being one.
        at = int(request.get("nextToken") or 0)
        more = {"nextToken": str(at + 1)} if at + 1 < len(found) else {}
        return {"jobSummaryList": found[at : at + 1], **more}

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        job = self._job(request["jobId"])
        return {**self._summary(job), "jobQueue": self.name, "startedAt": job.created_at}

    def _terminate(self, request: dict[str, Any]) -> dict[str, Any]:
        job = self._job(request["jobId"])
        job.terminated = request["reason"]
        if job.attempts:
            self._sagemaker.stop_training_job(TrainingJobName=job.attempts[-1])
        return {}

    def _job(self, job_id: str) -> _Job:
        return next(job for job in self.jobs if job.job_id == job_id)

    def _summary(self, job: _Job) -> dict[str, Any]:
        self._start(job)
        status, reason = self._status(job)
        summary: dict[str, Any] = {
            "jobArn": self._arn(job), "jobId": job.job_id, "jobName": job.submitted["jobName"], "createdAt": job.created_at,
            "serviceJobType": job.submitted["serviceJobType"], "status": status, "statusReason": reason,
        }  # fmt: skip
        if job.attempts:
            value = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/{job.attempts[-1]}"
            summary["latestAttempt"] = {"serviceResourceId": {"name": "TrainingJobArn", "value": value}}
        return {**summary, "isTerminated": True} if job.terminated else summary

    def _start(self, job: _Job) -> None:
        """The next attempt, where there is room for it and none that goes on."""
        is_first = not job.attempts
        has_failed = bool(job.attempts) and self._training(job)["TrainingJobStatus"] == "Failed"
        if not self.open.is_set() or job.terminated or not (is_first or (has_failed and len(job.attempts) <= self.failing)):
            return
        request = json.loads(job.submitted["serviceRequestPayload"])
        # The name of an attempt is the service's to choose.
        name = f"{request['TrainingJobName'][:50]}-{uuid.uuid4().hex[:8]}"
        if len(job.attempts) < self.failing:
            specification = {**request["AlgorithmSpecification"], "ContainerEntrypoint": ["sh", "-c", "echo no room; exit 9"]}
            specification.pop("ContainerArguments", None)
            request["AlgorithmSpecification"] = specification
        self._sagemaker.create_training_job(**{**request, "TrainingJobName": name})
        job.attempts.append(name)

    def _status(self, job: _Job) -> tuple[str, str]:
        if not job.attempts:
            return ("FAILED", job.terminated) if job.terminated else ("RUNNABLE", "")
        training = self._training(job)
        status = training["TrainingJobStatus"]
        if status == "Completed":
            return "SUCCEEDED", ""
        if status in {"Failed", "Stopped"}:
            is_last = job.terminated or len(job.attempts) > self.failing
            return "FAILED" if is_last else "RUNNABLE", str(training.get("FailureReason", ""))
        return _RUNNING.get(training["SecondaryStatus"], "RUNNING"), ""

    def _training(self, job: _Job) -> dict[str, Any]:
        description: dict[str, Any] = self._sagemaker.describe_training_job(TrainingJobName=job.attempts[-1])
        return description

    def _check(self, queue: str) -> None:
        if queue != self.name:
            raise _ClientError(f"JobQueue {queue} not found")

    def _arn(self, job: _Job) -> str:
        return f"arn:aws:batch:us-east-1:{ACCOUNT}:service-job/{job.job_id}"


@contextlib.contextmanager
def serve_queue(queue: BatchQueue) -> Iterator[str]:
    """Serves the queue on loopback; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            operation = _BY_PATH[self.path]
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers = 200, {}
            try:
                _validate(request, operation.input_shape)
                answer = queue.answer(operation.name, request)
                if operation.output_shape.members:
                    _validate(answer, operation.output_shape)
            except _ClientError as error:
                status, answer, headers = 400, {"message": str(error)}, {"x-amzn-ErrorType": "ClientException"}
            body = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing of it is for the test's output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _validate(document: dict[str, Any], shape: Any) -> None:
    report = ParamValidator().validate(document, shape)
    assert not report.has_errors(), report.generate_report()
