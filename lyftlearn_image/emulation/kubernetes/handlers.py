"""What a hook or a probe does: a command in the container, an HTTP request or a connection to the pod, a pause.

Sources: kubernetes.io/docs "Container Lifecycle Hooks" and "Configure Liveness, Readiness and Startup Probes"; recorded in
pods, cases 09 and 20. Requests come from this machine, as a kubelet's come from the node: a server on 127.0.0.1 is not
reached.
"""

from __future__ import annotations

import http
import http.client
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from lyftlearn_image.errors import InvalidInputError, RunError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.emulation.docker.running_container import RunningContainer


class Outcome(NamedTuple):
    """Whether a handler succeeded, and what there is to tell."""

    succeeded: bool
    output: str = ""


def carry_out(  # noqa: PLR0913 - a handler and all that it may reach
    handler: Mapping[str, Any],
    container: Mapping[str, Any],
    running: RunningContainer,
    ip: str,
    *,
    timeout_s: float,
    interrupt: threading.Event | None = None,
) -> Outcome:
    """Carries a handler out. `interrupt` ends a pause early."""
    if "exec" in handler:
        return _execute(handler["exec"], running, timeout_s)
    if "httpGet" in handler:
        return _get(handler["httpGet"], container, ip, timeout_s)
    if "tcpSocket" in handler:
        return _connect(handler["tcpSocket"], container, ip, timeout_s)
    if "sleep" in handler:
        return _pause(float(handler["sleep"]["seconds"]), timeout_s, interrupt)
    raise InvalidInputError("a hook or probe must have one of exec, httpGet, tcpSocket, sleep")


def port_number(port: str | int, container: Mapping[str, Any]) -> int:
    """A port's number, by number or by its name in the container's `ports`."""
    if isinstance(port, int) or str(port).isdigit():
        return int(port)
    for one in container.get("ports") or ():
        if one.get("name") == port:
            return int(one["containerPort"])
    raise InvalidInputError(f"port {port!r}: the container {container['name']!r} names no such port")


def _execute(action: Mapping[str, Any], running: RunningContainer, timeout_s: float) -> Outcome:
    try:
        end = running.execute(tuple(map(str, action.get("command") or ())), timeout_s)
    except RunError as error:
        return Outcome(succeeded=False, output=str(error))
    if end.exit_code is None:
        return Outcome(succeeded=False, output=f"command timed out after {timeout_s:g}s")
    return Outcome(end.exit_code == 0, end.output.decode("utf-8", "replace"))


def _get(action: Mapping[str, Any], container: Mapping[str, Any], ip: str, timeout_s: float) -> Outcome:
    """Success is a status from 200 to 399; a certificate is not verified (kubernetes pkg/probe/http)."""
    host, port = action.get("host") or ip, port_number(action["port"], container)
    connection: http.client.HTTPConnection
    if action.get("scheme") == "HTTPS":
        unverified = ssl._create_unverified_context()  # noqa: S323, SLF001 - as the kubelet does
        connection = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=unverified)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    headers = {"User-Agent": "kube-probe/1.36", "Accept": "*/*"}
    headers |= {str(one["name"]): str(one["value"]) for one in action.get("httpHeaders") or ()}
    try:
        connection.request("GET", action.get("path") or "/", headers=headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return Outcome(succeeded=False, output=f"Get {host}:{port}: {error}")
    finally:
        connection.close()
    is_success = http.HTTPStatus.OK <= status < http.HTTPStatus.BAD_REQUEST
    return Outcome(is_success, f"HTTP probe failed with statuscode: {status}" if not is_success else "")


def _connect(action: Mapping[str, Any], container: Mapping[str, Any], ip: str, timeout_s: float) -> Outcome:
    address = (str(action.get("host") or ip), port_number(action["port"], container))
    try:
        socket.create_connection(address, timeout_s).close()
    except OSError as error:
        return Outcome(succeeded=False, output=f"dial tcp {address[0]}:{address[1]}: {error}")
    return Outcome(succeeded=True)


def _pause(seconds: float, timeout_s: float, interrupt: threading.Event | None) -> Outcome:
    (interrupt or threading.Event()).wait(min(seconds, timeout_s))
    return Outcome(succeeded=seconds <= timeout_s)
