"""The part of the Kubernetes API that a client of Jobs uses, over HTTP; Jobs run in the emulator.

It keeps objects with resource versions, answers watches from a version on, forgets old versions, and can be made to fail:
to drop every connection, to be away, to forbid. Its words are the real server's.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.run import StopRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lyftlearn_image.emulation.session import Embedded

_TICK_S = 0.02


class Refusal(Exception):  # noqa: N818 - a Status of the API
    """An error as the API tells it."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
                       "message": message}  # fmt: skip


class Store:
    """Objects by resource and name, and the log of their changes. `run` carries a Job out, in a thread of its own."""

    def __init__(self, run: Callable[[Store, dict[str, Any]], None]) -> None:
        self._run = run
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.logs: dict[str, list[str]] = {}
        self.changes: list[tuple[int, str, str, dict[str, Any]]] = []
        self.oldest = 0
        self.forbidden: set[tuple[str, str]] = set()
        self.busy = 0
        self.is_away = False
        self.dropped_at = 0.0
        self.requests: list[str] = []
        self._version = 100
        self._lock = threading.RLock()

    def put(self, resource: str, document: dict[str, Any], kind: str = "MODIFIED") -> dict[str, Any]:
        """Stores an object as it is now."""
        with self._lock:
            self._version += 1
            kept = json.loads(json.dumps(document))
            kept["metadata"]["resourceVersion"] = str(self._version)
            self.objects[resource, kept["metadata"]["name"]] = kept
            self.changes.append((self._version, kind, resource, kept))
            return kept

    def create(self, resource: str, document: dict[str, Any]) -> dict[str, Any]:
        """A new object; a Job begins to run."""
        name = document["metadata"]["name"]
        with self._lock:
            if (resource, name) in self.objects:
                raise Refusal(409, "AlreadyExists", f'{resource} "{name}" already exists')
            document["metadata"].update(uid=str(uuid.uuid4()), creationTimestamp=now(), namespace="default")
            made = self.put(resource, {**document, "status": {}}, "ADDED")
        if resource == "jobs":
            threading.Thread(target=self._run, args=(self, made), daemon=True).start()
        return made

    def get(self, resource: str, name: str) -> dict[str, Any]:
        """An object."""
        with self._lock:
            if (resource, name) not in self.objects:
                raise Refusal(404, "NotFound", f'{resource} "{name}" not found')
            return self.objects[resource, name]

    def remove(self, resource: str, name: str) -> dict[str, Any]:
        """Deletes an object, and gives it as it was."""
        with self._lock:
            found = self.get(resource, name)
            del self.objects[resource, name]
            return found

    def change(self, resource: str, name: str, **parts: Any) -> None:
        """Replaces top-level parts of an object, such as its status."""
        with self._lock:
            self.put(resource, {**self.get(resource, name), **parts})

    def forget(self) -> None:
        """Compacts: no watch can begin at what was."""
        with self._lock:
            self.oldest = self._version
            self.dropped_at = time.monotonic()

    def list(self, resource: str, query: dict[str, str]) -> dict[str, Any]:
        """A list with its version."""
        with self._lock:
            found = [one for (kind, _), one in self.objects.items() if kind == resource and matches(one, query)]
            return {"items": found, "metadata": {"resourceVersion": str(self._version)}}

    def since(self, resource: str, version: int, query: dict[str, str]) -> list[tuple[int, str, dict[str, Any]]]:
        """Changes after a version."""
        with self._lock:
            return [
                (at, kind, one) for at, kind, where, one in self.changes
                if where == resource and at > version and matches(one, query)
            ]  # fmt: skip


