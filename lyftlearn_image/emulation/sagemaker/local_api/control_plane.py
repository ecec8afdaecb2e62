"""SageMaker's control plane on this machine: its API over HTTP, whose jobs the emulator runs.

Any client of the API works against it (boto3, the AWS CLI, the SDK): set AWS_ENDPOINT_URL_SAGEMAKER. It answers Create,
Describe, Stop and List of training, processing and tuning jobs, with a `Hosting` also those of transform jobs and the
actions of models and endpoints, with a `Studio` those of Studio's apps; every other action is refused by name.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Protocol

from lyftlearn_image.emulation.aws.endpoint import PROXY_TOKEN_HEADER, is_from_proxy
from lyftlearn_image.emulation.sagemaker.local_api.errors import ServiceError
from lyftlearn_image.emulation.sagemaker.local_api.record import Record
from lyftlearn_image.emulation.told_errors import HttpServer
from lyftlearn_image.errors import LyftlearnError
from lyftlearn_image.platforms.sagemaker import job_kinds
from lyftlearn_image.platforms.sagemaker.api_model import validate_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lyftlearn_image.emulation.sagemaker.job_plan import Account
    from lyftlearn_image.emulation.sagemaker.local_api.hosting import Hosting
    from lyftlearn_image.emulation.sagemaker.local_api.studio import Studio
    from lyftlearn_image.platforms.sagemaker.job_kinds import Kind

_PAGE = 100
_KINDS = tuple(kind for kind in job_kinds.KINDS if kind.name in {"training", "processing", "tuning"})
_TERMINAL = ("Completed", "Failed", "Stopped")


class JobRunner(Protocol):
    """Runs a job, in a thread of its own."""

    def __call__(self, record: Record, update: Callable[..., None]) -> None:
        """Runs to the end; `update(**fields)` changes the answer to Describe, such as the status."""


class ControlPlane:
    """The jobs, and what happens to them. `publish` gets the kind and the detail of an event at every change."""

    def __init__(
        self,
        run_job: JobRunner,
        account: Account,
        publish: Callable[[Kind, Mapping[str, Any]], None] = lambda _kind, _detail: None,
        *,
        hosting: Hosting | None = None,
        studio: Studio | None = None,
    ) -> None:
        self._run_job = run_job
        self._handlers = tuple(handler for handler in (hosting, studio) if handler)
        self._kinds = (*_KINDS, *(kind for kind in job_kinds.KINDS if hosting and kind.name == "transform"))
        self._account = account
        self._publish = publish
        self._records: dict[str, Record] = {}
        self._lock = threading.Lock()

    def handle(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The service's answer. Raises ServiceError with the service's code."""
        for handler in self._handlers:
            if (response := handler.handle(action, request)) is not None:
                return response
        for kind in self._kinds:
            for verb, method in (("Create", self._create), ("Describe", self._describe), ("Stop", self._stop)):
                if action == verb + kind.stem:
                    return method(kind, request)
            if action == f"List{kind.stem}s":
                return self._list(kind, request)
        if action == "ListTrainingJobsForHyperParameterTuningJob":
            with self._lock:
                record = self._get(job_kinds.kind_for_action("CreateHyperParameterTuningJob"), request)
            return {"TrainingJobSummaries": list(record.trials)}
        raise ServiceError("UnknownOperationException", f"{action} is not in this local control plane")

    def request_stop(self) -> None:
        """Asks every job, endpoint and app to end."""
        for record in tuple(self._records.values()):
            record.stop.set()
        for handler in self._handlers:
            handler.resources.stop_all()

    def is_busy(self) -> bool:
        """Whether anything still runs."""
        threads = [record.thread for record in tuple(self._records.values())]
        has_running = any(handler.resources.has_running() for handler in self._handlers)
        return has_running or any(thread is not None and thread.is_alive() for thread in threads)

    def close(self) -> None:
        """As `request_stop`; endpoints and apps have ended afterwards, jobs end in their own time."""
        self.request_stop()
        for handler in self._handlers:
            handler.resources.join()

    def _create(self, kind: Kind, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            validate_request(kind.action, request)
        except LyftlearnError as error:
            raise ServiceError("ValidationException", str(error)) from None
        name = request[kind.name_field]
        now = time.time()
        arn = self._account.arn(kind.resource, name)
        description = {
            **request, f"{kind.stem}Arn": arn, kind.status_field: "InProgress",
            "CreationTime": now, "LastModifiedTime": now,
        }  # fmt: skip
        if kind.name == "training":
            description["SecondaryStatus"] = "Starting"
        record = Record(kind, request, description)
        record.thread = threading.Thread(target=self._run, args=(record,), daemon=True)
        with self._lock:
            if self._key(kind, name) in self._records:
                raise ServiceError("ResourceInUse", f"{kind.stem} names must be unique within an AWS account and region")
            self._records[self._key(kind, name)] = record
        record.thread.start()
        return {f"{kind.stem}Arn": arn}

    def _run(self, record: Record) -> None:
        def update(**fields: Any) -> None:
            with self._lock:
                record.description.update(fields, LastModifiedTime=time.time())
                detail = dict(record.description)
            self._publish(record.kind, detail)

        try:
            self._run_job(record, update)
        except Exception as error:  # noqa: BLE001 - a job whose thread has ended must not seem to run for ever
            what = error.what if isinstance(error, LyftlearnError) else type(error).__name__
            with contextlib.suppress(Exception):  # where its event goes to may be what has failed
                update(**{record.kind.status_field: "Failed", "FailureReason": f"InternalServerError: {what}"})

    def _describe(self, kind: Kind, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            return dict(self._get(kind, request).description)

    def _stop(self, kind: Kind, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            record = self._get(kind, request)
            if record.description[kind.status_field] in _TERMINAL:
                raise ServiceError("ValidationException", f"the job {request[kind.name_field]} has ended")
            record.description[kind.status_field] = "Stopping"
        record.stop.set()
        return {}

    def _list(self, kind: Kind, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            jobs = [dict(record.description) for record in self._records.values() if record.kind is kind]
        jobs.sort(key=lambda job: job["CreationTime"], reverse=request.get("SortOrder", "Descending") == "Descending")
        status, part = request.get("StatusEquals"), request.get("NameContains", "")
        jobs = [job for job in jobs if (not status or job[kind.status_field] == status) and part in job[kind.name_field]]
        start, page = int(request.get("NextToken", 0)), int(request.get("MaxResults", _PAGE))
        fields = (kind.name_field, f"{kind.stem}Arn", kind.status_field, "CreationTime", "LastModifiedTime")
        response: dict[str, Any] = {
            f"{kind.stem}Summaries": [{name: job[name] for name in fields} for job in jobs[start : start + page]]
        }
        return {**response, "NextToken": str(start + page)} if start + page < len(jobs) else response

    def _get(self, kind: Kind, request: Mapping[str, Any]) -> Record:
        record = self._records.get(self._key(kind, request.get(kind.name_field, "")))
        if record is None:
            # Training jobs alone have a code of their own for it (seen in the service's answers).
            code = "ValidationException" if kind.name == "training" else "ResourceNotFound"
            raise ServiceError(code, "Requested resource not found.")
        return record

    @staticmethod
    def _key(kind: Kind, name: str) -> str:
        return f"{kind.name}/{name}"


@contextlib.contextmanager
def serve(plane: ControlPlane, proxy_token: str = "") -> Iterator[str]:
    """The URL at which `plane` answers; its jobs are asked to stop at the end.

    With a token it answers the AWS endpoint alone, which has verified who asks.
    """

    class Handler(_Handler):
        """Of this control plane."""

        control_plane = plane
        token = proxy_token

    server = HttpServer((_LOOPBACK, 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(_POLL_S,), daemon=True)
    thread.start()
    try:
        yield f"http://{_LOOPBACK}:{server.server_port}"
    finally:
        plane.close()
        server.shutdown()
        server.server_close()


_POLL_S = 0.05
_LOOPBACK = "127.0.0.1"


class _Handler(BaseHTTPRequestHandler):
    """JSON 1.1, as botocore speaks it: the action is in a header."""

    protocol_version = "HTTP/1.1"
    # The head and the body go out apart: without this the second one waits 40 ms for the client's acknowledgement.
    disable_nagle_algorithm = True
    control_plane: ControlPlane
    token = ""

    def do_POST(self) -> None:
        """One action."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        action = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        try:
            self._check_sender()
            status, document = 200, self.control_plane.handle(action, _request(body))
        except ServiceError as error:
            status, document = 400, {"__type": error.code, "message": error.message}
        except Exception as error:  # noqa: BLE001 - the client is told, and nobody reads a traceback of this thread
            what = error.what if isinstance(error, LyftlearnError) else type(error).__name__
            status, document = 500, {"__type": "InternalFailure", "message": what}
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        with contextlib.suppress(ConnectionError):  # the client has gone
            self.end_headers()
            self.wfile.write(data)

    def _check_sender(self) -> None:
        if not is_from_proxy(self.headers.get(PROXY_TOKEN_HEADER, ""), self.token):
            raise ServiceError("AccessDeniedException", "the request did not come by the AWS endpoint")

    def log_message(self, *_: Any) -> None:
        """Logs nothing: the process of the AWS endpoint logs every request."""


def _request(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ServiceError("SerializationException", "the body of the request is no JSON object")
    return document
