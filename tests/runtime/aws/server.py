"""A server of a service that does what a test says, and an identity for it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

PLANTED = "planted-9c1f77-secret"
KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": PLANTED, "AWS_REGION": "eu-west-1"}
GOOD = json.dumps({"SecretString": "value"}).encode()


class Server:
    """An HTTP server that does what a test says: `answer` gets the handler of each request, and the number of it."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler, int], None], trust: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                self.body = body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                server.requests.append((self.path, dict(self.headers), body))
                with contextlib.suppress(OSError):
                    answer(self, len(server.requests))

            do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = handle_one  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        if trust:
            self._http.socket = trust.wrap_socket(self._http.socket, server_side=True)
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        """Ends it."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, length: int | None = None) -> None:
    """An answer, with another length than it has where a test wants it."""
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


def environ_of(server: Server, **more: str) -> dict[str, str]:
    """An identity, and the server as every service's endpoint."""
    return {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.port}", "LYFTLEARN_FETCH_TIMEOUT": "5", **more}


def silence(handler: BaseHTTPRequestHandler) -> None:
    """No answer as long as the other side waits."""
    handler.connection.settimeout(10)
    with contextlib.suppress(OSError):
        handler.connection.recv(1)


def credentials_until(seconds: float) -> bytes:
    """A document of a container's endpoint that is good for so long."""
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
    return json.dumps({"AccessKeyId": "AKID", "SecretAccessKey": "s", "Token": "t", "Expiration": until}).encode()
