"""One HTTP request to a container of this machine's, and the wait for one that goes well."""

from __future__ import annotations

import contextlib
import http.client
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lyftlearn_image.retry import Clock, Waits, every

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lyftlearn_image.emulation.docker.running_container import RunningContainer

# How often a condition is asked for; the service's own pace is not documented.
_PERIOD_S = 0.1
_PIECE_BYTES = 1 << 16


class NoResponseError(Exception):
    """The server did not take the connection, did not answer in time, or not in HTTP."""


@dataclass(frozen=True)
class HttpResponse:
    """A whole response; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class StreamedResponse:
    """A response whose body is still coming; header names in lower case.

    `pieces` are parts of the body as they come. It raises NoResponseError where the body breaks off, and TimeoutError where
    its end does not come in time.
    """

    status: int
    headers: Mapping[str, str]
    pieces: Iterator[bytes]


@dataclass(frozen=True)
class Timeouts:
    """Seconds until a connection must be accepted, and until the response must be there as a whole."""

    connect_s: float
    total_s: float


def send_request(
    address: tuple[str, int],
    request: tuple[str, str],
    timeouts: Timeouts,
    *,
    body: bytes | Iterator[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """The response of the server at host and port to a method and path. NoResponseError when it does not come as a whole."""
    with stream_request(address, request, timeouts, body=body, headers=headers) as response:
        try:
            whole = b"".join(response.pieces)
        except TimeoutError as error:
            raise NoResponseError(str(error)) from None
    return HttpResponse(response.status, response.headers, whole)


@contextlib.contextmanager
def stream_request(
    address: tuple[str, int],
    request: tuple[str, str],
    timeouts: Timeouts,
    *,
    body: bytes | Iterator[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Iterator[StreamedResponse]:
    """As `send_request`, but the body may be read while it comes. NoResponseError when no head comes in time."""
    deadline = time.monotonic() + timeouts.total_s
    # No proxy and no pool: the address is the engine's own, and a kept connection would hide a server's end.
    connection = http.client.HTTPConnection(*address, timeout=timeouts.connect_s)
    try:
        try:
            connection.connect()
            sock = connection.sock
            sock.settimeout(timeouts.total_s)
            connection.request(*request, body, dict(headers or {}))
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise NoResponseError(str(error) or type(error).__name__) from None

        def set_timeout() -> None:
            # Of the whole response: one that trickles is late too.
            sock.settimeout(max(0.001, deadline - time.monotonic()))

        told = {name.lower(): value for name, value in response.getheaders()}
        yield StreamedResponse(response.status, told, _pieces(response, set_timeout))
    finally:
        connection.close()


def _pieces(response: http.client.HTTPResponse, set_timeout: Callable[[], None]) -> Iterator[bytes]:
    try:
        while not response.closed:
            set_timeout()
            piece = response.read1(_PIECE_BYTES)
            if not piece:
                break
            yield piece
        _check_whole(response)
    except TimeoutError:
        raise
    except (OSError, http.client.HTTPException) as error:
        raise NoResponseError(str(error) or type(error).__name__) from None


def wait_until(is_ready: Callable[[], bool], running: RunningContainer, timeout_s: float, is_over: Callable[[], bool]) -> bool:
    """Whether `is_ready` came true in time, while the container ran and `is_over` was false."""
    # The container's end wakes the waiting.
    waits = Waits(every(_PERIOD_S, deadline_s=timeout_s), Clock(sleep=running.wait))
    while not is_over():
        if is_ready():
            return True
        if not waits.sleep() or running.wait(0) is not None:
            return False
    return False


def _check_whole(response: http.client.HTTPResponse) -> None:
    """http.client's read1 takes the end of a connection for the end of the body."""
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
