"""How much a server takes: requests at the same time, and bytes in each of them."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, wait
from typing import TYPE_CHECKING

import pytest

from tests.runtime.serving.conftest import refusal

if TYPE_CHECKING:
    import socket

    from tests.runtime.serving.conftest import Answer, ModelServer, Serving

MIB = 1 << 20
SIZE = "def model_fn(d): return 1\ndef transform_fn(model, body, content_type, accept): return str(len(body))\n"
COUNTING = """
import os, threading, time
lock, now, most = threading.Lock(), 0, 0
def model_fn(model_dir):
    return "model"
def transform_fn(model, body, content_type, accept):
    global now, most
    with lock:
        now += 1
        most = max(most, now)
    while not os.path.exists("/tmp/go"):
        time.sleep(0.01)
    time.sleep(0.01)
    with lock:
        now -= 1
    return str(most)
"""
HEAD = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"


def answered(connection: socket.socket) -> bytes:
    """Everything that a server sends until it closes."""
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def test_so_many_run_so_many_wait_and_the_rest_is_refused(serving: Serving) -> None:
    """With two that run and one that waits, five of eight requests get 429 with Retry-After; /ping stays 200."""
    server = serving.start(COUNTING, env={"LYFTLEARN_SERVE_CONCURRENCY": "2", "LYFTLEARN_SERVE_QUEUE": "1"})
    waiting = {server.later([number]) for number in range(8)}
    refused: list[Answer] = []
    while len(refused) < 5:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED, timeout=60)
        assert done
        refused += [one.result() for one in done]
    assert [(one.status, one.headers["retry-after"]) for one in refused] == [(429, "1")] * 5
    assert server.ping() == 200
    server.go()
    taken = [one.result() for one in waiting]
    assert [one.status for one in taken] == [200] * 3
    assert max(int(one.body) for one in taken) == 2


def test_a_burst_of_clients_is_answered(serving: Serving) -> None:
    """Sixteen at once, of whom one is served at a time: all are, for none waits longer than clients do."""
    server = serving.start(COUNTING, env={"LYFTLEARN_SERVE_CONCURRENCY": "1"})
    waiting = [server.later([number]) for number in range(16)]
    server.go()
    assert [one.result().status for one in waiting] == [200] * 16


def test_a_transform_job_gets_all_the_places_it_asks_for(serving: Serving) -> None:
    """MaxConcurrentTransforms requests are all taken, however few CPUs there are."""
    env = {"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "12", "LYFTLEARN_SERVE_CONCURRENCY": "1"}
    server = serving.start(COUNTING, env=env)
    waiting = [server.later([number]) for number in range(12)]
    server.go()
    assert [one.result().status for one in waiting] == [200] * 12
    assert {one.result().body for one in waiting} == {b"1"}


def test_a_request_whose_client_has_gone_is_not_run(serving: Serving) -> None:
    """What waits in the queue is dropped when its client hangs up, and its place is free again."""
    server = serving.start(
        "import os, time\ndef model_fn(d): return 1\n"
        "def transform_fn(model, body, content_type, accept):\n print('run', body.decode(), flush=True)\n"
        " while not os.path.exists('/tmp/go'): time.sleep(0.01)\n return body\n",
        env={"LYFTLEARN_SERVE_CONCURRENCY": "1", "LYFTLEARN_SERVE_QUEUE": "1"},
    )
    with server.socket() as first, server.socket() as second:
        first.sendall(HEAD + b"Connection: close\r\nContent-Length: 5\r\n\r\nfirst")
        server.says("run first")
        second.sendall(HEAD + b"Content-Length: 6\r\n\r\nsecond")
        # The queue is full as soon as the second one is in it.
        while server.invoke(b"other").status != 429:
            pass
        second.close()
        server.go()
        assert answered(first).endswith(b"first")
    assert server.invoke(b"third", "application/octet-stream").body == b"third"
    assert "run second" not in server.logs()


@pytest.fixture
def small(serving: Serving) -> ModelServer:
    """A server that takes 1 MiB."""
    return serving.start(SIZE, env={"MAX_PAYLOAD_IN_MB": "1"})


def test_a_body_of_the_limit_is_taken_and_one_byte_more_is_not(small: ModelServer) -> None:
    """MAX_PAYLOAD_IN_MB is in MiB, and exact; a client that sends all of its body before it reads sees the 413."""
    assert small.invoke(b"x" * MIB, "application/octet-stream").body == str(MIB).encode()
    for size in (MIB + 1, 3 * MIB):
        answer = small.invoke(b"x" * size, "application/octet-stream")
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert answer.json == refusal(
            413, "BadRequestException", "the body has more than 1048576 bytes, which is the limit of this server"
        )
    assert small.ping() == 200


def test_a_declared_length_is_refused_before_the_body(small: ModelServer) -> None:
    """413 comes when only the header has been sent."""
    with small.socket() as connection:
        connection.sendall(HEAD + b"Content-Length: 1048577\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body_is_refused_at_the_limit(small: ModelServer) -> None:
    """413 comes while a chunked body is being sent, whose end nobody knows, and then the connection is closed."""
    with small.socket() as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        for _ in range(16):
            connection.sendall(chunk)
        connection.sendall(b"1\r\nx\r\n")
        assert answered(connection).startswith(b"HTTP/1.1 413 ")
    assert small.ping() == 200


def test_a_chunked_body_within_the_limit_is_taken(small: ModelServer) -> None:
    """A body in chunks is put together."""
    with small.socket() as connection:
        connection.sendall(HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"3\r\nabc\r\n" * 4 + b"0\r\n\r\n")
        assert answered(connection).endswith(b"\r\n\r\n12")


def test_a_body_that_never_ends_is_read_to_a_bound(small: ModelServer) -> None:
    """A client that sends for ever is cut off: the server does not read all of what it is sent."""
    with small.socket() as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            connection.sendall(chunk * 4096)
    assert small.ping() == 200


def test_without_a_limit_every_length_is_taken(serving: Serving) -> None:
    """MaxPayloadInMB of 0 is a transform job's way to say that records come in a body of any length; else it is 6 MiB."""
    server = serving.start(SIZE, env={"SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"})
    body = b"x" * (6 * MIB + 1)
    assert server.invoke(body, "application/octet-stream").body == str(len(body)).encode()
    assert serving.start(SIZE).invoke(body, "application/octet-stream").status == 413


def test_an_answer_does_not_wait_for_acknowledgements(serving: Serving) -> None:
    """Connections have TCP_NODELAY: the body of an answer is sent at once, not when the header is acknowledged."""
    server = serving.start("""
        import os, socket

        def model_fn(model_dir):
            return None

        def connections():
            for name in os.listdir("/proc/self/fd"):
                try:
                    one = socket.socket(fileno=os.dup(int(name)))
                except OSError:
                    continue
                with one:
                    listens = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                    if one.family in {socket.AF_INET, socket.AF_INET6} and not listens:
                        yield bool(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

        def transform_fn(model, body, content_type, accept):
            return str(list(connections()))
    """)
    connection = server.connect()
    connection.request("POST", "/invocations", b"{}")
    assert connection.getresponse().read() == b"[True]"
    connection.close()
