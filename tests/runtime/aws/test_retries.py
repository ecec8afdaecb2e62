"""What is tried again and for how long, and what is told at once."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from lyftlearn_runtime import resolver
from lyftlearn_runtime.errors import ShimError
from tests.runtime.aws.server import GOOD, KEYS, PLANTED, Server, environ_of, send, silence

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.server import BaseHTTPRequestHandler


def break_off(handler: BaseHTTPRequestHandler) -> None:
    """Half an answer, and the connection is gone."""
    send(handler, 200, GOOD[:5], len(GOOD))
    handler.close_connection = True


def drip(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then, without end."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    while True:
        handler.wfile.write(b" ")
        time.sleep(0.05)


def flood(handler: BaseHTTPRequestHandler) -> None:
    """As many bytes as somebody takes."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * 65536)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda handler: send(handler, 500, b""), id="500"),
        pytest.param(lambda handler: send(handler, 503, b"<html>busy</html>"), id="503"),
        pytest.param(lambda handler: send(handler, 400, b'{"__type":"ThrottlingException"}'), id="throttling"),
        pytest.param(lambda handler: send(handler, 429, b""), id="too many requests"),
        pytest.param(break_off, id="half a body"),
        pytest.param(silence, id="no answer"),
        pytest.param(lambda handler: handler.connection.shutdown(socket.SHUT_RDWR), id="connection closed"),
    ],
)
def test_what_a_moment_heals_is_tried_again(
    serve: Callable[..., Server], fault: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    """Twice bad, then good: the start goes on."""
    server = serve(lambda handler, number: fault(handler) if number < 3 else send(handler, 200, GOOD))
    assert resolver.resolve(["aws-sm://name"], environ_of(server)).values == {"aws-sm://name": "value"}
    assert len(server.requests) == 3


@pytest.mark.parametrize("fault", [drip, flood, silence])
def test_no_server_holds_a_start_beyond_its_deadline(
    serve: Callable[..., Server], fault: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    """A dripping, an endless and a missing answer end in one line, by LYFTLEARN_FETCH_TIMEOUT: by themselves they never do."""
    server = serve(lambda handler, _: fault(handler))
    with pytest.raises(ShimError, match="aws-sm://name: ") as caught:
        resolver.resolve(["aws-sm://name"], environ_of(server, LYFTLEARN_FETCH_TIMEOUT="0.7"))
    assert caught.value.exit_code == 69


@pytest.mark.parametrize(
    ("status", "body", "code", "told"),
    [
        (400, b'{"__type":"ResourceNotFoundException"}', 69, "ResourceNotFoundException; check the name and the region"),
        (400, b'{"__type":"com.amazonaws#AccessDeniedException"}', 77, "needs secretsmanager:GetSecretValue"),
        (400, b'{"__type":"ExpiredTokenException"}', 77, "ExpiredTokenException"),
        (403, b"{}", 77, "status 403"),
        (200, b"<html>proxy</html>", 69, "gave no answer that can be read (status 200)"),
        (200, b"[]", 69, "gave no answer that can be read"),
        (200, b"{}", 69, "Secrets Manager at http://127.0.0.1"),
        (404, b"", 69, "gave no answer that can be read (status 404)"),
    ],
)
def test_a_refusal_is_told_at_once(serve: Callable[..., Server], status: int, body: bytes, code: int, told: str) -> None:
    """Which reference, which source, why, what to do; and it is not tried again."""
    server = serve(lambda handler, _: send(handler, status, body))
    with pytest.raises(ShimError) as caught:
        resolver.resolve(["aws-sm://prod/db"], environ_of(server))
    assert caught.value.exit_code == code
    assert caught.value.message.startswith("aws-sm://prod/db: Secrets Manager at http://127.0.0.1")
    assert told in caught.value.message
    assert len(server.requests) == 1
    assert PLANTED not in caught.value.message


def test_nobody_listening_ends_at_the_deadline() -> None:
    """The line says how often it was tried."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        environ = {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{taken.getsockname()[1]}", "LYFTLEARN_FETCH_TIMEOUT": "0.5"}
        with pytest.raises(ShimError, match=r"Connection refused \([0-9]+ tries\)") as caught:
            resolver.resolve(["aws-sm://name"], environ)
    assert caught.value.exit_code == 69


def test_an_unknown_host_is_told(serve: Callable[..., Server]) -> None:
    """`.invalid` is nobody's (RFC 2606)."""
    environ = {**KEYS, "AWS_ENDPOINT_URL": "http://secrets.invalid", "LYFTLEARN_FETCH_TIMEOUT": "0.5"}
    with pytest.raises(ShimError, match="aws-sm://name: ") as caught:
        resolver.resolve(["aws-sm://name"], environ)
    assert caught.value.exit_code == 69


def test_a_clock_that_is_wrong_is_made_right_by_the_services_own(serve: Callable[..., Server]) -> None:
    """The second signature has the time of the Date header of the refusal."""

    def answer(handler: BaseHTTPRequestHandler, number: int) -> None:
        if number > 1:
            send(handler, 200, GOOD)
            return
        handler.send_response_only(400)
        handler.send_header("Date", "Wed, 01 Jan 2031 00:00:00 GMT")
        body = b'{"__type":"InvalidSignatureException","message":"Signature expired: is now earlier than"}'
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    server = serve(answer)
    assert resolver.resolve(["aws-sm://name"], environ_of(server)).values == {"aws-sm://name": "value"}
    assert server.requests[1][1]["X-Amz-Date"].startswith("20310101T0000")


def test_three_hundred_containers_that_start_together_all_start(serve: Callable[..., Server]) -> None:
    """A service that takes 40 requests in 0.4 s and throttles the others gives every one its secret in time."""
    taken: list[float] = []
    lock = threading.Lock()

    def answer(handler: BaseHTTPRequestHandler, _: int) -> None:
        with lock:
            now = time.monotonic()
            taken[:] = [one for one in taken if now - one < 0.4]
            is_free = len(taken) < 40
            if is_free:
                taken.append(now)
        send(handler, 200, GOOD) if is_free else send(handler, 400, b'{"__type":"ThrottlingException"}')

    server = serve(answer)
    found: list[object] = []

    def start() -> None:
        try:
            environ = environ_of(server, LYFTLEARN_FETCH_TIMEOUT="30")
            found.append(resolver.resolve(["aws-sm://name"], environ).values["aws-sm://name"])
        except ShimError as error:
            found.append(error.message)

    threads = [threading.Thread(target=start) for _ in range(300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["value"] * 300
    assert len(server.requests) > 300, "nobody was throttled, so nothing was shown"
