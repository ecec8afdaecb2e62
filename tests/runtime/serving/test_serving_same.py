"""However a request is carried out, its answer is the same: inline or in the lane, on httptools and uvloop or h11."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

if TYPE_CHECKING:
    from tests.runtime.serving.conftest import ModelServer, Serving

# A body tells what comes back; "where" says which thread it was, in a header that is not compared.
HANDLERS = """
import asyncio, threading, time

def model_fn(model_dir):
    return "model"

async def soon(value):
    await asyncio.sleep(0)
    return value

def transform_fn(model, body, content_type, accept, context):
    name = threading.current_thread().name
    context.set_response_header(0, "X-Thread", "loop" if name == "MainThread" else "lane")
    text = body if isinstance(body, str) else body.decode("latin-1")
    if text.startswith("status"):
        context.set_response_status(int(text[6:9]))
    elif text.startswith("fail"):
        raise KeyError(text)
    elif text.startswith("loop"):
        return asyncio.run(soon(text))
    elif text.startswith("slow"):
        time.sleep(0.2)
    elif text.startswith("pieces"):
        return (one for one in text.split())
    elif text.startswith("odd"):
        context.set_response_header(0, "X-Odd", "a\\nb")
    elif text.startswith("json"):
        return {"text": text, "types": [content_type, accept]}
    return text, content_type
"""
NOT_THERE = "raise ImportError\n"
WORDS = ("", "x", "status204", "status418", "fail", "loop", "pieces a b", "odd", "json", "a" * 100)


class Parts(NamedTuple):
    """What of an answer is compared."""

    status: bytes
    headers: frozenset[tuple[bytes, bytes]]
    body: bytes


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One request as bytes, mostly of the right form; it closes its connection, so that the answer has an end."""
    method = draw(st.sampled_from([b"POST"] * 8 + [b"GET", b"HEAD", b"PUT", b"OPTIONS"]))
    path = draw(
        st.sampled_from([b"/invocations"] * 8 + [b"/ping", b"/invocations?a=b", b"/ping/", b"/no", b"/execution-parameters"])
    )
    version = draw(st.sampled_from([b"HTTP/1.1"] * 8 + [b"HTTP/1.0"]))
    body = draw(st.sampled_from(WORDS)).encode()
    lines = [b"Host: here"] if draw(st.integers(0, 15)) else []
    for name, values in (
        (b"Content-Type", [b"text/csv", b"application/json; charset=utf-8", b"a/b", b""]),
        (b"accept", [b"text/csv;q=0.1", b"*/*", b"application/x-npy", b"image/*, a/b"]),
        (b"Content-Encoding", [b"gzip", b"identity"]),
        (b"X-One", [b"1", b"\xe4"]),
    ):
        lines += [name + b": " + draw(st.sampled_from(values)) for _ in range(draw(st.sampled_from([0, 1, 1, 2])))]
    if draw(st.integers(0, 3)):
        lines.append(b"Content-Length: %d" % len(body))
    else:
        lines.append(b"Transfer-Encoding: chunked")
        body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
    if not draw(st.integers(0, 7)):
        lines.append(draw(st.sampled_from([b"no colon", b"Content-Length: x", b"Bad Name: 1", b"Expect: 100-continue"])))
    return b"\r\n".join((method + b" " + path + b" " + version, *lines, b"Connection: close", b"", body))


def answer(server: ModelServer, request: bytes, cut: int) -> Parts:
    """What a server sends until it closes, for a request that comes in two pieces."""
    with server.socket() as connection:
        for piece in (request[:cut], request[cut:]):
            connection.sendall(piece) if piece else None
        content = b""
        while True:
            try:
                piece = connection.recv(65536)
            except ConnectionResetError:
                break
            if not piece:
                break
            content += piece
    content = content.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    head, _, body = content.partition(b"\r\n\r\n")
    status, *headers = head.split(b"\r\n")
    if body == b"Invalid HTTP request received.":
        headers = []  # the parsers' own, which each spells in its way
    # h11 spells its own names otherwise, which mean the same.
    named = {name.lower(): value for name, _, value in (one.partition(b":") for one in headers)}
    return Parts(
        status, frozenset(one for one in named.items() if one[0] not in {b"date", b"x-thread", b"content-length"}), body
    )


