"""The local API over HTTP, as botocore speaks it: JSON 1.1, the action in a header."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.aws.endpoint import PROXY_TOKEN_HEADER, is_from_proxy
from lyftlearn_image.emulation.aws.loopback import serve_at_loopback
from lyftlearn_image.emulation.aws.wsgi_server import ADMIT, HEADERS
from lyftlearn_image.emulation.sagemaker.local_api.errors import ServiceError
from lyftlearn_image.errors import LyftlearnError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

    from lyftlearn_image.emulation.sagemaker.local_api.control_plane import ControlPlane

# Ours. The longest request of botocore's model has 100 hyperparameters and as many channels and variables: below 1 MiB.
_MAX_REQUEST_BYTES = 16 << 20
_CHUNK_BYTES = 1 << 20


@contextlib.contextmanager
def serve(plane: ControlPlane, proxy_token: str = "") -> Iterator[str]:
    """The URL at which `plane` answers; its jobs are asked to stop at the end.

    With a token it answers the AWS endpoint alone, which has verified who asks.
    """
    with serve_at_loopback(_Application(plane, proxy_token)) as url:
        try:
            yield url
        finally:
            plane.close()


@dataclass(frozen=True)
class _Application:
    """Answers one action a request."""

    plane: ControlPlane
    token: str

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, document = self._answer(environ)
        data = json.dumps(document).encode()
        start_response(status, [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(data)))])
        return [data]

    def _answer(self, environ: WSGIEnvironment) -> tuple[str, dict[str, Any]]:
        try:
            self._check_sender(environ)
            request = _document(environ)
            return "200 OK", self._handle(environ[HEADERS].get("x-amz-target", "").rpartition(".")[2], request)
        except ServiceError as error:
            return "400 Bad Request", {"__type": error.code, "message": error.message}
        except _InternalError as error:
            return "500 Internal Server Error", {"__type": "InternalFailure", "message": str(error)}

    def _check_sender(self, environ: WSGIEnvironment) -> None:
        if not is_from_proxy(environ[HEADERS].get(PROXY_TOKEN_HEADER.lower(), ""), self.token):
            raise ServiceError("AccessDeniedException", "the request did not come by the AWS endpoint")
        environ[ADMIT]()

    def _handle(self, action: str, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.plane.handle(action, request)
        except ServiceError:
            raise
        except Exception as error:  # whatever it is, the client is told, and nobody reads a traceback of this thread
            raise _InternalError(error.what if isinstance(error, LyftlearnError) else type(error).__name__) from error


class _InternalError(Exception):
    """Of ours, in words for the client."""


def _document(environ: WSGIEnvironment) -> dict[str, Any]:
    body = bytearray()
    while piece := environ["wsgi.input"].read(_CHUNK_BYTES):
        body += piece
        if len(body) > _MAX_REQUEST_BYTES:
            raise ServiceError("RequestEntityTooLargeException", f"a request has at most {_MAX_REQUEST_BYTES} bytes")
    try:
        document = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ServiceError("SerializationException", "the body of the request is no JSON object")
    return document
