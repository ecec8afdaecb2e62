"""The HTTP side of a model's container: /ping, /invocations and /execution-parameters.

Source: SageMaker developer guide, your-algorithms-inference-code and your-algorithms-batch-code: port 8080; /ping answers
200 within 2 seconds; a connection to /invocations is accepted within 250 ms.
"""

from __future__ import annotations

import contextlib
import http
import json
import socket
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker.serving.http_client import (
    HttpResponse,
    NoResponseError,
    StreamedResponse,
    Timeouts,
    send_request,
    stream_request,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from lyftlearn_image.emulation.docker.running_container import RunningContainer

PORT = 8080
INVOCATIONS = "/invocations"
PING_TIMEOUT_S = 2.0
ACCEPT_TIMEOUT_S = 0.25
# Hosting and batch transform kill a container so long after SIGTERM (your-algorithms-inference-code).
STOP_GRACE_S = 30
_PARAMETERS_TIMEOUT_S = 10.0


class ModelServer:
    """One container's server at `host`."""

    def __init__(self, host: str) -> None:
        self._address = (host, PORT)

    def accepts(self) -> bool:
        """Whether somebody listens, busy or not: nobody does any more where its process has ended."""
        with contextlib.suppress(OSError), socket.create_connection(self._address, ACCEPT_TIMEOUT_S):
            return True
        return False

    def ping(self) -> bool:
        """Whether it is healthy: 200 within 2 seconds."""
        try:
            response = send_request(self._address, ("GET", "/ping"), Timeouts(PING_TIMEOUT_S, PING_TIMEOUT_S))
        except NoResponseError:
            return False
        return response.status == http.HTTPStatus.OK

    def wait_until_healthy(self, running: RunningContainer, timeout_s: float, is_over: Callable[[], bool]) -> bool:
        """Whether it became healthy in time. It does not when its container ends, or when `is_over` says so."""
        return wait_until(self.ping, running, timeout_s, is_over)

    def execution_parameters(self) -> Mapping[str, Any]:
        """The JSON object at GET /execution-parameters; nothing where the server has no such path ("optional")."""
        try:
            timeouts = Timeouts(ACCEPT_TIMEOUT_S, _PARAMETERS_TIMEOUT_S)
            response = send_request(self._address, ("GET", "/execution-parameters"), timeouts)
            parameters = json.loads(response.body) if response.status == http.HTTPStatus.OK else {}
        except (NoResponseError, ValueError):
            return {}
        return parameters if isinstance(parameters, dict) else {}

    def invoke(
        self, body: bytes, headers: Mapping[str, str], timeout_s: float, *, path: str = INVOCATIONS, is_chunked: bool = False
    ) -> HttpResponse:
        """The response to POST /invocations. NoResponseError when it does not come as a whole within `timeout_s`."""
        return self.ask("POST", path, timeout_s, iter([body]) if is_chunked else body, headers)

    def ask(
        self,
        method: str,
        path: str,
        timeout_s: float,
        body: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """The response to any request. NoResponseError when it does not come as a whole within `timeout_s`."""
        return send_request(self._address, (method, path), Timeouts(ACCEPT_TIMEOUT_S, timeout_s), body=body, headers=headers)

    def stream(self, body: bytes, headers: Mapping[str, str], timeout_s: float) -> AbstractContextManager[StreamedResponse]:
        """The response to POST /invocations while it comes, within `timeout_s`. NoResponseError when no head comes."""
        timeouts = Timeouts(ACCEPT_TIMEOUT_S, timeout_s)
        return stream_request(self._address, ("POST", INVOCATIONS), timeouts, body=body, headers=headers)
