"""SageMaker's control plane on this machine: its API over HTTP, whose jobs the emulator runs.

Any client of the API works against it (boto3, the AWS CLI, the SDK): set AWS_ENDPOINT_URL_SAGEMAKER. It answers Create,
Describe, Stop and List of training, processing and tuning jobs, with a `Hosting` also those of transform jobs and the
actions of models and endpoints; every other action is refused by name.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Protocol

from lyftlearn_image.emulation.sagemaker.local_api.errors import ServiceError
from lyftlearn_image.emulation.sagemaker.local_api.record import Record
from lyftlearn_image.errors import LyftlearnError
from lyftlearn_image.platforms.sagemaker import job_kinds
from lyftlearn_image.platforms.sagemaker.api_model import validate_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lyftlearn_image.emulation.sagemaker.job_plan import Account
    from lyftlearn_image.emulation.sagemaker.local_api.hosting import Hosting
    from lyftlearn_image.platforms.sagemaker.job_kinds import Kind

_PAGE = 100
_KINDS = tuple(kind for kind in job_kinds.KINDS if kind.name in {"training", "processing", "tuning"})
_TERMINAL = ("Completed", "Failed", "Stopped")


class Runner(Protocol):
    """Carries a job out in a thread of its own."""

    def __call__(self, record: Record, tell: Callable[..., None]) -> None:
        """Runs to the end; `tell(**fields)` changes what the service says, such as its status."""


class ControlPlane:
    """The jobs, and what happens to them. `publish` gets the kind and the detail of an event at every change."""

    def __init__(
        self,
        run: Runner,
        account: Account,
        publish: Callable[[Kind, Mapping[str, Any]], None] = lambda _kind, _told: None,
        hosting: Hosting | None = None,
    ) -> None:
        self._run = run
        self._hosting = hosting
        self._kinds = (*_KINDS, *(kind for kind in job_kinds.KINDS if hosting and kind.name == "transform"))
        self._account = account
        self._publish = publish
        self._records: dict[str, Record] = {}
        self._lock = threading.Lock()

    def answer(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """What the service answers. Raises ServiceError with its own code."""
        if self._hosting and (found := self._hosting.answer(action, request)) is not None:
            return found
        for kind in self._kinds:
            for verb, does in (("Create", self._create), ("Describe", self._describe), ("Stop", self._stop)):
                if action == verb + kind.stem:
                    return does(kind, request)
            if action == f"List{kind.stem}s":
                return self._list(kind, request)
        if action == "ListTrainingJobsForHyperParameterTuningJob":
            with self._lock:
                record = self._found(job_kinds.kind_for_action("CreateHyperParameterTuningJob"), request)
            return {"TrainingJobSummaries": list(record.trials)}
        raise ServiceError("UnknownOperationException", f"{action} is not in this local control plane")

    def close(self) -> None:
        """Asks every job to stop."""
        for record in self._records.values():
            record.stop.set()
        if self._hosting:
            self._hosting.close()

    def _create(self, kind: Kind, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            validate_request(kind.action, request)
        except LyftlearnError as error:
            raise ServiceError("ValidationException", str(error)) from None
        name = request[kind.name_field]
        now = time.time()
        arn = self._account.arn(kind.resource, name)
        told = {
            **request, f"{kind.stem}Arn": arn, kind.status_field: "InProgress",
            "CreationTime": now, "LastModifiedTime": now,
        }  # fmt: skip
        if kind.name == "training":
            told["SecondaryStatus"] = "Starting"
        record = Record(kind, request, told)
        with self._lock:
            if self._key(kind, name) in self._records:
                raise ServiceError("ResourceInUse", f"{kind.stem} names must be unique within an AWS account and region")
            self._records[self._key(kind, name)] = record
        threading.Thread(target=self._carry_out, args=(record,), daemon=True).start()
        return {f"{kind.stem}Arn": arn}

    def _carry_out(self, record: Record) -> None:
        def tell(**fields: Any) -> None:
            with self._lock:
                record.told.update(fields, LastModifiedTime=time.time())
                told = dict(record.told)
            self._publish(record.kind, told)

        try:
            self._run(record, tell)
        except Exception as error:  # noqa: BLE001 - a job whose hands are gone must not seem to run for ever
            what = error.what if isinstance(error, LyftlearnError) else type(error).__name__
            tell(**{record.kind.status_field: "Failed", "FailureReason": f"InternalServerError: {what}"})

    def _describe(self, kind: Kind, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            return dict(self._found(kind, request).told)

    def _stop(self, kind: Kind, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            record = self._found(kind, request)
            if record.told[kind.status_field] in _TERMINAL:
                raise ServiceError("ValidationException", f"the job {request[kind.name_field]} has ended")
            record.told[kind.status_field] = "Stopping"
        record.stop.set()
        return {}

    def _list(self, kind: Kind, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            found = [dict(one.told) for one in self._records.values() if one.kind is kind]
        found.sort(key=lambda told: told["CreationTime"], reverse=request.get("SortOrder", "Descending") == "Descending")
        wanted, named = request.get("StatusEquals"), request.get("NameContains", "")
        found = [told for told in found if (not wanted or told[kind.status_field] == wanted) and named in told[kind.name_field]]
        start, most = int(request.get("NextToken", 0)), int(request.get("MaxResults", _PAGE))
        fields = (kind.name_field, f"{kind.stem}Arn", kind.status_field, "CreationTime", "LastModifiedTime")
        answer: dict[str, Any] = {
            f"{kind.stem}Summaries": [{name: told[name] for name in fields} for told in found[start : start + most]]
        }
        return {**answer, "NextToken": str(start + most)} if start + most < len(found) else answer

    def _found(self, kind: Kind, request: Mapping[str, Any]) -> Record:
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
def serve(plane: ControlPlane, host: str = "127.0.0.1") -> Iterator[str]:
    """The URL at which `plane` answers; its jobs are asked to stop at the end."""

    class Handler(BaseHTTPRequestHandler):
        """JSON 1.1, as botocore speaks it: the action is in a header."""

        protocol_version = "HTTP/1.1"
        # The head and the body go out apart: without this the second one waits 40 ms for the client's acknowledgement.
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            """One action."""
            length = int(self.headers.get("Content-Length", 0))
            action = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
            try:
                status, answer = 200, plane.answer(action, json.loads(self.rfile.read(length) or b"{}"))
            except ServiceError as error:
                status, answer = 400, {"__type": error.code, "message": error.message}
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Says nothing: a request is no event of the user's."""

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        plane.close()
        server.shutdown()
        server.server_close()
