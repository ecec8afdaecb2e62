"""SageMaker's runtime on this machine: emulated endpoints, invoked at once, as a stream, or by a queue; see `runtime_server`.

Source: botocore's model of sagemaker-runtime; the words of its errors are the service's, as seen in the threads beside it.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker.local_api import event_stream
from lyftlearn_image.emulation.sagemaker.local_api.async_invocations import AsyncQueue, Order
from lyftlearn_image.emulation.sagemaker.serving.http_client import NoResponseError
from lyftlearn_image.emulation.sagemaker.serving.model import ModelDataError
from lyftlearn_image.emulation.sagemaker.serving.model_server import INVOCATIONS
from lyftlearn_image.emulation.sagemaker.serving.multi_model import LoadRefusedError, MultiModelServer, NoSuchModelError
from lyftlearn_image.errors import LyftlearnError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.sagemaker.job_plan import Account
    from lyftlearn_image.emulation.sagemaker.local_api.async_invocations import Places
    from lyftlearn_image.emulation.sagemaker.serving.endpoint import Endpoint
    from lyftlearn_image.emulation.sagemaker.serving.http_client import HttpResponse, StreamedResponse
    from lyftlearn_image.emulation.sagemaker.serving.model_server import ModelServer

# "A customer's model containers must respond to requests within 60 seconds" (API reference, InvokeEndpoint).
INVOCATION_TIMEOUT_S = 60.0
# "8 minutes for streaming responses" (developer guide, realtime-endpoints).
STREAM_TIMEOUT_S = 480.0
_PREFIX = "x-amzn-sagemaker-"
# "SageMaker strips all POST headers except those supported by the API" (as above): what a container gets, by what stands for
# it in a request. InvokeEndpoint has HTTP's own two, the others theirs.
_ALWAYS = {
    f"{_PREFIX}custom-attributes": "X-Amzn-SageMaker-Custom-Attributes",
    f"{_PREFIX}inference-id": "X-Amzn-SageMaker-Inference-Id",
}
_AT_ONCE = {**_ALWAYS, "content-type": "Content-Type", "accept": "Accept"}
_STREAMED = {**_ALWAYS, "content-type": "Content-Type", f"{_PREFIX}accept": "Accept"}
_QUEUED = {**_ALWAYS, f"{_PREFIX}content-type": "Content-Type", f"{_PREFIX}accept": "Accept"}
_TARGET_VARIANT = f"{_PREFIX}target-variant"
_TARGET_MODEL = f"{_PREFIX}target-model"
# Headers of features that are not here: to leave one out would be another answer than the service's.
_REFUSED = (
    "Target-Container-Hostname", "Enable-Explanations", "Inference-Component", "Session-Id", "Prefix-Aware-Id",
    "S3OutputPathExtension", "Filename",
)  # fmt: skip
# aws-samples/host-yolov8-on-sagemaker-endpoint#21.
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. "
    "Review the latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)
# InvokeEndpointAsync takes as much in its own body ("The maximum size is 128,000 bytes", API reference).
_MAX_INLINE_BYTES = 128_000
# A field of an Order, the header that says it, and the least and most seconds (botocore's model, InvokeEndpointAsync).
_LIMITS = (("ttl_s", "RequestTTLSeconds", 60, 21_600), ("timeout_s", "InvocationTimeoutSeconds", 1, 3600))


class InvocationError(Exception):
    """An error of the API: HTTP status, code (empty: it has none) and further fields of its body."""

    def __init__(self, status: int, code: str, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.body = {"Message": message, **fields}


def invalid(message: str) -> InvocationError:
    """A request that is refused, in the runtime's way."""
    return InvocationError(400, "ValidationError", message)


@dataclass(frozen=True)
class _InService:
    """An endpoint, and its queue where it has one: it is asked through that alone."""

    endpoint: Endpoint
    queue: AsyncQueue | None = None


@dataclass(frozen=True)
class Target:
    """Which variant, and which model of a multi-model endpoint, a request is for."""

    variant: str | None = None
    model: str | None = None

    @classmethod
    def of(cls, sent: Mapping[str, str]) -> Target:
        """That of a request's headers."""
        return cls(sent.get(_TARGET_VARIANT), sent.get(_TARGET_MODEL))


