"""How many connections a server holds, and which one it gives up for another: no peer can take them all.

A peer is an address: each container of a run has its own. The one that has waited longest without being known is given up
first: opening many of them, and saying nothing or slowly, costs a client nothing.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import Counter
from dataclasses import dataclass
from itertools import count


@dataclass(frozen=True)
class Limits:
    """What one client may hold up, and for how long."""

    connections: int = 512
    connections_per_peer: int = 192
    # Between two requests, of one request's head, and of a piece of its body.
    idle_s: float = 300.0
    header_s: float = 20.0
    body_s: float = 60.0
    # On the whole, after the first `body_s`.
    body_bytes_per_s: int = 1024
    # For a piece of an answer. A script that reads an object line by line may think about each.
    send_s: float = 900.0
    retry_s: float = 0.05


@dataclass
class _State:
    peer: str
    since: int
    is_working: bool = False


class Connections:
    """The open connections of a server. Safe to use from several threads."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._states: dict[socket.socket, _State] = {}
        self._clock = count()

    def add(self, client: socket.socket, peer: str) -> bool:
        """Whether there is room for one more, or has been made; else it is closed."""
        with self._lock:
            peers = Counter(state.peer for state in self._states.values())
            crowd = ""
            if peers[peer] >= self._limits.connections_per_peer:
                crowd = peer
            elif len(self._states) >= self._limits.connections:
                crowd = peers.most_common(1)[0][0]
            is_fair = peers[crowd] > peers[peer] + 1
            if crowd and not self._give_up_one(crowd, even_working=is_fair):
                client.close()
                return False
            self._states[client] = _State(peer, next(self._clock))
            return True

    def wait(self, client: socket.socket) -> None:
        """From now on the connection waits for a request, or nobody knows yet who makes it."""
        self._set(client, is_working=False)

    def work(self, client: socket.socket) -> None:
        """From now on a request of a known client is being answered."""
        self._set(client, is_working=True)

    def remove(self, client: socket.socket) -> None:
        """Closes it."""
        with self._lock:
            self._states.pop(client, None)
        client.close()

    def close(self) -> None:
        """Ends all of them."""
        with self._lock:
            for client in self._states:
                _end(client)

    def _set(self, client: socket.socket, *, is_working: bool) -> None:
        with self._lock:
            if (state := self._states.get(client)) is not None:
                state.is_working, state.since = is_working, next(self._clock)

    def _give_up_one(self, peer: str, *, even_working: bool) -> bool:
        """Whether one of this peer has been ended. One that works is, where another peer has far fewer."""
        found = [
            (state.is_working, state.since, client)
            for client, state in self._states.items()
            if state.peer == peer and (even_working or not state.is_working)
        ]
        if not found:
            return False
        _, _, client = min(found, key=lambda one: one[:2])
        del self._states[client]
        _end(client)
        return True


def _end(client: socket.socket) -> None:
    """Wakes its thread, which closes it."""
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)