@pytest.fixture
def servers(serving: Serving) -> list[ModelServer]:
    """Inline on httptools and uvloop, all in the lane there, and on h11 and asyncio."""
    plain = {"code/httptools.py": NOT_THERE, "code/uvloop.py": NOT_THERE}
    return [
        serving.start(HANDLERS),
        serving.start(HANDLERS, env={"LYFTLEARN_SERVE_INLINE": "0"}),
        serving.start(HANDLERS, files=plain, env={"PYTHONPATH": "/opt/ml/code"}),
    ]


def until_inline(server: ModelServer) -> None:
    """Asks until an answer comes from the loop's thread."""
    from tests.runtime.serving.conftest import until

    until(lambda: server.invoke(b"a" * 200, "a/b").headers["x-thread"] == "loop", "handlers run inline")


def test_every_way_gives_the_same_answer(servers: list[ModelServer]) -> None:
    """Generated requests, good and bad, whole and in two pieces, are answered alike to the byte, less the date."""
    until_inline(servers[0])
    until_inline(servers[2])

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(request=requests(), share=st.sampled_from([0.0, 0.5, 0.9, 1.0]))
    def same(request: bytes, share: float) -> None:
        first, *others = (answer(one, request, int(len(request) * share)) for one in servers)
        for other in others:
            assert other == first

    same()


def test_requests_in_one_connection_are_answered_in_their_order(servers: list[ModelServer]) -> None:
    """Pipelined requests, of which some run inline and some in the lane, are answered one after the other."""
    words = [b"a", b"b" * 300, b"slow", b"c", b"pieces d e", b"f" * 400, b"g"]
    sent = b"".join(
        b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\nContent-Length: %d\r\n\r\n%s" % (len(one), one)
        for one in words
    )
    last = b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    for server in servers:
        with server.socket() as connection:
            connection.sendall(sent + last)
            content = b""
            while piece := connection.recv(65536):
                content += piece
        places = [
            content.index(one)
            for one in (b"\r\n\r\na", b"b" * 300, b"slow", b"\r\n\r\nc", b"\r\nd\r\n", b"f" * 400, b"\r\n\r\ng")
        ]
        assert places == sorted(places)
        assert content.count(b"HTTP/1.1 200 OK") == len(words) + 1


def test_a_handler_that_proves_slow_goes_to_the_lane(servers: list[ModelServer]) -> None:
    """Short calls run in the loop; one that stalls sends those that follow to the lane; long bodies go there anyway."""
    server = servers[0]
    assert server.invoke(b"x", "a/b").headers["x-thread"] == "lane"
    until_inline(server)
    assert server.invoke(b"a" * 4000, "a/b").headers["x-thread"] == "lane"
    server.invoke(b"slow", "a/b")
    assert server.invoke(b"x", "a/b").headers["x-thread"] == "lane"
    assert servers[1].invoke(b"x", "a/b").headers["x-thread"] == "lane"


def test_ping_is_answered_while_all_handlers_are_busy(servers: list[ModelServer]) -> None:
    """A handler that has proved slow stands in nobody's way: /ping comes while it runs."""
    for server in servers:
        server.invoke(b"slow", "a/b")
        running = [server.later(b"slow") for _ in range(6)]
        assert server.ping() == 200
        assert [one.result().status for one in running] == [200] * 6


def test_a_head_that_never_ends_is_refused(servers: list[ModelServer]) -> None:
    """A request's head has a bound on either parser: 400 and the end of the connection."""
    for server in servers:
        with server.socket() as connection:
            connection.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\n")
            try:
                for _ in range(64):
                    connection.sendall(b"X-Long: " + b"x" * 8192 + b"\r\n")
                connection.shutdown(socket.SHUT_WR)
                assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
            except (BrokenPipeError, ConnectionResetError):
                pass
        assert server.ping() == 200
