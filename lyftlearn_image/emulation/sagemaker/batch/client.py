"""Batch transform's own part: it sends an instance's share of the objects to the server there, and keeps the responses.

Sources: SageMaker developer guide, your-algorithms-batch-code (/execution-parameters) and batch-transform ("a transform job
continues to process input files even if it fails to process one"); API reference, CreateTransformJob and ModelClientConfig.
The lines of the log are the service's, as seen in aws/sagemaker-tensorflow-serving-container#93 and
aws/amazon-sagemaker-examples#1620.
"""

from __future__ import annotations

import concurrent.futures
import http
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker.batch import records
from lyftlearn_image.emulation.sagemaker.batch.association import parse_association
from lyftlearn_image.emulation.sagemaker.batch.records import RecordError
from lyftlearn_image.emulation.sagemaker.serving.http_client import NoResponseError
from lyftlearn_image.retry import Backoff, Clock, Waits

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from lyftlearn_image.emulation.sagemaker.batch.association import Association
    from lyftlearn_image.emulation.sagemaker.serving.model_server import ModelServer

# ModelClientConfig: "The default value is 3" retries; 600 seconds (API reference).
_TIMEOUT_S = 600
_RETRIES = 3
# How long the service waits before it asks again is not documented.
RETRIES = Backoff(first_s=0.5, longest_s=2.0, jitter=0.0)
# What neither the request nor /execution-parameters says (your-algorithms-batch-code).
_DEFAULTS = {"MaxConcurrentTransforms": 1, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}
# The API's spelling → the container's.
STRATEGIES = {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}
_API_STRATEGIES = {container: api for api, container in STRATEGIES.items()}
_SHOWN_CHARACTERS = 300
# The service's FailureReason (aws/deep-learning-containers#586): the data log has the rest.
ALGORITHM_ERROR = "AlgorithmError: See job logs for more information"
CLIENT_ERROR = "ClientError: See job logs for more information"


@dataclass(frozen=True)
class TransformSettings:
    """How objects become requests. `headers` go with each; they have the content type and accept of the request."""

    concurrency: int
    largest_mib: int
    strategy: str
    split: str
    assemble: str
    compression: str
    timeout_s: float
    retries: int
    headers: Mapping[str, str]
    association: Association | None = None

    def log_line(self) -> str:
        """The line with which the service's own log begins."""
        return (
            f"[sagemaker logs]: MaxConcurrentTransforms={self.concurrency}, MaxPayloadInMB={self.largest_mib}, "
            f"BatchStrategy={STRATEGIES[self.strategy]}"
        )


def resolve_settings(request: Mapping[str, Any], parameters: Mapping[str, Any]) -> TransformSettings:
    """The request's settings; what it leaves open is the container's (`parameters`), then the default."""
    fallbacks = {name: parameters.get(name, default) for name, default in _DEFAULTS.items()}
    source, output = request["TransformInput"], request["TransformOutput"]
    client = request.get("ModelClientConfig", {})
    headers = {"Content-Type": source.get("ContentType"), "Accept": output.get("Accept")}
    strategy = request.get("BatchStrategy") or _API_STRATEGIES.get(str(fallbacks["BatchStrategy"]), "MultiRecord")
    return TransformSettings(
        # "If MaxConcurrentTransforms is set to 0 or left unset, SageMaker checks the optional execution-parameters".
        concurrency=max(1, request.get("MaxConcurrentTransforms") or _whole_number(fallbacks, "MaxConcurrentTransforms")),
        largest_mib=request.get("MaxPayloadInMB", _whole_number(fallbacks, "MaxPayloadInMB")),
        strategy=strategy,
        split=source.get("SplitType", "None"),
        assemble=output.get("AssembleWith", "None"),
        compression=source.get("CompressionType", "None"),
        timeout_s=client.get("InvocationsTimeoutInSeconds", _TIMEOUT_S),
        retries=client.get("InvocationsMaxRetries", _RETRIES),
        headers={name: value for name, value in headers.items() if value},
        association=parse_association(request),
    )


def _whole_number(fallbacks: Mapping[str, Any], name: str) -> int:
    """A container's number, the default for what is none."""
    value = fallbacks[name]
    return value if isinstance(value, int) and value >= 0 else int(str(_DEFAULTS[name]))


