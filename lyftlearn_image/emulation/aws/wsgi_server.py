"""A WSGI server for clients that nobody trusts: h11 reads what they say, and what they may hold up is bounded.

A body is read when the application asks for it, and a client that waits for `100 Continue` is told so only then: what is
refused by its headers is never sent. A request that two readers may read differently (RFC 9112, sections 6.1 and 11.2) is
refused. The servers of the standard library and of werkzeug have no bound, read what is refused, and answer the wait at once.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections import Counter
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import h11

from lyftlearn_image.emulation.aws.connections import Connections, Limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from wsgiref.types import WSGIApplication

# In the WSGI environment: the headers as they came, by their names in lower case. WSGI's own make `-` and `_` the same.
HEADERS = "lyftlearn.headers"
# In it, too: to be called by the application when it knows the client. One that nobody knows gives its place up for others.
ADMIT = "lyftlearn.admit"
_RECEIVE_HEAD_BYTES = 16 << 10
_RECEIVE_BYTES = 128 << 10
_MAX_HEADER_BYTES = 64 << 10
# Of a body that nobody has asked for: so much is read that the client sees the answer, which a reset would discard.
_MOST_DISCARDED_BYTES = 16 << 20
_DISCARD_S = 5.0
_METHOD = re.compile(rb"[A-Z]{3,10}")
_TARGET = re.compile(rb"/[\x21\x22\x24-\x7e]*")  # with no fragment; neither a URL nor `*`
_VERSIONS = (b"1.0", b"1.1")
# Of a client whose request was read to its end, also where it was told that no other follows.
_AFTER_BODY = (h11.DONE, h11.MUST_CLOSE)
# Given once. Of others a list is joined, as of metadata (S3 user guide, "Working with object metadata").
_SINGLE = re.compile(r"(?:host|authorization|range|expect|content-.*|transfer-encoding|x-amz-(?!meta-).*)")


class _RefusedError(Exception):
    """A request that is none, or has no answer."""

    def __init__(self, status: HTTPStatus | int, text: str) -> None:
        super().__init__(text)
        self.status = int(status)
        self.text = text


class WsgiServer:
    """Serves an application at a listening socket, a thread a connection, until it is closed."""

    def __init__(self, listener: socket.socket, application: WSGIApplication, limits: Limits | None = None) -> None:
        self.port: int = listener.getsockname()[1]
        self._listener = listener
        self._application = application
        self._limits = limits or Limits()
        self._connections = Connections(self._limits)

    def serve_forever(self) -> None:
        """Returns when the listener is closed."""
        while True:
            try:
                client, address = self._listener.accept()
            except OSError:
                if self._listener.fileno() < 0:
                    return
                time.sleep(self._limits.retry_s)  # no descriptors are left, or the client is gone again
                continue
            if self._connections.add(client, address[0]):
                self._start(client, address[0])

    def close(self) -> None:
        """Ends serving, and what is being served."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept()
        self._listener.close()
        self._connections.close()

    def _start(self, client: socket.socket, peer: str) -> None:
        def serve() -> None:
            try:
                _Connection(client, peer, self._application, self._limits, self._connections).serve()
            except (OSError, h11.LocalProtocolError):
                pass  # the client is gone, or its connection was given to another one
            finally:
                self._connections.remove(client)

        try:
            threading.Thread(target=serve, name="http-connection", daemon=True).start()
        except RuntimeError:  # no thread is left
            self._connections.remove(client)


