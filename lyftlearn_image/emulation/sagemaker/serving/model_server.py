"""The HTTP side of a model's container: /ping, /invocations and /execution-parameters.

Source: SageMaker developer guide, your-algorithms-inference-code and your-algorithms-batch-code: port 8080; /ping answers
200 within 2 seconds; a connection to /invocations is accepted within 250 ms.
"""

from __future__ import annotations

import http
import json
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker.serving.http_client import Answer, NoAnswerError, Patience, exchange, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lyftlearn_image.emulation.docker.running_container import RunningContainer

PORT = 8080
PING_TIMEOUT_S = 2.0
ACCEPT_TIMEOUT_S = 0.25
# Hosting and batch transform kill a container so long after SIGTERM (your-algorithms-inference-code).
STOP_GRACE_S = 30
_PARAMETERS_TIMEOUT_S = 10.0


class ModelServer:
    """One container's server at `host`."""

    def __init__(self, host: str) -> None:
        self._address = (host, PORT)

    def ping(self) -> bool:
        """Whether it is healthy: 200 within 2 seconds."""
        try:
            answer = exchange(self._address, ("GET", "/ping"), Patience(PING_TIMEOUT_S, PING_TIMEOUT_S))
        except NoAnswerError:
            return False
        return answer.status == http.HTTPStatus.OK

    def wait_until_healthy(self, running: RunningContainer, timeout_s: float, is_over: Callable[[], bool]) -> bool:
        """Whether it became healthy in time. It does not when its container ends, or when `is_over` says so."""
        return wait_until(self.ping, running, timeout_s, is_over)

    def execution_parameters(self) -> Mapping[str, Any]:
        """What GET /execution-parameters says; nothing where the server has no such path ("optional")."""
        try:
            patience = Patience(ACCEPT_TIMEOUT_S, _PARAMETERS_TIMEOUT_S)
            answer = exchange(self._address, ("GET", "/execution-parameters"), patience)
            said = json.loads(answer.body) if answer.status == http.HTTPStatus.OK else {}
        except (NoAnswerError, ValueError):
            return {}
        return said if isinstance(said, dict) else {}

    def invoke(self, body: bytes, headers: Mapping[str, str], timeout_s: float, *, is_chunked: bool = False) -> Answer:
        """The answer to POST /invocations. NoAnswerError when it does not come as a whole within `timeout_s`."""
        sent = iter([body]) if is_chunked else body
        patience = Patience(ACCEPT_TIMEOUT_S, timeout_s)
        return exchange(self._address, ("POST", "/invocations"), patience, body=sent, headers=headers)
