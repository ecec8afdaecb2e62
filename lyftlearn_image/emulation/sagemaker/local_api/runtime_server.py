"""SageMaker's runtime over HTTP, in front of emulated endpoints.

Any client of the API works against it (boto3's `sagemaker-runtime`, the AWS CLI): set AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME.
Source: botocore's model of sagemaker-runtime.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import re
import threading
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lyftlearn_image.emulation.aws.endpoint import PROXY_TOKEN_HEADER, is_from_proxy
from lyftlearn_image.emulation.sagemaker.local_api import event_stream
from lyftlearn_image.emulation.sagemaker.local_api.runtime import InvocationError, Runtime, stream_events
from lyftlearn_image.emulation.sagemaker.serving import endpoint as endpoints
from lyftlearn_image.emulation.sagemaker.serving.endpoint import EndpointSpec
from lyftlearn_image.emulation.told_errors import HttpServer
from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.sagemaker.context import Context
    from lyftlearn_image.platforms.launch import Compiled

_LOOPBACK = "127.0.0.1"
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

    class Handler(_Handler):
        """Of this runtime."""

        endpoint_runtime = runtime
        token = proxy_token

    server = HttpServer((_LOOPBACK, 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://{_LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@functools.cache
def payload_bytes() -> int:
    """The longest body of InvokeEndpoint, from botocore's model (BodyBlob)."""
    import botocore.loaders  # noqa: PLC0415 - 200 ms, for the verbs that run

    model: Any = botocore.loaders.Loader().load_service_model("sagemaker-runtime", "service-2")
    return int(model["shapes"]["BodyBlob"]["max"])


class _Handler(BaseHTTPRequestHandler):
    """REST-JSON, as botocore speaks it: POST /endpoints/NAME/invocations and its two siblings."""

    protocol_version = "HTTP/1.1"
    # The head and the body go out apart: without this the second one waits 40 ms for the client's acknowledgement.
    disable_nagle_algorithm = True
    endpoint_runtime: Runtime
    token = ""

    def do_POST(self) -> None:
        """One invocation."""
        try:
            name, how, body = *self._target(), self._body()
            self._check_sender()
            answer = {"invocations": self._invoke, "async-invocations": self._queue}.get(how, self._stream)
            answer(name, body, dict(self.headers.items()))
        except InvocationError as error:
            code = {"x-amzn-ErrorType": error.code} if error.code else {}
            self._send(error.status, json.dumps(error.body).encode(), {"Content-Type": "application/json", **code})

    def _invoke(self, name: str, body: bytes, sent: Mapping[str, str]) -> None:
        response, variant = self.endpoint_runtime.invoke(name, body, sent)
        headers = {header: response.headers[header.lower()] for header in _TO_CLIENT if header.lower() in response.headers}
        self._send(200, response.body, {**headers, _INVOKED_VARIANT: variant})

    def _queue(self, name: str, body: bytes, sent: Mapping[str, str]) -> None:
        places, inference_id = self.endpoint_runtime.invoke_async(name, body, sent)
        headers = {
            "Content-Type": "application/json",
            "X-Amzn-SageMaker-OutputLocation": places.output_uri,
            "X-Amzn-SageMaker-FailureLocation": places.failure_uri,
        }
        answer = json.dumps({"InferenceId": inference_id}).encode()
        self._send(202, answer, {header: value for header, value in headers.items() if value})

    def _stream(self, name: str, body: bytes, sent: Mapping[str, str]) -> None:
        with self.endpoint_runtime.stream(name, body, sent) as (response, variant):
            told = {"X-Amzn-SageMaker-Content-Type": "content-type", _ATTRIBUTES: _ATTRIBUTES.lower()}
            headers = {header: response.headers[of] for header, of in told.items() if of in response.headers}
            self.send_response(200)
            for header, value in {**headers, _INVOKED_VARIANT: variant, "Content-Type": event_stream.CONTENT_TYPE}.items():
                self.send_header(header, value)
            self.send_header("Transfer-Encoding", "chunked")
            with contextlib.suppress(ConnectionError):  # the client has gone
                self.end_headers()
                for message in itertools.chain(stream_events(response), [b""]):
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(message), message))

    def _check_sender(self) -> None:
        if not is_from_proxy(self.headers.get(PROXY_TOKEN_HEADER, ""), self.token):
            raise InvocationError(403, "AccessDeniedException", "the request did not come by the AWS endpoint")

    def _target(self) -> tuple[str, str]:
        match = _PATH.fullmatch(self.path)
        if match is None:
            self.close_connection = True
            raise InvocationError(404, "UnknownOperationException", f"{self.path} is not in this local runtime")
        return unquote(match["name"]), match["how"]

    def _body(self) -> bytes:
        size = int(self.headers.get("Content-Length", 0))
        if size > payload_bytes():
            # A client that is refused in the middle of its body reads the answer only once it may write on.
            left = min(size, _MOST_DISCARDED)
            while left > 0 and (piece := self.rfile.read(min(left, _CHUNK_BYTES))):
                left -= len(piece)
            self.close_connection = True
            # The words of aws/amazon-sagemaker-examples#245, which has a status and no code.
            raise InvocationError(413, "", f"HTTP content length exceeded {payload_bytes()} bytes.")
        return self.rfile.read(size)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        with contextlib.suppress(ConnectionError):  # the client has gone
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Logs nothing: the process of the AWS endpoint logs every request."""
