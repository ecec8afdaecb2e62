"""The cluster's DNS: names of Services and of their pods, for pods that were given Services; other names are passed on.

Sources: kubernetes.io/docs "DNS for Services and Pods"; recorded in pods, case 10. The engine's own DNS would find a pod by
its bare hostname, which a cluster's does not.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from lyftlearn_image.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PORT = 53
_HEADER = struct.Struct(">6H")
_TYPE_A, _NXDOMAIN, _SERVFAIL = 1, 3, 2
_TTL_S = 5
_ANSWER_BYTES = 4096
_PASSED_ON_S = 5.0


class Question(NamedTuple):
    """What a query asks: a name in lower case without the final dot, a type, and the question's own bytes."""

    name: str
    kind: int
    raw: bytes


class ClusterDns:
    """Answers on one address of this machine, as long as somebody is in `serving`."""

    def __init__(self, address: str, domain: str) -> None:
        self.address = address
        self._domain = domain
        self._records: dict[tuple[int, str], list[str]] = {}
        self._scopes: dict[str, int] = {}
        self._lock = threading.Lock()
        self._users = 0
        self._server: socketserver.UDPServer | None = None

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """UnsupportedError where this process may not listen on the port of DNS."""
        with self._lock:
            if self._users == 0:
                self._server = _listen(self)
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0 and self._server is not None:
                    self._server.shutdown()
                    self._server.server_close()
                    self._server = None

    @contextlib.contextmanager
    def client(self, ip: str, scope: int) -> Iterator[None]:
        """Lets an address see the names of a scope: each run has a namespace of its own, whatever its name."""
        with self._lock:
            self._scopes[ip] = scope
        try:
            yield
        finally:
            with self._lock:
                self._scopes.pop(ip, None)

    def publish(self, scope: int, names: tuple[str, ...], ip: str) -> None:
        """Gives an address to some names."""
        with self._lock:
            for name in names:
                self._records.setdefault((scope, name.lower()), []).append(ip)

    def withdraw(self, scope: int, names: tuple[str, ...], ip: str) -> None:
        """Takes an address away from some names."""
        with self._lock:
            for name in names:
                with contextlib.suppress(KeyError, ValueError):
                    self._records[scope, name.lower()].remove(ip)

    def answer(self, query: bytes, client: str) -> bytes:
        """The answer to one query, as bytes of the wire (RFC 1035)."""
        question = question_of(query)
        with self._lock:
            key = (self._scopes.get(client, 0), question.name)
            addresses = list(dict.fromkeys(self._records.get(key) or ()))
        if addresses:
            return _answer(query, question, addresses if question.kind == _TYPE_A else [])
        # A name of the cluster that nobody has; and an upstream knows no single words either.
        if f".{question.name}".endswith(f".{self._domain}") or "." not in question.name:
            return _answer(query, question, [], code=_NXDOMAIN)
        return _pass_on(query) or _answer(query, question, [], code=_SERVFAIL)


def question_of(query: bytes) -> Question:
    """The first question of a query; ValueError for what is none."""
    labels, position = [], _HEADER.size
    while (length := query[position]) != 0:
        labels.append(query[position + 1 : position + 1 + length].decode("ascii", "replace").lower())
        position += 1 + length
    (kind,) = struct.unpack_from(">H", query, position + 1)
    return Question(".".join(labels), kind, query[_HEADER.size : position + 5])


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        query, sender = cast("tuple[bytes, socket.socket]", self.request)
        with contextlib.suppress(OSError, ValueError, IndexError, struct.error):
            answer = cast("_Server", self.server).dns.answer(query, self.client_address[0])
            sender.sendto(answer, self.client_address)


class _Server(socketserver.ThreadingUDPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, dns: ClusterDns) -> None:
        self.dns = dns
        super().__init__((dns.address, _PORT), _Handler)


def _listen(dns: ClusterDns) -> socketserver.UDPServer:
    try:
        server = _Server(dns)
    except OSError as error:
        raise UnsupportedError(
            "Services need the cluster's DNS, which cannot listen here",
            where=f"{dns.address}:{_PORT}: {error.strerror}",
            hint="Run as root with the engine on this machine, or leave the Services out.",
        ) from None
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="cluster DNS", daemon=True).start()
    return server


def _answer(query: bytes, question: Question, addresses: list[str], code: int = 0) -> bytes:
    """An authoritative answer with the addresses, which may be none."""
    (number,) = struct.unpack_from(">H", query)
    header = _HEADER.pack(number, 0x8580 | code, 1, len(addresses), 0, 0)
    # 0xC00C points at the question's name.
    records = [struct.pack(">HHHIH", 0xC00C, _TYPE_A, 1, _TTL_S, 4) + socket.inet_aton(address) for address in addresses]
    return header + question.raw + b"".join(records)


def _pass_on(query: bytes) -> bytes | None:
    """What this machine's own name server answers, None where none does."""
    for server in _name_servers():
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream:
            upstream.settimeout(_PASSED_ON_S)
            upstream.sendto(query, (server, _PORT))
            return upstream.recv(_ANSWER_BYTES)
    return None


def _name_servers() -> list[str]:
    with contextlib.suppress(OSError):
        lines = Path("/etc/resolv.conf").read_text(encoding="utf-8").splitlines()
        return [line.split()[1] for line in lines if line.startswith("nameserver ") and ":" not in line]
    return []
