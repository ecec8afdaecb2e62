"""Commands in containers, over a WebSocket (kubernetes/kubernetes KEP-4006; the channels of v5.channel.k8s.io)."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING

from tests.services.kubernetes.simulator.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from http.server import BaseHTTPRequestHandler

    from tests.services.kubernetes.simulator.cluster import Cluster
    from tests.services.kubernetes.simulator.server import Request

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
_BINARY, _CLOSE, _ERROR_CHANNEL = 0x82, 0x88, b"\x03"


def answer_exec(
    handler: BaseHTTPRequestHandler, cluster: Cluster, request: Request, query: Mapping[str, Sequence[str]]
) -> None:
    """Runs a command that sends SIGTERM to PID 1, and tells its end on the channel for errors."""
    with cluster.lock:
        pod = cluster.pod(request.name, request.namespace or "default")
        container = request.query.get("container", "main")
        if container not in pod.running():
            raise Refusal(400, f"container {container} not found in pod {pod.name}_{pod.namespace}")
        if pod.has_shell:
            end = {"status": "Success", "metadata": {}}
            if query["command"] == ["/bin/sh", "-c", "kill -TERM 1"]:
                pod.is_signalled = True
        else:
            told = 'exec: "/bin/sh": stat /bin/sh: no such file or directory'
            end = {"status": "Failure", "metadata": {}, "reason": "InternalError", "message": told, "code": 500}
    key = handler.headers["Sec-WebSocket-Key"] + _GUID
    handler.send_response(101)
    handler.send_header("Upgrade", "websocket")
    handler.send_header("Connection", "Upgrade")
    handler.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())  # noqa: S324 - RFC 6455
    handler.send_header("Sec-WebSocket-Protocol", "v5.channel.k8s.io")
    handler.end_headers()
    message = _ERROR_CHANNEL + json.dumps(end).encode()
    length = bytes([len(message)]) if len(message) < 126 else b"\x7e" + len(message).to_bytes(2, "big")
    handler.wfile.write(bytes([_BINARY]) + length + message + bytes([_CLOSE, 2]) + (1000).to_bytes(2, "big"))
    handler.close_connection = True