class _Connection:
    """One client, one request after the other."""

    def __init__(
        self, client: socket.socket, peer: str, application: WSGIApplication, limits: Limits, connections: Connections
    ) -> None:
        self._client = client
        self._peer = peer
        self._application = application
        self._limits = limits
        self._connections = connections
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEADER_BYTES)

    def serve(self) -> None:
        """Until one side has had enough."""
        client = self._client
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            self._connections.wait(client)
            try:
                request = self._next_request()
                if request is None:
                    return
                self._respond(request)
            except h11.RemoteProtocolError as error:
                self._refuse(_RefusedError(error.error_status_hint, "Bad Request"))
            except _RefusedError as refusal:
                self._refuse(refusal)
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                self._linger()
                return
            self._http.start_next_cycle()

    def _next_request(self) -> h11.Request | None:
        """The head of the next request; None when the client is gone, or does not say it in time."""
        deadline = time.monotonic() + self._limits.idle_s
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                return event
            if event is not h11.NEED_DATA:  # closed
                return None
            if self._http.trailing_data[0]:
                deadline = min(deadline, time.monotonic() + self._limits.header_s)
            self._client.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                self._http.receive_data(self._client.recv(_RECEIVE_HEAD_BYTES))
            except TimeoutError:
                return None

    def _respond(self, request: h11.Request) -> None:
        headers = _check(request)
        body = _Body(self._client, self._http, self._limits)
        head: list[Any] = []

        def start_response(status: str, fields: list[tuple[str, str]], _exc_info: Any = None) -> Any:
            head[:] = [status, fields]

        try:
            response = self._application(self._environ(request, headers, body), start_response)
        except (OSError, h11.RemoteProtocolError):
            raise
        except Exception as error:  # of one request; whatever it is, the next ones are served
            raise _RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, f"Internal Server Error: {type(error).__name__}") from error
        try:
            self._send(request, head[0], head[1], response)
        finally:
            if hasattr(response, "close"):
                response.close()

    def _environ(self, request: h11.Request, headers: Mapping[str, str], body: _Body) -> dict[str, Any]:
        target = request.target.decode("ascii")
        path, _, query = target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method.decode("ascii"),
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "RAW_URI": target,
            "REMOTE_ADDR": self._peer,
            "SERVER_NAME": self._client.getsockname()[0],
            "SERVER_PORT": str(self._client.getsockname()[1]),
            "SERVER_PROTOCOL": f"HTTP/{request.http_version.decode('ascii')}",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": body,
            "wsgi.input_terminated": True,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            HEADERS: headers,
            ADMIT: lambda: self._connections.work(self._client),
        }
        for name, value in headers.items():
            if "_" not in name:
                variable = name.upper().replace("-", "_")
                environ[variable if variable in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{variable}"] = value
        return environ

    def _send(self, request: h11.Request, status: str, fields: list[tuple[str, str]], response: Iterable[bytes]) -> None:
        is_read = self._http.their_state in _AFTER_BODY or self._discard_rest()
        every = [*fields, ("Date", formatdate(usegmt=True)), *([] if is_read else [("Connection", "close")])]
        code, _, reason = status.partition(" ")
        try:
            encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in every]
            head = h11.Response(status_code=int(code), reason=reason.encode("latin-1"), headers=encoded)
        except (UnicodeEncodeError, h11.LocalProtocolError):  # what a client wants in the answer's headers
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "Bad Request: a header of the answer would be none") from None
        self._client.settimeout(self._limits.send_s)
        self._transmit(head)
        if request.method != b"HEAD":
            for chunk in response:
                self._transmit(h11.Data(data=chunk))
        self._transmit(h11.EndOfMessage())

    def _transmit(self, event: Any) -> None:
        if data := self._http.send(event):
            self._client.sendall(data)

    def _discard_rest(self) -> bool:
        """Whether the rest of the body was there already; nothing is waited for."""
        with contextlib.suppress(h11.RemoteProtocolError):
            while isinstance(self._http.next_event(), h11.Data):
                pass
        return self._http.their_state in _AFTER_BODY

    def _refuse(self, refusal: _RefusedError) -> None:
        if self._http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return
        text = f"{refusal.text}\n".encode("latin-1", "replace")
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(text))), ("Connection", "close")]
        self._client.settimeout(self._limits.header_s)
        self._transmit(h11.Response(status_code=refusal.status, headers=headers))
        self._transmit(h11.Data(data=text))
        self._transmit(h11.EndOfMessage())

    def _linger(self) -> None:
        """Lets a client that is still sending read the answer first."""
        deadline, left = time.monotonic() + _DISCARD_S, _MOST_DISCARDED_BYTES
        self._client.shutdown(socket.SHUT_WR)
        while left > 0 and (seconds := deadline - time.monotonic()) > 0:
            self._client.settimeout(seconds)
            piece = self._client.recv(_RECEIVE_BYTES)
            if not piece:
                return
            left -= len(piece)


class _Body:
    """The body of one request: `wsgi.input`, as far as what is served here reads it."""

    def __init__(self, client: socket.socket, http: h11.Connection, limits: Limits) -> None:
        self._client = client
        self._http = http
        self._limits = limits
        self._buffer = memoryview(b"")
        self._begun_at = 0.0
        self._received = 0

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; none at the end. A client that waits is told to go on.

        Raises TimeoutError for a client that is too slow, ConnectionError for one that is gone.
        """
        if size < 0:
            return b"".join(iter(lambda: self.read(_RECEIVE_BYTES), b""))
        if not self._buffer:
            self._buffer = memoryview(self._next_data())
        piece, self._buffer = bytes(self._buffer[:size]), self._buffer[size:]
        return piece

    def _next_data(self) -> bytes:
        if not self._begun_at:
            self._begun_at = time.monotonic()
        if self._http.they_are_waiting_for_100_continue:
            self._client.settimeout(self._limits.body_s)
            self._client.sendall(self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
        while self._http.their_state not in _AFTER_BODY:
            event = self._http.next_event()
            if isinstance(event, h11.Data) and event.data:
                return bytes(event.data)
            if event is h11.NEED_DATA:
                self._receive()
            elif isinstance(event, h11.ConnectionClosed):
                raise ConnectionResetError("the client is gone")
        return b""

    def _receive(self) -> None:
        elapsed = time.monotonic() - self._begun_at
        if elapsed > self._limits.body_s and self._received < elapsed * self._limits.body_bytes_per_s:
            raise TimeoutError
        self._client.settimeout(self._limits.body_s)
        data = self._client.recv(_RECEIVE_BYTES)
        self._received += len(data)
        self._http.receive_data(data)
        if not data:
            raise ConnectionResetError("the client is gone")


def _check(request: h11.Request) -> Mapping[str, str]:
    """The headers, by their names in lower case. Raises _RefusedError for a request that could be read in two ways."""
    if not _METHOD.fullmatch(request.method) or not _TARGET.fullmatch(request.target):
        raise _RefusedError(HTTPStatus.BAD_REQUEST, "Bad Request: the method or the target is not of this server")
    if request.http_version not in _VERSIONS:
        raise _RefusedError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "HTTP Version Not Supported")
    names = Counter(name.decode("ascii") for name, _ in request.headers)
    twice = sorted(name for name, times in names.items() if times > 1 and _SINGLE.fullmatch(name))
    if twice or ("content-length" in names and "transfer-encoding" in names):
        raise _RefusedError(HTTPStatus.BAD_REQUEST, "Bad Request: a header is given twice, or the length of the body is")
    headers = dict[str, str]()
    for name_bytes, value in request.headers:
        name, text = name_bytes.decode("ascii"), value.decode("latin-1")
        headers[name] = f"{headers[name]},{text}" if name in headers else text
    return headers


def open_listener(host: str, port: int = 0, backlog: int = 128) -> socket.socket:
    """A listening socket. Raises OSError."""
    return socket.create_server((host, port), backlog=backlog)