class Runtime:
    """The endpoints in service, by name."""

    def __init__(self, account: Account, s3: S3Client) -> None:
        self._account = account
        self._s3 = s3
        self._in_service: dict[str, _InService] = {}
        self._lock = threading.Lock()

    def add(self, endpoint: Endpoint, async_config: Mapping[str, Any] | None = None) -> None:
        """From now on the endpoint is invoked by its name, with an AsyncInferenceConfig by a queue.

        What waits in the queue of one that it replaces is asked of it.
        """
        name, queue = endpoint.name, None
        if async_config is not None:

            def ask(body: bytes, headers: Mapping[str, str], timeout_s: float) -> HttpResponse:
                return self._ask(self._find(name).endpoint, body, headers, timeout_s, Target())[0]

            count = sum(len(variant.instances) for variant in endpoint.variants)
            queue = AsyncQueue(self._s3, ask, async_config, count)
        with self._lock:
            replaced = self._in_service.get(name)
            self._in_service[name] = _InService(endpoint, queue)
        if replaced is not None and replaced.queue is not None:
            replaced.queue.finish()

    def remove(self, name: str) -> None:
        """From now on there is no such endpoint."""
        with self._lock:
            removed = self._in_service.pop(name, None)
        if removed is not None and removed.queue is not None:
            removed.queue.close()

    def invoke(self, name: str, body: bytes, headers: Mapping[str, str]) -> tuple[HttpResponse, str]:
        """The container's response, and the variant that gave it. Raises InvocationError."""
        sent, endpoint = self._begin(name, headers)
        return self._ask(endpoint, body, _forwarded(sent, _AT_ONCE), INVOCATION_TIMEOUT_S, Target.of(sent))

    @contextlib.contextmanager
    def stream(self, name: str, body: bytes, headers: Mapping[str, str]) -> Iterator[tuple[StreamedResponse, str]]:
        """As `invoke`, for a response that is read while it comes; see `stream_events`."""
        sent, endpoint = self._begin(name, headers)
        variant, server = self._choose(endpoint, sent.get(_TARGET_VARIANT))
        if isinstance(server, MultiModelServer):
            raise invalid(f"Endpoint {name} has several models: InvokeEndpointWithResponseStream has no TargetModel.")
        with contextlib.ExitStack() as stack:
            try:
                response = stack.enter_context(server.stream(body, _forwarded(sent, _STREAMED), STREAM_TIMEOUT_S))
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise self._model_error(name, response.status, b"".join(response.pieces))
            except (NoResponseError, TimeoutError):
                raise self._model_error(name, 0, _TIMED_OUT.encode()) from None
            yield response, variant

    def invoke_async(self, name: str, body: bytes, headers: Mapping[str, str]) -> tuple[Places, str]:
        """Where what comes of a queued request will be, and its InferenceId. Raises InvocationError."""
        sent = _lower(headers)
        queue = self._find(name).queue
        if queue is None:
            raise invalid(f"Endpoint {name} of account {self._account.number} is no asynchronous endpoint: it has no queue.")
        uri = sent.get(f"{_PREFIX}inputlocation", "")
        if bool(uri) == bool(body) or len(body) > _MAX_INLINE_BYTES:
            raise invalid(f"An asynchronous request has an InputLocation, or a Body of at most {_MAX_INLINE_BYTES} bytes.")
        if uri and not uri.startswith("s3://"):
            raise invalid("InputLocation is no URI of an object in S3.")
        inference_id = sent.get(f"{_PREFIX}inference-id") or str(uuid.uuid4())
        forwarded = {**_forwarded(sent, _QUEUED), "X-Amzn-SageMaker-Inference-Id": inference_id}
        return queue.put(Order(body, uri, forwarded, **limits_of(sent))), inference_id

    def _begin(self, name: str, headers: Mapping[str, str]) -> tuple[Mapping[str, str], Endpoint]:
        sent = _lower(headers)
        found = self._find(name)
        if found.queue is not None:
            raise invalid(f"Endpoint {name} of account {self._account.number} is asynchronous: use InvokeEndpointAsync.")
        return sent, found.endpoint

    def _find(self, name: str) -> _InService:
        with self._lock:
            found = self._in_service.get(name)
        if found is None:
            raise invalid(f"Endpoint {name} of account {self._account.number} not found.")
        return found

    @staticmethod
    def _choose(endpoint: Endpoint, target_variant: str | None) -> tuple[str, ModelServer]:
        try:
            chosen = endpoint.choose(target_variant)
        except LyftlearnError as error:
            raise invalid(error.what) from None
        if chosen is None:
            raise InvocationError(503, "ServiceUnavailable", f"No container of endpoint {endpoint.name} runs any more.")
        return chosen

    def _ask(
        self, endpoint: Endpoint, body: bytes, forwarded: Mapping[str, str], timeout_s: float, target: Target
    ) -> tuple[HttpResponse, str]:
        variant, server = self._choose(endpoint, target.variant)
        try:
            path = _path(endpoint.name, server, target.model)
            told = {**forwarded, "X-Amzn-SageMaker-Target-Model": target.model} if target.model else forwarded
            response = server.invoke(body, told, timeout_s, path=path)
        except LoadRefusedError as error:
            response = error.response
        except ModelDataError as error:
            raise invalid(str(error)) from None
        except NoResponseError:
            raise self._model_error(endpoint.name, 0, _TIMED_OUT.encode()) from None
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise self._model_error(endpoint.name, response.status, response.body)
        return response, variant

    def _model_error(self, name: str, status: int, body: bytes) -> InvocationError:
        """ModelError, with the words of aws/amazon-sagemaker-examples#4324 and #1809."""
        message = body.decode("utf-8", "replace")
        region, number = self._account.region, self._account.number
        side = "client" if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR else "server"
        group = f"/aws/sagemaker/Endpoints/{name}"
        console = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:group={group}"
        return InvocationError(
            424,
            "ModelError",
            f'Received {side} error ({status}) from primary with message "{message}". '
            f"See {console} in account {number} for more information.",
            OriginalStatusCode=status,
            OriginalMessage=message,
            LogStreamArn=f"arn:aws:logs:{region}:{number}:log-group:{group}",
        )


