"""The local API over HTTP, as botocore speaks it: JSON 1.1, the action in a header."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.aws.endpoint import PROXY_TOKEN_HEADER, is_from_proxy
from lyftlearn_image.emulation.sagemaker.local_api.errors import ServiceError
from lyftlearn_image.emulation.told_errors import HttpServer
from lyftlearn_image.errors import LyftlearnError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.emulation.sagemaker.local_api.control_plane import ControlPlane

_POLL_S = 0.05
_LOOPBACK = "127.0.0.1"


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


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

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
