"""SageMaker's runtime on this machine: InvokeEndpoint over HTTP, in front of emulated endpoints.

Any client of the API works against it (boto3's `sagemaker-runtime`, the AWS CLI): set AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME.
Source: botocore's model of sagemaker-runtime; the words of its errors are the service's, as seen in the threads beside it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lyftlearn_image.emulation.aws.endpoint import PROXY_TOKEN_HEADER, is_from_proxy
from lyftlearn_image.emulation.sagemaker.serving import endpoint as endpoints
from lyftlearn_image.emulation.sagemaker.serving.endpoint import EndpointSpec
from lyftlearn_image.emulation.sagemaker.serving.http_client import NoResponseError
from lyftlearn_image.emulation.told_errors import HttpServer
from lyftlearn_image.errors import InvalidInputError, LyftlearnError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.sagemaker.context import Context
    from lyftlearn_image.emulation.sagemaker.job_plan import Account
    from lyftlearn_image.emulation.sagemaker.serving.endpoint import Endpoint
    from lyftlearn_image.emulation.sagemaker.serving.http_client import HttpResponse
    from lyftlearn_image.platforms.launch import Compiled

_LOOPBACK = "127.0.0.1"
# "A customer's model containers must respond to requests within 60 seconds" (API reference, InvokeEndpoint).
INVOCATION_TIMEOUT_S = 60.0
# "SageMaker strips all POST headers except those supported by the API" (as above).
_TO_CONTAINER = (
    "Content-Type", "Accept", "X-Amzn-SageMaker-Custom-Attributes", "X-Amzn-SageMaker-Inference-Id",
)  # fmt: skip
_TO_CLIENT = ("Content-Type", "X-Amzn-SageMaker-Custom-Attributes")
_TARGET_VARIANT = "X-Amzn-SageMaker-Target-Variant"
_INVOKED_VARIANT = "x-Amzn-Invoked-Production-Variant"
# Headers of features that are not here: to leave one out would be another answer than the service's.
_REFUSED = (
    "Target-Model", "Target-Container-Hostname", "Enable-Explanations", "Inference-Component", "Session-Id", "Prefix-Aware-Id",
)  # fmt: skip
# aws-samples/host-yolov8-on-sagemaker-endpoint#21.
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. "
    "Review the latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)
_MOST_DISCARDED = 64 << 20
_CHUNK_BYTES = 1 << 20
_PATH = re.compile(r"/endpoints/(?P<name>[^/]+)/invocations")


class InvocationError(Exception):
    """An error of the API: HTTP status, code (empty: it has none) and further fields of its body."""

    def __init__(self, status: int, code: str, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.body = {"Message": message, **fields}


class Runtime:
    """The endpoints in service, by name."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._endpoints: dict[str, Endpoint] = {}
        self._lock = threading.Lock()

    def add(self, endpoint: Endpoint) -> None:
        """From now on the endpoint is invoked by its name."""
        with self._lock:
            self._endpoints[endpoint.name] = endpoint

    def remove(self, name: str) -> None:
        """From now on there is no such endpoint."""
        with self._lock:
            self._endpoints.pop(name, None)

    def invoke(self, name: str, body: bytes, headers: Mapping[str, str]) -> tuple[HttpResponse, str]:
        """The container's response, and the variant that gave it. Raises InvocationError."""
        sent = {key.lower(): value for key, value in headers.items()}
        if refused := [header for header in _REFUSED if f"x-amzn-sagemaker-{header.lower()}" in sent]:
            raise InvocationError(
                400, "ValidationError", f"the embedded target does not implement X-Amzn-SageMaker-{', '.join(refused)}"
            )
        with self._lock:
            endpoint = self._endpoints.get(name)
        if endpoint is None:
            raise InvocationError(400, "ValidationError", f"Endpoint {name} of account {self._account.number} not found.")
        try:
            chosen = endpoint.choose(sent.get(_TARGET_VARIANT.lower()))
        except LyftlearnError as error:
            raise InvocationError(400, "ValidationError", error.what) from None
        if chosen is None:
            raise InvocationError(503, "ServiceUnavailable", f"No container of endpoint {name} runs any more.")
        variant, server = chosen
        forwarded = {header: sent[header.lower()] for header in _TO_CONTAINER if header.lower() in sent}
        try:
            response = server.invoke(body, forwarded, INVOCATION_TIMEOUT_S)
        except NoResponseError:
            raise self._model_error(name, 0, _TIMED_OUT) from None
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise self._model_error(name, response.status, response.body.decode("utf-8", "replace"))
        return response, variant

    def _model_error(self, name: str, status: int, message: str) -> InvocationError:
        """ModelError, with the words of aws/amazon-sagemaker-examples#4324 and #1809."""
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
    runtime = Runtime(context.account)
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
    """REST-JSON, as botocore speaks it: POST /endpoints/NAME/invocations."""

    protocol_version = "HTTP/1.1"
    # The head and the body go out apart: without this the second one waits 40 ms for the client's acknowledgement.
    disable_nagle_algorithm = True
    endpoint_runtime: Runtime
    token = ""

    def do_POST(self) -> None:
        """One invocation."""
        try:
            name, body = self._endpoint_name(), self._body()
            self._check_sender()
            response, variant = self.endpoint_runtime.invoke(name, body, dict(self.headers.items()))
        except InvocationError as error:
            code = {"x-amzn-ErrorType": error.code} if error.code else {}
            self._send(error.status, json.dumps(error.body).encode(), {"Content-Type": "application/json", **code})
            return
        headers = {header: response.headers[header.lower()] for header in _TO_CLIENT if header.lower() in response.headers}
        self._send(200, response.body, {**headers, _INVOKED_VARIANT: variant})

    def _check_sender(self) -> None:
        if not is_from_proxy(self.headers.get(PROXY_TOKEN_HEADER, ""), self.token):
            raise InvocationError(403, "AccessDeniedException", "the request did not come by the AWS endpoint")

    def _endpoint_name(self) -> str:
        match = _PATH.fullmatch(self.path)
        if match is None:
            self.close_connection = True
            raise InvocationError(404, "UnknownOperationException", f"{self.path} is not in this local runtime")
        return unquote(match["name"])

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
