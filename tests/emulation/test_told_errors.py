"""A handler of a server that fails shows no traceback."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.emulation.told_errors import ToldErrors

if TYPE_CHECKING:
    from collections.abc import Iterator


class HttpServer(ToldErrors, ThreadingHTTPServer):
    """A thread a request."""


class Failing(BaseHTTPRequestHandler):
    """Fails as its path says."""

    def do_GET(self) -> None:
        """No answer."""
        raise ConnectionResetError if self.path == "/gone" else ValueError("planted")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """One that fails at each request."""
    with HttpServer(("127.0.0.1", 0), Failing) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.mark.parametrize(("path", "kinds"), [("/gone", []), ("/fails", [ValueError])])
def test_an_error_of_a_handler_goes_to_the_door_of_threads(
    path: str, kinds: list[type], server: HttpServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A client that went away is no error at all; nothing is written to stderr by the server itself."""
    told: list[type] = []
    monkeypatch.setattr(threading, "excepthook", lambda failed: told.append(failed.exc_type))
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.request("GET", path)
    with pytest.raises(http.client.RemoteDisconnected):
        connection.getresponse()
    connection.close()
    server.server_close()
    assert told == kinds
    assert capfd.readouterr().err == ""