class ObjectError(Exception):
    """An object that could not be transformed: the reason of the job, and the lines of its log."""

    def __init__(self, reason: str, *lines: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.lines = lines


class BatchClient:
    """Sends objects to one server. `log` gets the lines of the service's data log; `ended` ends all work."""

    def __init__(
        self, server: ModelServer, settings: TransformSettings, log: Callable[[str], None], ended: threading.Event
    ) -> None:
        self._server = server
        self._settings = settings
        self._log = log
        self._ended = ended

    def transform(self, files: Sequence[tuple[str, Path]], output: Path) -> str:
        """Writes `<name>.out` below `output` for each of the files; the job's FailureReason, "" when all went well.

        A file whose transformation fails has no output, and the others go on.
        """
        workers = self._settings.concurrency
        with (
            concurrent.futures.ThreadPoolExecutor(workers) as requests,
            concurrent.futures.ThreadPoolExecutor(workers) as objects,
        ):
            reasons = list(objects.map(lambda file: self._transform_object(file[0], file[1], output, requests), files))
        return next((reason for reason in reasons if reason), "")

    def _transform_object(self, name: str, path: Path, output: Path, requests: concurrent.futures.ThreadPoolExecutor) -> str:
        try:
            batches = self._batches(path.read_bytes())
            pending = [requests.submit(self._invoke, records.body(sent)) for _, sent in batches]
            try:
                responses = [self._stored(batch, future.result()) for (batch, _), future in zip(batches, pending, strict=True)]
            finally:
                for future in pending:
                    future.cancel()
        except (ObjectError, RecordError) as error:
            lines = error.lines if isinstance(error, ObjectError) else (f"ClientError: {error}",)
            for line in lines:
                self._log(f"[sagemaker logs]: {name}: {line}")
            return error.reason if isinstance(error, ObjectError) else CLIENT_ERROR
        written = output / f"{name}.out"
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_bytes(records.assemble(responses, self._settings.assemble))
        return ""

    def _batches(self, data: bytes) -> list[tuple[list[bytes], list[bytes]]]:
        """The object's records for each request, as they are and as they are sent."""
        settings = self._settings
        whole = records.split(records.decompress(data, settings.compression), settings.split)
        chosen = [settings.association.filter_record(record) for record in whole] if settings.association else whole
        batches, start = [], 0
        for sent in records.mini_batches(chosen, settings.strategy, settings.largest_mib):
            batches.append((whole[start : start + len(sent)], sent))
            start += len(sent)
        return batches

    def _stored(self, batch: Sequence[bytes], response: bytes) -> bytes:
        """What of a request's records and its response is stored."""
        association = self._settings.association
        if association is None:
            return response
        if self._settings.split == "Line":
            return association.join_lines(batch, response)
        return association.join(batch[0], response)

    def _invoke(self, body: bytes) -> bytes:
        """The server's response; one that is busy or broken is asked again, as often as the request says."""
        settings = self._settings
        failure = ObjectError(ALGORITHM_ERROR, "Unable to get response from algorithm")
        waits = Waits(RETRIES, Clock(sleep=self._ended.wait))
        for attempt in range(settings.retries + 1):
            if attempt:
                waits.sleep()
            if self._ended.is_set():
                break
            try:
                response = self._server.invoke(body, settings.headers, settings.timeout_s, is_chunked=not settings.largest_mib)
            except NoResponseError as error:
                failure = ObjectError(ALGORITHM_ERROR, f"Unable to get response from algorithm: {error}")
                continue
            if response.status < http.HTTPStatus.MULTIPLE_CHOICES:
                return response.body
            message = response.body.decode("utf-8", "replace")[:_SHOWN_CHARACTERS]
            if http.HTTPStatus.BAD_REQUEST <= response.status < http.HTTPStatus.INTERNAL_SERVER_ERROR:
                raise ObjectError(CLIENT_ERROR, f"ClientError: {response.status}", "", "Message:", message)
            line = f"Bad HTTP status received from algorithm: {response.status}"
            failure = ObjectError(ALGORITHM_ERROR, line, "", "Message:", message)
        raise failure
