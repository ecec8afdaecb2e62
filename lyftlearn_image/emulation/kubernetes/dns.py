"""The cluster's DNS server: names of Services and of their pods. Other names go to the name server of this machine.

Sources: kubernetes.io/docs "DNS for Services and Pods"; recorded in pods, case 10. The engine's own DNS does not fit: it would
resolve the bare hostname of a pod, which a cluster's does not.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dnslib import QTYPE, RCODE, RR, A, DNSError, DNSRecord

from lyftlearn_image.emulation.told_errors import ToldErrors
from lyftlearn_image.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PORT = 53
_TTL_S = 5
_MAX_ANSWER_BYTES = 4096
_FORWARD_TIMEOUT_S = 5.0


class ClusterDns:
    """A DNS server on one address of this machine, which listens while any pod is in `serving`.

    Each run has a scope of its own, for two runs may have pods of the same name in the same namespace. `upstream` are the name
    servers for all other names, those of this machine by default.
    """

    def __init__(self, address: str, domain: str, upstream: Sequence[str] | None = None) -> None:
        self.address = address
        self._domain = domain
        self._upstream = upstream
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
        """Lets queries from an IP see the names of a scope."""
        with self._lock:
            self._scopes[ip] = scope
        try:
            yield
        finally:
            with self._lock:
                self._scopes.pop(ip, None)

    def publish(self, scope: int, names: tuple[str, ...], ip: str) -> None:
        """Adds an A record with this IP to each name."""
        with self._lock:
            for name in names:
                self._records.setdefault((scope, name.lower()), []).append(ip)

    def withdraw(self, scope: int, names: tuple[str, ...], ip: str) -> None:
        """Removes the A record with this IP from each name."""
        with self._lock:
            for name in names:
                with contextlib.suppress(KeyError, ValueError):
                    self._records[scope, name.lower()].remove(ip)

    def answer(self, query: bytes, client: str) -> bytes:
        """The answer to a query from an IP, both as bytes of the wire. DNSError for what is no query."""
        request = DNSRecord.parse(query)
        name = str(request.q.qname).rstrip(".").lower()
        with self._lock:
            addresses = list(dict.fromkeys(self._records.get((self._scopes.get(client, 0), name)) or ()))
        reply = request.reply(aa=1, ra=1)
        if addresses:
            if request.q.qtype == QTYPE.A:
                reply.add_answer(*(RR(request.q.qname, QTYPE.A, rdata=A(address), ttl=_TTL_S) for address in addresses))
            return bytes(reply.pack())
        # Nobody has this name of the cluster; and an upstream server knows no single words either.
        if f".{name}".endswith(f".{self._domain}") or "." not in name:
            reply.header.rcode = RCODE.NXDOMAIN
            return bytes(reply.pack())
        forwarded = _forward(query, _name_servers() if self._upstream is None else self._upstream)
        if forwarded is None:
            reply.header.rcode = RCODE.SERVFAIL
            return bytes(reply.pack())
        return forwarded


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        query, sender = cast("tuple[bytes, socket.socket]", self.request)
        with contextlib.suppress(OSError, DNSError):
            answer = cast("_Server", self.server).dns.answer(query, self.client_address[0])
            sender.sendto(answer, self.client_address)


class _Server(ToldErrors, socketserver.ThreadingUDPServer):
    """Not dnslib's own server: its shutdown takes up to half a second, which every pod with a Service would wait for."""

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


def _forward(query: bytes, servers: Sequence[str]) -> bytes | None:
    """The answer of the first name server that answers, None where none does."""
    for server in servers:
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream:
            upstream.settimeout(_FORWARD_TIMEOUT_S)
            upstream.sendto(query, (server, _PORT))
            return upstream.recv(_MAX_ANSWER_BYTES)
    return None


def _name_servers() -> list[str]:
    with contextlib.suppress(OSError):
        lines = Path("/etc/resolv.conf").read_text(encoding="utf-8").splitlines()
        return [line.split()[1] for line in lines if line.startswith("nameserver ") and ":" not in line]
    return []
