"""The HTTP side of a model's container: /ping, /invocations and /execution-parameters.

Source: SageMaker developer guide, your-algorithms-inference-code and your-algorithms-batch-code: port 8080; /ping answers
200 within 2 seconds; a connection to /invocations is accepted within 250 ms.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lyftlearn_image.targets.containers import RunningContainer

PORT = 8080
PING_TIMEOUT_S = 2.0
ACCEPT_TIMEOUT_S = 0.25
# Hosting and batch transform kill a container so long after SIGTERM (your-algorithms-inference-code).
STOP_GRACE_S = 30
# How often /ping is asked until the first 200; the service's own pace is not documented.
_START_PERIOD_S = 0.1
_PARAMETERS_TIMEOUT_S = 10.0
_PIECE_BYTES = 1 << 16


class NoAnswerError(Exception):
    """The server did not take the connection, did not answer in time, or not in HTTP."""


@dataclass(frozen=True)
class Answer:
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ModelServer:
    """One container's server at `host`."""

    def __init__(self, host: str, port: int = PORT) -> None:
        self._host = host
        self._port = port

    def ping(self, path: str = "/ping") -> bool:
        """Whether it is healthy: 200 within 2 seconds."""
        try:
            return self._ask("GET", path, None, {}, PING_TIMEOUT_S, PING_TIMEOUT_S).status == http.HTTPStatus.OK
        except NoAnswerError:
            return False

    def wait_until_healthy(self, running: RunningContainer, timeout_s: float, is_over: Callable[[], bool]) -> bool:
        """Whether it became healthy in time. It does not when its container ends, or when `is_over` says so."""
        return wait_until(self.ping, running, timeout_s, is_over)

    def execution_parameters(self) -> Mapping[str, Any]:
        """What GET /execution-parameters says; nothing where the server has no such path ("optional")."""
        try:
            answer = self._ask("GET", "/execution-parameters", None, {}, ACCEPT_TIMEOUT_S, _PARAMETERS_TIMEOUT_S)
            said = json.loads(answer.body) if answer.status == http.HTTPStatus.OK else {}
        except (NoAnswerError, ValueError):
            return {}
        return said if isinstance(said, dict) else {}

    def invoke(self, body: bytes, headers: Mapping[str, str], timeout_s: float, *, is_chunked: bool = False) -> Answer:
        """The answer to POST /invocations. NoAnswerError when it does not come as a whole within `timeout_s`."""
        sent = iter([body]) if is_chunked else body
        return self._ask("POST", "/invocations", sent, headers, ACCEPT_TIMEOUT_S, timeout_s)

    def _ask(  # noqa: PLR0913, PLR0917 - one request
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None,
        headers: Mapping[str, str],
        accept_s: float,
        timeout_s: float,
    ) -> Answer:
        deadline = time.monotonic() + timeout_s
        # No proxy and no pool: the address is the engine's own, and a kept connection would hide a server's end.
        connection = http.client.HTTPConnection(self._host, self._port, timeout=accept_s)
        try:
            connection.connect()
            sock = connection.sock
            sock.settimeout(timeout_s)
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            pieces = []
            while not response.closed:
                # Of the whole answer: one that trickles is late too.
                sock.settimeout(max(0.001, deadline - time.monotonic()))
                piece = response.read1(_PIECE_BYTES)
                if not piece:
                    break
                pieces.append(piece)
            _check_whole(response)
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswerError(str(error) or type(error).__name__) from None
        finally:
            connection.close()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, b"".join(pieces))


def wait_until(is_ready: Callable[[], bool], running: RunningContainer, timeout_s: float, is_over: Callable[[], bool]) -> bool:
    """Whether `is_ready` came true in time, while the container ran and nobody said that it is over."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and not is_over():
        if is_ready():
            return True
        if running.wait(_START_PERIOD_S) is not None:
            return False
    return False


def _check_whole(response: http.client.HTTPResponse) -> None:
    """http.client's read1 takes the end of a connection for the end of the body."""
    with contextlib.suppress(AttributeError):
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
