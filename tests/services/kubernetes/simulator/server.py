"""The API over HTTP: paths, streams, and connections that can be refused or broken."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import threading
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.services.kubernetes.simulator.exec import answer_exec
from tests.services.kubernetes.simulator.refusal import GROUPS, Cut, Refusal, not_found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.kubernetes.simulator.cluster import Cluster

_IDLE_S = 0.002
# Outside of the API's groups.
_VERSION = "version"
_REVIEWS = "selfsubjectaccessreviews"
_VERBS = {"GET": "get", "POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}


@dataclass(frozen=True)
class Request:
    """One request: `verb` is HTTP's method, or WATCH; `resource` names a subresource too (`pods/log`)."""

    verb: str
    resource: str
    namespace: str | None
    name: str
    query: dict[str, str]


class ApiServer:
    """The listening socket and its connections. Its port stays while it is down."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        # Bound and never listening: it keeps the port while nobody listens on it.
        self._reserved = _socket()
        self._reserved.bind(("127.0.0.1", 0))
        self.address = self._reserved.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        self.breaks: list[tuple[bool, bool]] = []
        self._listener: socket.socket | None = None
        self._connections: set[socket.socket] = set()

    @property
    def is_open(self) -> bool:
        """Whether connections are taken."""
        return self._listener is not None

    def open(self) -> None:
        """Listens."""
        self._listener = listener = _socket()
        listener.bind(self.address)
        listener.listen(64)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close(self) -> None:
        """Refuses connections, and ends those that there are."""
        listener, self._listener = self._listener, None
        if listener is not None:
            # Closing alone would leave a thread that waits in accept.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for one in list(self._connections):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        """Gives the port back."""
        self._reserved.close()

    def break_streams(self, *, is_clean: bool, only_logs: bool = False) -> None:
        """Ends what is streamed now."""
        self.breaks.append((is_clean, only_logs))

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, address = listener.accept()
            except OSError:
                return
            self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection, address), daemon=True).start()

    def _serve(self, connection: socket.socket, address: tuple[str, int]) -> None:
        with contextlib.suppress(OSError):
            Handler(connection, address, self)  # type: ignore[arg-type] # it asks nothing of a server
        self._connections.discard(connection)
        connection.close()


class Handler(BaseHTTPRequestHandler):
    """Paths as the API has them."""

    server: ApiServer  # type: ignore[assignment] # see ApiServer
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Small answers are sent at once."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().setup()

    def _answer(self) -> None:
        cluster = self.server.cluster
        request = self._parse()
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else {}
        try:
            with cluster.lock:
                cluster.begin_request(request)
                self._check_identity(request)
                is_stream = request.verb == "WATCH" or request.resource in {"pods/log", "pods/exec"}
                answer = None if is_stream else self._do(request, body)
            if request.resource == "pods/log":
                self._log(request)
            elif request.resource == "pods/exec":
                answer_exec(self, cluster, request, parse_qs(urlsplit(self.path).query))
            elif request.verb == "WATCH":
                self._watch(request)
            else:
                self._send(201 if request.verb == "POST" else 200, json.dumps(answer).encode())
        except Refusal as refusal:
            data = json.dumps(refusal.status) if refusal.is_status else str(refusal)
            self._send(refusal.code, data.encode(), "application/json" if refusal.is_status else "text/plain")
        except (Cut, OSError):
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _answer  # noqa: N815 - http.server's names

    def _parse(self) -> Request:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        words = parts.path.strip("/").split("/")
        words = words[2:] if words[0] == "api" else words if words[0] == _VERSION else words[3:]
        namespace = None
        if words[0] == "namespaces" and len(words) > 2:
            namespace, words = words[1], words[2:]
        resource, name, sub = (*words, "", "")[:3]
        verb = "WATCH" if query.get("watch") == "true" else self.command
        return Request(verb, f"{resource}/{sub}" if sub else resource, namespace, name, query)

    def _check_identity(self, request: Request) -> None:
        cluster = self.server.cluster
        if not self.server.is_open:
            raise Cut
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if cluster.tokens is not None and token not in cluster.tokens:
            raise Refusal(401, "Unauthorized")
        verb = "watch" if request.verb == "WATCH" else _VERBS[request.verb]
        if verb == "get" and not request.name:
            verb = "list"
        resource = request.resource.partition("/")[0]
        if (verb, request.resource) in cluster.forbidden:
            group = GROUPS.get(resource, "")
            object_ = f'{resource}.{group} "{request.name}"' if group else f'{resource} "{request.name}"'
            where = f'in API group "{group}" in the namespace "{request.namespace}"'
            message = f'{object_} is forbidden: User "ci" cannot {verb} resource "{request.resource}" {where}'
            raise Refusal(403, message.replace(' ""', ""))

    def _do(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        cluster, namespace = self.server.cluster, request.namespace or "default"
        resource = request.resource.partition("/")[0]
        if resource in {_VERSION, _REVIEWS}:
            return self._tell(body)
        if resource == "namespaces":
            if request.name not in cluster.namespaces:
                raise not_found("namespaces", request.name)
            return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": request.name}}
        if request.verb == "POST":
            return cluster.create(resource, namespace, body)
        if request.verb == "PATCH":
            return cluster.patch(
                resource, namespace, request.name, body, is_strategic="strategic" in self.headers["Content-Type"]
            )
        if request.verb == "DELETE":
            policy = body.get("propagationPolicy") or request.query.get("propagationPolicy")
            return cluster.delete(resource, namespace, request.name, policy)
        objects = cluster.objects
        one = request.name
        return objects.get(resource, namespace, one) if one else objects.list(resource, request.namespace, request.query)

    def _tell(self, body: dict[str, Any]) -> dict[str, Any]:
        """The server's version, or whether who asks may do something."""
        if not body:
            return {"major": "1", "minor": "36", "gitVersion": "v1.36.0"}
        asked = body["spec"]["resourceAttributes"]
        resource = "/".join(filter(None, (asked["resource"], asked.get("subresource"))))
        is_allowed = (asked["verb"], resource) not in self.server.cluster.forbidden
        return {**body, "metadata": {}, "status": {"allowed": is_allowed}}

    def _send(self, code: int, data: bytes, kind: str = "application/json") -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, pieces: Iterator[bytes], *, is_log: bool) -> None:
        """Chunks, until there are no more. A break in the middle sends half of what there is to send, and no end."""
        seen = len(self.server.breaks)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain" if is_log else "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            broken = [is_clean for is_clean, only_logs in self.server.breaks[seen:] if is_log or not only_logs]
            sent = piece[: len(piece) // 2] if broken and not broken[0] else b"" if broken else piece
            if sent:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(sent), sent))
            if broken and not broken[0]:
                raise Cut
            if broken or not self._pause(is_idle=not piece):
                break
        self.wfile.write(b"0\r\n\r\n")

    def _pause(self, *, is_idle: bool) -> bool:
        """An idle moment, in which the world goes on; False where the client has gone."""
        if not self.server.is_open:
            raise Cut
        if is_idle:
            before = self.server.cluster.objects.version
            self.server.cluster.tick()
            with self.server.cluster.lock:
                if before == self.server.cluster.objects.version:
                    self.server.cluster.lock.wait(_IDLE_S)
        readable, _, _ = select.select([self.connection], [], [], 0)
        return not readable or bool(self.connection.recv(1, socket.MSG_PEEK))

    def _watch(self, request: Request) -> None:
        cluster = self.server.cluster
        ends_at = cluster.now + float(request.query.get("timeoutSeconds", "1800"))

        def events() -> Iterator[bytes]:
            version = int(request.query.get("resourceVersion", "0"))
            while cluster.now < ends_at:
                try:
                    with cluster.lock:
                        changes = cluster.objects.since(request.resource, request.namespace, version, request.query)
                except Refusal as gone:
                    yield json.dumps({"type": "ERROR", "object": gone.status}).encode() + b"\n"
                    return
                for one in changes:
                    version = one.version
                    yield json.dumps({"type": one.type, "object": one.document}).encode() + b"\n"
                yield b""

        self._stream(events(), is_log=False)

    def _log(self, request: Request) -> None:
        cluster = self.server.cluster
        with cluster.lock:
            pod = cluster.pod(request.name, request.namespace or "default")
            spec = pod.document["spec"]
            container = request.query.get("container") or _only_container(pod.name, spec)
            if container not in _container_names(spec):
                raise Refusal(400, f"container {container} is not valid for pod {pod.name}")
            if not spec.get("nodeName"):
                self.send_response(204)
                self.end_headers()
                return
            refused = pod.log_refusal(container)
            if refused:
                raise Refusal(*refused)
            is_previous = request.query.get("previous") == "true"
            log = (pod.previous_logs if is_previous else pod.logs).get(container)
            if log is None and is_previous:
                raise Refusal(400, f'previous terminated container "{container}" in pod "{pod.name}" not found')
        since, follow = _since(request.query), request.query.get("follow") == "true" and not is_previous
        timestamps = request.query.get("timestamps") == "true"

        def pieces() -> Iterator[bytes]:
            at, goes_on = log.start if log else 0, False
            while log:
                with cluster.lock:
                    has_ended = not pod.is_there or container not in pod.running() or pod.logs.get(container) is not log
                    data, at = log.served(at, since, timestamps=timestamps, goes_on=goes_on), len(log.entries)
                goes_on = True
                yield data
                if has_ended or not follow:
                    return

        self._stream(pieces(), is_log=True)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def _socket() -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made


def _container_names(spec: dict[str, Any]) -> list[str]:
    return [one["name"] for one in (*spec.get("initContainers", ()), *spec["containers"])]


def _only_container(pod: str, spec: dict[str, Any]) -> str:
    names = [one["name"] for one in spec["containers"]]
    if len(names) == 1:
        return str(names[0])
    inits = [one["name"] for one in spec.get("initContainers") or ()]
    message = f"a container name must be specified for pod {pod}, choose one of: [{' '.join(names)}]"
    raise Refusal(400, message + (f" or one of the init containers: [{' '.join(inits)}]" if inits else ""))


def _since(query: dict[str, str]) -> int | None:
    """Whole seconds: that is what the API server tells the kubelet."""
    text = query.get("sinceTime")
    return int(datetime.fromisoformat(text).timestamp()) if text else None
