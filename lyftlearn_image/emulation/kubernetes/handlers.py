"""Handlers of lifecycle hooks and probes: a command in the container, an HTTP request or TCP connection to the pod, a sleep.

Sources: kubernetes.io/docs "Container Lifecycle Hooks" and "Configure Liveness, Readiness and Startup Probes"; recorded in
pods, cases 09 and 20. Requests come from this machine, as a kubelet's come from the node: they do not reach a server that
listens on the container's 127.0.0.1.
"""

from __future__ import annotations

import http
import http.client
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lyftlearn_image.errors import InvalidInputError, RunError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.emulation.docker.running_container import RunningContainer


class HandlerResult(NamedTuple):
    """Whether a handler succeeded, and its output or error message."""

    succeeded: bool
    output: str = ""


@dataclass(frozen=True)
class HandlerTarget:
    """What a handler acts on: a container of a manifest, the running container, and the IP of its pod."""

    container: Mapping[str, Any]
    running: RunningContainer
    ip: str

    def port_number(self, port: str | int) -> int:
        """The number of a port that is given by number, or by its name in the container's `ports`."""
        if isinstance(port, int) or str(port).isdigit():
            return int(port)
        for named in self.container.get("ports") or ():
            if named.get("name") == port:
                return int(named["containerPort"])
        raise InvalidInputError(f"port {port!r}: the container {self.container['name']!r} names no such port")


def run_handler(
    handler: Mapping[str, Any], target: HandlerTarget, *, timeout_s: float, interrupt: threading.Event | None = None
) -> HandlerResult:
    """Runs the handler of a hook or a probe. `interrupt` ends a sleep early."""
    if "exec" in handler:
        return _run_command(handler["exec"], target.running, timeout_s)
    if "httpGet" in handler:
        return _http_get(handler["httpGet"], target, timeout_s)
    if "tcpSocket" in handler:
        return _connect(handler["tcpSocket"], target, timeout_s)
    if "sleep" in handler:
        return _sleep(float(handler["sleep"]["seconds"]), timeout_s, interrupt)
    raise InvalidInputError("a hook or probe must have one of exec, httpGet, tcpSocket, sleep")


def _run_command(action: Mapping[str, Any], running: RunningContainer, timeout_s: float) -> HandlerResult:
    try:
        result = running.execute(tuple(map(str, action.get("command") or ())), timeout_s)
    except RunError as error:
        return HandlerResult(succeeded=False, output=str(error))
    if result.exit_code is None:
        return HandlerResult(succeeded=False, output=f"command timed out after {timeout_s:g}s")
    return HandlerResult(result.exit_code == 0, result.output.decode("utf-8", "replace"))


def _http_get(action: Mapping[str, Any], target: HandlerTarget, timeout_s: float) -> HandlerResult:
    """Succeeds for a status from 200 to 399; certificates are not verified (kubernetes pkg/probe/http)."""
    host, port = action.get("host") or target.ip, target.port_number(action["port"])
    connection: http.client.HTTPConnection
    if action.get("scheme") == "HTTPS":
        unverified = ssl._create_unverified_context()  # noqa: S323, SLF001 - as the kubelet does
        connection = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=unverified)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    headers = {"User-Agent": "kube-probe/1.36", "Accept": "*/*"}
    headers |= {str(header["name"]): str(header["value"]) for header in action.get("httpHeaders") or ()}
    try:
        connection.request("GET", action.get("path") or "/", headers=headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return HandlerResult(succeeded=False, output=f"Get {host}:{port}: {error}")
    finally:
        connection.close()
    is_success = http.HTTPStatus.OK <= status < http.HTTPStatus.BAD_REQUEST
    return HandlerResult(is_success, "" if is_success else f"HTTP probe failed with statuscode: {status}")


def _connect(action: Mapping[str, Any], target: HandlerTarget, timeout_s: float) -> HandlerResult:
    address = (str(action.get("host") or target.ip), target.port_number(action["port"]))
    try:
        socket.create_connection(address, timeout_s).close()
    except OSError as error:
        return HandlerResult(succeeded=False, output=f"dial tcp {address[0]}:{address[1]}: {error}")
    return HandlerResult(succeeded=True)


def _sleep(seconds: float, timeout_s: float, interrupt: threading.Event | None) -> HandlerResult:
    (interrupt or threading.Event()).wait(min(seconds, timeout_s))
    return HandlerResult(succeeded=seconds <= timeout_s)
