"""SageMaker's runtime over HTTP, in front of emulated endpoints.

Any client of the API works against it (boto3's `sagemaker-runtime`, the AWS CLI): set AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME.
Source: botocore's model of sagemaker-runtime.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lyftlearn_image.emulation.aws.endpoint import PROXY_TOKEN_HEADER, is_from_proxy
from lyftlearn_image.emulation.aws.loopback import serve_at_loopback
from lyftlearn_image.emulation.aws.wsgi_server import ADMIT, HEADERS
from lyftlearn_image.emulation.sagemaker.local_api import event_stream
from lyftlearn_image.emulation.sagemaker.local_api.runtime import InvocationError, Runtime, stream_events
from lyftlearn_image.emulation.sagemaker.serving import endpoint as endpoints
from lyftlearn_image.emulation.sagemaker.serving.endpoint import EndpointSpec
from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIEnvironment

    from lyftlearn_image.emulation.sagemaker.context import Context
    from lyftlearn_image.platforms.launch import Compiled

_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_TO_CLIENT = ("Content-Type", _ATTRIBUTES)
_INVOKED_VARIANT = "x-Amzn-Invoked-Production-Variant"
_MOST_DISCARDED = 64 << 20
_CHUNK_BYTES = 1 << 20
_PATH = re.compile(r"/endpoints/(?P<name>[^/]+)/(?P<how>invocations|invocations-response-stream|async-invocations)")


@contextlib.contextmanager
def serve_endpoint(
    context: Context, compiled: Compiled, workspace: Path, on_line: Callable[[str], None] | None = None
) -> Iterator[str]:
    """The URL at which a compiled endpoint is invoked while the block runs; its name is EndpointName of the request.

    Raises EndpointFailedError with the service's FailureReason when it does not come into service, UnsupportedError and
    InvalidInputError for what is not implemented or would be refused.
    """
    model, config, request = compiled.documents
    endpoints.validate(config, request)
    if missing := {variant["ModelName"] for variant in config["ProductionVariants"]} - {model.get("ModelName")}:
        raise InvalidInputError(f"there is no request for the model {', '.join(sorted(missing))}")
    runtime = Runtime(context.account, context.s3)
    spec = EndpointSpec(request["EndpointName"], config, {model["ModelName"]: model})
    with (
        endpoints.run_endpoint(context, spec, workspace, on_line=on_line) as endpoint,
        serve(runtime) as url,
    ):
        runtime.add(endpoint)
        yield url


@contextlib.contextmanager
def serve(runtime: Runtime, proxy_token: str = "") -> Iterator[str]:
    """The URL at which the runtime answers; with a token the AWS endpoint alone, which has verified who asks."""
    with serve_at_loopback(_Application(runtime, proxy_token)) as url:
        yield url


@functools.cache
def payload_bytes() -> int:
    """The longest body of InvokeEndpoint, from botocore's model (BodyBlob)."""
    import botocore.loaders  # noqa: PLC0415 - 200 ms, for the verbs that run

    model: Any = botocore.loaders.Loader().load_service_model("sagemaker-runtime", "service-2")
    return int(model["shapes"]["BodyBlob"]["max"])


@dataclass(frozen=True)
class _Application:
    """REST-JSON, as botocore speaks it: POST /endpoints/NAME/invocations and its two siblings."""

    runtime: Runtime
    token: str

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            self._check_sender(environ)
            name, how = _target(environ["RAW_URI"])
            body = _body(environ)
            answer = {"invocations": self._invoke, "async-invocations": self._queue}.get(how, self._stream)
            return answer(name, body, environ[HEADERS], start_response)
        except InvocationError as error:
            code = {"x-amzn-ErrorType": error.code} if error.code else {}
            content = json.dumps(error.body).encode()
            return _whole(start_response, error.status, content, {"Content-Type": "application/json", **code})

    def _check_sender(self, environ: WSGIEnvironment) -> None:
        if not is_from_proxy(environ[HEADERS].get(PROXY_TOKEN_HEADER.lower(), ""), self.token):
            raise InvocationError(403, "AccessDeniedException", "the request did not come by the AWS endpoint")
        environ[ADMIT]()

    def _invoke(self, name: str, body: bytes, sent: Mapping[str, str], start: StartResponse) -> Iterable[bytes]:
        response, variant = self.runtime.invoke(name, body, sent)
        headers = {header: response.headers[header.lower()] for header in _TO_CLIENT if header.lower() in response.headers}
        return _whole(start, 200, response.body, {**headers, _INVOKED_VARIANT: variant})

    def _queue(self, name: str, body: bytes, sent: Mapping[str, str], start: StartResponse) -> Iterable[bytes]:
        places, inference_id = self.runtime.invoke_async(name, body, sent)
        headers = {
            "Content-Type": "application/json",
            "X-Amzn-SageMaker-OutputLocation": places.output_uri,
            "X-Amzn-SageMaker-FailureLocation": places.failure_uri,
        }
        answer = json.dumps({"InferenceId": inference_id}).encode()
        return _whole(start, 202, answer, {header: value for header, value in headers.items() if value})

    def _stream(self, name: str, body: bytes, sent: Mapping[str, str], start: StartResponse) -> Iterable[bytes]:
        stack = contextlib.ExitStack()
        response, variant = stack.enter_context(self.runtime.stream(name, body, sent))
        told = {"X-Amzn-SageMaker-Content-Type": "content-type", _ATTRIBUTES: _ATTRIBUTES.lower()}
        headers = {header: response.headers[of] for header, of in told.items() if of in response.headers}
        _start(start, 200, {**headers, _INVOKED_VARIANT: variant, "Content-Type": event_stream.CONTENT_TYPE})
        return _Pieces(stream_events(response), stack.close)


@dataclass(frozen=True)
class _Pieces:
    """An answer in pieces; what it was read from is closed behind it, also where the client left before."""

    pieces: Iterator[bytes]
    close: Callable[[], None]

    def __iter__(self) -> Iterator[bytes]:
        return self.pieces


def _target(uri: str) -> tuple[str, str]:
    match = _PATH.fullmatch(uri)
    if match is None:
        raise InvocationError(404, "UnknownOperationException", f"{uri} is not in this local runtime")
    return unquote(match["name"]), match["how"]


def _body(environ: WSGIEnvironment) -> bytes:
    body, size = bytearray(), 0
    while size <= _MOST_DISCARDED and (piece := environ["wsgi.input"].read(_CHUNK_BYTES)):
        size += len(piece)
        if size <= payload_bytes():
            body += piece
    if size > payload_bytes():  # read on, for a client that is refused in its body reads the answer only behind it
        # The words of aws/amazon-sagemaker-examples#245, which has a status and no code.
        raise InvocationError(413, "", f"HTTP content length exceeded {payload_bytes()} bytes.")
    return bytes(body)


def _whole(start: StartResponse, status: int, body: bytes, headers: Mapping[str, str]) -> Iterable[bytes]:
    _start(start, status, {**headers, "Content-Length": str(len(body))})
    return [body]


def _start(start: StartResponse, status: int, headers: Mapping[str, str]) -> None:
    start(f"{status} {http.client.responses.get(status, '')}", list(headers.items()))
