"""What may stand between a client and an S3 server: connections that break, bytes that flip, parts that are refused."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.runtime.aws.server import Server, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Breaking:
    """A proxy that breaks off the first connections after some bytes, and then lets everything through."""

    def __init__(self, url: str, break_first: int, after_bytes: int) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._to, self.left, self._after = (host, int(port)), break_first, after_bytes
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self.broken = 0
        # From so many bytes on a connection stays silent.
        self.stall_after = 1 << 62
        self.stalled = 0
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                mine, _ = self._server.accept()
            except OSError:
                return
            room = self._after if self.left > 0 else 1 << 62
            self.left -= 1
            theirs = socket.create_connection(self._to)
            self._sockets += [mine, theirs]
            for one, other in ((mine, theirs), (theirs, mine)):
                thread = threading.Thread(target=self._pump, args=(one, other, room))
                self._threads.append(thread)
                thread.start()

    def _pump(self, one: socket.socket, other: socket.socket, room: int) -> None:
        came = 0
        with contextlib.suppress(OSError):
            while data := one.recv(min(room, 65536)):
                came += len(data)
                if came > self.stall_after:
                    self.stalled += came - len(data) <= self.stall_after
                    continue
                other.sendall(data)
                room -= len(data)
                if not room:
                    self.broken += 1
                    break
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class Flipping(Breaking):
    """A proxy that changes a byte of a body on its way down."""

    def _pump(self, one: socket.socket, other: socket.socket, room: int) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(min(room, 65536)):
                other.sendall(data.replace(b"true bytes", b"tru3 bytes"))
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def forwarding(
    url: str, is_refused: Callable[[str, int], bool] = lambda *_: False, drop: tuple[str, ...] = ()
) -> Iterator[Server]:
    """A server in front of another one, which never sees the headers `drop`.

    It answers 500 to requests that `is_refused` says so of, by line and number.
    """
    where = urlsplit(url)

    def answer(handler: Any, number: int) -> None:
        line = f"{handler.command} {handler.path}"
        if is_refused(line, number):
            send(handler, 500, b"planted")
            return
        behind = http.client.HTTPConnection(where.netloc)
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in drop}
        behind.request(handler.command, handler.path, handler.body, headers)
        response = behind.getresponse()
        data = response.read()
        handler.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in {"transfer-encoding", "connection", "content-length", "server", "date"}:
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)
        behind.close()

    server = Server(answer)
    try:
        yield server
    finally:
        server.close()