def now() -> str:
    """As the API writes a time."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def matches(one: dict[str, Any], query: dict[str, str]) -> bool:
    """Whether an object is selected."""
    wanted = dict(pair.split("=", 1) for pair in query.get("fieldSelector", "").split(",") if pair)
    labels = dict(pair.split("=", 1) for pair in query.get("labelSelector", "").split(",") if pair)
    own = one["metadata"].get("labels") or {}
    named = wanted.get("metadata.name", one["metadata"]["name"]) == one["metadata"]["name"]
    return named and all(own.get(key) == value for key, value in labels.items())


def merged(old: Any, new: Any) -> Any:
    """A JSON merge patch (RFC 7386)."""
    if not isinstance(new, dict):
        return new
    base = dict(old) if isinstance(old, dict) else {}
    for key, value in new.items():
        if value is None:
            base.pop(key, None)
        else:
            base[key] = merged(base.get(key), value)
    return base


class Handler(BaseHTTPRequestHandler):
    """Paths as the API has them."""

    store: Store
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        """None where the server is away: the connection ends without an answer."""
        if self.store.is_away:
            self.close_connection = True
            return
        super().handle_one_request()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        words = parts.path.strip("/").split("/")
        words = words[words.index("namespaces") + 2 :]
        resource, name, sub = (*words, "", "")[:3]
        self.store.requests.append(f"{self.command} {resource}")
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else {}
        try:
            self._refuse_when_busy()
            self._refuse_forbidden(resource)
            if sub == "log":
                self._log(name, follow=query.get("follow") == "true")
            elif query.get("watch") == "true":
                self._watch(resource, query)
            else:
                self._send(200, self._do(resource, name, query, body))
        except Refusal as refusal:
            self._send(refusal.status["code"], refusal.status)
        except OSError:
            self.close_connection = True

    do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - http.server's names

    def _refuse_when_busy(self) -> None:
        if self.store.busy:
            self.store.busy -= 1
            raise Refusal(429, "TooManyRequests", "too many requests")

    def _refuse_forbidden(self, resource: str) -> None:
        verb = {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}[self.command]
        if (verb, resource) in self.store.forbidden:
            message = f'{resource} is forbidden: User "ci" cannot {verb} resource "{resource}" in API group "batch"'
            raise Refusal(403, "Forbidden", f'{message} in the namespace "default"')

    def _do(self, resource: str, name: str, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        if self.command == "POST":
            return self.store.create(resource, body)
        if self.command == "PATCH":
            return self.store.put(resource, merged(self.store.get(resource, name), body))
        if self.command == "DELETE":
            return self.store.remove(resource, name)
        return self.store.get(resource, name) if name else self.store.list(resource, query)

    def _send(self, code: int, document: dict[str, Any]) -> None:
        data = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, pieces: Iterator[bytes]) -> None:
        """Chunks, until there are no more or the connections are dropped: then in the middle, without an end."""
        begun = time.monotonic()
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            if self.store.is_away or self.store.dropped_at > begun:
                self.close_connection = True
                return
            if piece:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _watch(self, resource: str, query: dict[str, str]) -> None:
        def events() -> Iterator[bytes]:
            version = int(query.get("resourceVersion", "0"))
            if version < self.store.oldest:
                gone = Refusal(410, "Expired", f"too old resource version: {version} ({self.store.oldest})").status
                yield json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n"
                return
            while True:
                for at, kind, one in self.store.since(resource, version, query):
                    version = at
                    yield json.dumps({"type": kind, "object": one}).encode() + b"\n"
                yield b""
                time.sleep(_TICK_S)

        self._stream(events())

    def _log(self, pod: str, *, follow: bool) -> None:
        found = self.store.get("pods", pod)
        if pod not in self.store.logs:
            message = f'container "main" in pod "{pod}" is waiting to start: ContainerCreating'
            raise Refusal(400, "BadRequest", message)

        def lines() -> Iterator[bytes]:
            told = 0
            while True:
                has_ended = self.store.get("pods", found["metadata"]["name"])["status"]["phase"] in {"Succeeded", "Failed"}
                fresh, told = self.store.logs[pod][told:], len(self.store.logs[pod])
                yield "".join(f"{line}\n" for line in fresh).encode()
                if has_ended or not follow:
                    return
                time.sleep(_TICK_S)

        self._stream(lines())

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextlib.contextmanager
def serve(store: Store) -> Iterator[str]:
    """The URL of the API."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"store": store}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        store.is_away = True
        server.shutdown()
        server.server_close()


class Kubelet:
    """Runs a Job of the store in the emulator, and writes its pod, its log and its status back."""

    def __init__(self, session: Embedded, directory: Path) -> None:
        self._session = session
        self._directory = directory

    def __call__(self, store: Store, job: dict[str, Any]) -> None:
        """To its end."""
        name = job["metadata"]["name"]
        named = {"name": f"{name}-x7k2p", "namespace": "default", "labels": {"job-name": name}}
        pod = {
            "kind": "Pod", "apiVersion": "v1", "metadata": named,
            "status": {"phase": "Running", "containerStatuses": []},
        }  # fmt: skip
        store.put("pods", pod, "ADDED")
        store.logs[f"{name}-x7k2p"] = []
        stop = StopRequest()
        threading.Thread(target=self._stop_when_suspended, args=(store, name, stop), daemon=True).start()
        store.change("jobs", name, status={"active": 1, "startTime": now()})
        mounted = [one for (kind, _), one in store.objects.items() if kind == "configmaps"]
        plain = {**job, "metadata": {"name": name, "labels": job["metadata"].get("labels", {})}}
        plain.pop("status", None)
        maps = [{**one, "metadata": {"name": one["metadata"]["name"]}} for one in mounted]
        for one in maps:
            one.pop("status", None)
        directory = self._directory / name
        directory.mkdir(parents=True)
        emulator: Any = self._session.targets["kubernetes"]
        run = emulator.run(
            Compiled("kubernetes", "Job", (*maps, plain)), workspace=directory, stop=stop,
            on_line=store.logs[f"{name}-x7k2p"].append,
        )  # fmt: skip
        store.logs[f"{name}-x7k2p"].extend(run.stderr.read_text().splitlines())
        end = {"exitCode": run.exit_code, "message": run.reason, "finishedAt": now()}
        phase = "Succeeded" if run.exit_code == 0 else "Failed"
        main = {"name": "main", "state": {"terminated": end}, "image": "x", "imageID": "x", "ready": False, "restartCount": 0}
        store.change("pods", f"{name}-x7k2p", status={"phase": phase, "containerStatuses": [main]})
        if stop.asked.is_set():
            store.change("jobs", name, status={"startTime": now()})
            return
        kind = "Complete" if run.exit_code == 0 else "Failed"
        condition = {"type": kind, "status": "True", "reason": "BackoffLimitExceeded", "lastTransitionTime": now()}
        store.change("jobs", name, status={"startTime": now(), "conditions": [condition]})

    @staticmethod
    def _stop_when_suspended(store: Store, name: str, stop: StopRequest) -> None:
        while not store.get("jobs", name)["spec"].get("suspend"):
            if store.get("jobs", name)["status"].get("conditions"):
                return
            time.sleep(0.02)
        stop.asked.set()