def stream_events(response: StreamedResponse) -> Iterator[bytes]:
    """The messages of an event stream with a container's response, while it comes; a broken one ends in ModelStreamError.

    Source: API reference, InvokeEndpointWithResponseStream, ModelStreamError and its two codes.
    """
    try:
        for piece in response.pieces:
            yield from event_stream.payload_parts(piece)
    except TimeoutError:
        told = {"Message": "The model did not finish its response in time.", "ErrorCode": "ModelInvocationTimeExceeded"}
        yield event_stream.exception("ModelStreamError", told)
    except NoResponseError:
        told = {"Message": "The connection to the model container broke.", "ErrorCode": "StreamBroken"}
        yield event_stream.exception("ModelStreamError", told)


def _path(name: str, server: ModelServer, target_model: str | None) -> str:
    """Where a model is invoked, which is loaded then.

    The words are those of aws/amazon-sagemaker-examples#1026 and aws/sagemaker-tensorflow-serving-container#166.
    """
    if not isinstance(server, MultiModelServer):
        if target_model is not None:
            raise invalid(f"Endpoint {name} is not a multi-model endpoint and does not support target model header.")
        return INVOCATIONS
    if target_model is None:
        raise invalid(f"Request {uuid.uuid4()} is missing a target model header, which endpoint {name} needs.")
    try:
        return server.path_of(target_model)
    except NoSuchModelError as error:
        raise invalid(str(error)) from None


def limits_of(sent: Mapping[str, str]) -> dict[str, float]:
    """How long a queued request may wait and take, where its headers (lower case) say so: fields of an Order.

    Raises InvocationError for what is no such time in seconds.
    """
    limits = {}
    for field, word, least_s, most_s in _LIMITS:
        text = sent.get(f"{_PREFIX}{word.lower()}")
        if text is None:
            continue
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(most_s)) and least_s <= int(text) <= most_s):
            raise invalid(f"{word} is {text[:20]!r}; expected a whole number of seconds from {least_s} to {most_s}.")
        limits[field] = float(text)
    return limits


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    sent = {key.lower(): value for key, value in headers.items()}
    if refused := [header for header in _REFUSED if f"{_PREFIX}{header.lower()}" in sent]:
        raise invalid(f"the embedded target does not implement X-Amzn-SageMaker-{', '.join(refused)}")
    return sent


def _forwarded(sent: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {told: sent[name] for name, told in names.items() if name in sent}
