"""The server under the AWS endpoint: what is answered before a body is read, and what no client can hold up."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import threading
import zlib
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings, strategies as st

from lyftlearn_image.emulation.aws.aws_chunked import ChunkSigner
from lyftlearn_image.emulation.aws.connections import Limits
from lyftlearn_image.emulation.aws.endpoint import REGION
from tests.emulation.aws.chunks import encode_chunks, signing_key
from tests.emulation.aws.conftest import BUCKET, KEY, front_of, new_gate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.emulation.aws.conftest import Front

# What a client waits at most; a test that is right waits for nothing.
PATIENCE_S = 120.0


@pytest.fixture(scope="module", autouse=True)
def an_object(front: Front) -> None:
    """In every front of this process."""
    client = front.s3()
    client.put_object(Bucket=BUCKET, Key="a", Body=b"data")
    client.close()


@contextlib.contextmanager
def connected(front: Front, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    """A client from an address of this machine."""
    with socket.create_connection(("127.0.0.1", front.port), timeout=PATIENCE_S, source_address=(source, 0)) as client:
        yield client


def head(front: Front, method: str, path: str, *, secret: str = KEY.secret_access_key, size: int = 0, **named: str) -> bytes:
    """The head of a request that is signed with the run's key, or with another secret."""
    sha256 = named.pop("sha256", "UNSIGNED-PAYLOAD")
    headers = {name.replace("_", "-"): value for name, value in named.items()}
    request = AWSRequest(method=method, url=f"{front.url}{path}", headers=headers)

    class Signer(S3SigV4Auth):
        """Of a body that is not there yet."""

        def payload(self, request: Any) -> str:  # noqa: ARG002 - botocore's signature
            return sha256

    Signer(Credentials(KEY.access_key_id, secret), "s3", REGION).add_auth(request)
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{front.port}", *([f"Content-Length: {size}"] if size else [])]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(client: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the next answer; status 0 where the server has closed."""
    received = b""
    while b"\r\n\r\n" not in received:
        if not (piece := client.recv(1)):
            return 0, {}, received
        received += piece
    lines = received.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
    body = b""
    while len(body) < int(headers.get("content-length", 0)):
        body += client.recv(int(headers["content-length"]) - len(body))
    return int(lines[0].split()[1]), headers, body


def is_closed(client: socket.socket) -> bool:
    """Whether the server sends nothing more, and closes."""
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("expects", [False, True])
@pytest.mark.parametrize("secret", ["guessed", ""])
def test_who_may_not_is_refused_before_a_byte_of_the_body(front: Front, secret: str, *, expects: bool) -> None:
    """Nothing of the announced 4 GiB is sent here, and nothing is asked for."""
    named = {"Expect": "100-continue"} if expects else {}
    text = head(front, "PUT", f"/{BUCKET}/refused", secret=secret or "x", size=4 << 30, **named)
    if not secret:
        text = b"\r\n".join(line for line in text.split(b"\r\n") if not line.lower().startswith((b"auth", b"x-amz")))
    with connected(front) as client:
        client.sendall(text)
        status, headers, body = answer(client)
        assert (status, headers["connection"]) == (403, "close")
        assert (b"SignatureDoesNotMatch" if secret else b"MissingAuthenticationToken") in body
        assert is_closed(client)


def test_who_waits_is_told_to_go_on_only_when_it_may(front: Front) -> None:
    """The body is asked for after the check, and the connection is good for the next request."""
    body = b"x" * 100_000
    with connected(front) as client:
        client.sendall(head(front, "PUT", f"/{BUCKET}/told", size=len(body), Expect="100-continue"))
        assert answer(client)[0] == 100
        client.sendall(body)
        assert answer(client)[0] == 200
        client.sendall(head(front, "GET", f"/{BUCKET}/told"))
        assert answer(client)[2] == body


def test_a_body_that_is_not_the_signed_one_is_not_stored(front: Front) -> None:
    """It is known when all of it is there."""
    with connected(front) as client:
        sha256 = hashlib.sha256(b"what was signed").hexdigest()
        client.sendall(head(front, "PUT", f"/{BUCKET}/forged", size=15, sha256=sha256) + b"what was sent..")
        status, _, body = answer(client)
        assert (status, b"XAmzContentSHA256Mismatch" in body) == (400, True)
        client.sendall(head(front, "HEAD", f"/{BUCKET}/forged"))
        assert client.recv(12) == b"HTTP/1.1 404"


def test_requests_in_one_connection_are_checked_one_by_one(front: Front) -> None:
    """Also when they come at once: the second one has no share in the first one's signature."""
    good = head(front, "GET", f"/{BUCKET}/a")
    bad = head(front, "GET", f"/{BUCKET}/a", secret="guessed")
    with connected(front) as client:
        client.sendall(good + bad + good)
        assert [answer(client)[0] for _ in range(3)] == [200, 403, 200]


SMUGGLED = b"GET /bucket/smuggled HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.mark.parametrize(
    "extra",
    [
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length : 5\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Host: other\r\n",
        b"Authorization: x\r\n",
        b"x-amz-date: 20260101T000000Z\r\n",
        b"bad header\r\n",
        b"a: \x00\r\n",
    ],
)
def test_a_request_that_two_may_read_differently_is_refused(front: Front, extra: bytes) -> None:
    """And what comes behind it is no request."""
    first, _, rest = head(front, "GET", f"/{BUCKET}/a").partition(b"\r\n")
    with connected(front) as client:
        client.sendall(first + b"\r\n" + extra + rest + (b"0\r\n\r\n" if b"chunked" in extra else b"") + SMUGGLED)
        assert 400 <= answer(client)[0] < 502
        assert is_closed(client)


@pytest.mark.parametrize(
    "line",
    [
        b"GET http://127.0.0.1/bucket/a HTTP/1.1",
        b"GET /bucket/a#b HTTP/1.1",
        b"GET * HTTP/1.1",
        b"CONNECT h:1 HTTP/1.1",
        b"get /bucket/a HTTP/1.1",
        b"GET /bucket/a HTTP/2.0",
        b"GET /bucket/\xff HTTP/1.1",
        b"GET  /bucket/a HTTP/1.1",
        b"GET /bucket/a",
    ],
)
def test_a_target_is_a_path(front: Front, line: bytes) -> None:
    """What botocore's signer would read as another one is refused."""
    with connected(front) as client:
        client.sendall(line + head(front, "GET", f"/{BUCKET}/a").removeprefix(b"GET /bucket/a HTTP/1.1"))
        assert 400 <= answer(client)[0] < 600


def test_an_old_client_gets_one_answer(front: Front) -> None:
    """HTTP/1.0 has no second request in a connection."""
    with connected(front) as client:
        client.sendall(head(front, "GET", f"/{BUCKET}/a").replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert answer(client)[2] == b"data"
        assert is_closed(client)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.integers(0, 400))
def test_no_bytes_end_the_server(front: Front, noise: bytes, at: int) -> None:
    """Noise alone, and noise in a good request: an answer or none, and the next client is served."""
    good = head(front, "GET", f"/{BUCKET}/a")
    for text in (noise, good[:at] + noise + good[at:]):
        with connected(front) as client, contextlib.suppress(ConnectionError):
            client.sendall(text)
            client.shutdown(socket.SHUT_WR)
            while client.recv(1 << 16):
                pass
    with connected(front) as client:
        client.sendall(good)
        assert answer(client)[2] == b"data"


@pytest.mark.parametrize("sent", ["", "GET /", "a body", "no body"])
def test_who_says_nothing_is_left(sent: str) -> None:
    """No head, half of one, and half of a body: none of them keeps its place for ever."""
    limits = Limits(idle_s=0.2, header_s=0.1, body_s=0.1)
    with front_of(new_gate(), limits) as front, connected(front) as client:
        if sent.endswith("body"):
            client.sendall(head(front, "PUT", f"/{BUCKET}/slow", size=100) + b"x" * (50 if sent == "a body" else 0))
            status, _, body = answer(client)
            assert (status, b"RequestTimeout" in body) == (400, True)
        else:
            client.sendall(sent.encode())
        assert is_closed(client)


def test_who_opens_many_connections_shuts_nobody_out() -> None:
    """Neither another client of the same address, nor one of another address."""
    with front_of(new_gate(), Limits(connections=12, connections_per_peer=8)) as front, contextlib.ExitStack() as stack:
        for source in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
            for _ in range(20):
                stack.enter_context(connected(front, source)).sendall(b"GET /")
        for source in ("127.0.0.1", "127.0.0.4"):
            client = stack.enter_context(connected(front, source))
            client.sendall(head(front, "GET", f"/{BUCKET}/a"))
            assert answer(client)[2] == b"data"


def test_who_uploads_at_every_connection_shuts_out_itself_alone() -> None:
    """Keys of the run are in the container of every script: its own share is what it can take."""
    with front_of(new_gate(), Limits(connections=8, connections_per_peer=4)) as front, contextlib.ExitStack() as stack:
        held = []
        for source in ("127.0.0.1", "127.0.0.2"):
            for _ in range(4):
                client = stack.enter_context(connected(front, source))
                client.sendall(head(front, "PUT", f"/{BUCKET}/{uuid4()}", size=10, Expect="100-continue"))
                assert answer(client)[0] == 100
                held.append(client)
        shut_out = stack.enter_context(connected(front, "127.0.0.1"))
        assert is_closed(shut_out)
        client = stack.enter_context(connected(front, "127.0.0.3"))
        client.sendall(head(front, "GET", f"/{BUCKET}/a"))
        assert answer(client)[2] == b"data"
        held[-1].sendall(b"x" * 10)
        assert answer(held[-1])[0] == 200


def test_an_answer_s_header_is_one_line(front: Front) -> None:
    """A client may choose some of an answer's headers, and no further ones."""
    query = "response-content-disposition=a%0D%0ASet-Cookie%3A%20b"
    with connected(front) as client:
        client.sendall(head(front, "GET", f"/{BUCKET}/a?{query}"))
        status, headers, _ = answer(client)
        assert (status, "set-cookie" in headers) == (400, False)


def test_a_server_that_is_closed_ends_its_threads() -> None:
    """With the connections that are open."""
    with front_of(new_gate()) as front, connected(front) as client:
        client.sendall(head(front, "GET", f"/{BUCKET}/a"))
        assert answer(client)[0] == 200
    for thread in [one for one in threading.enumerate() if one.name == "http-connection"]:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


CRC32 = base64.b64encode(zlib.crc32(b"data").to_bytes(4, "big")).decode()
TRAILER = {"x_amz_trailer": "x-amz-checksum-crc32", "Content_Encoding": "aws-chunked"}


def chunked_upload(front: Front, key: str, sha256: str, value: str) -> bytes:
    """A whole request of `data` in two chunks, its checksum in a trailer where that is so announced."""
    named = TRAILER if sha256.endswith("TRAILER") else {"Content_Encoding": "aws-chunked"}
    text = head(front, "PUT", f"/{BUCKET}/{key}", sha256=sha256, x_amz_decoded_content_length="4", **named)
    fields = dict(line.split(": ", 1) for line in text.decode().split("\r\n")[1:] if line)
    date = fields["X-Amz-Date"]
    scope = (date[:8], REGION, "s3", "aws4_request")
    signer = ChunkSigner(
        date, "/".join(scope), fields["Authorization"].rpartition("=")[2], signing_key(KEY.secret_access_key, *scope)
    )
    body = encode_chunks(
        [b"da", b"ta"],
        {TRAILER["x_amz_trailer"]: value} if named is TRAILER else {},
        signer if "HMAC" in sha256 else None,
    )
    return text.removesuffix(b"\r\n") + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("kind", ["AWS4-HMAC-SHA256-PAYLOAD", "AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "UNSIGNED-PAYLOAD-TRAILER"])
def test_a_body_in_chunks_is_the_object_without_them(front: Front, kind: str) -> None:
    """Signed or not, with a trailer or none; what is changed in a chunk, or is not what its trailer says, is not stored."""
    key = str(uuid4())
    good = chunked_upload(front, key, f"STREAMING-{kind}", CRC32)
    bad = [good.replace(b"\r\nda\r\n", b"\r\ndA\r\n")]
    if kind.endswith("TRAILER"):
        bad.append(chunked_upload(front, key, f"STREAMING-{kind}", "AAAAAA=="))
    with connected(front) as client:
        for text in bad:
            client.sendall(text)
            assert answer(client)[0] in {400, 403}
            client.sendall(head(front, "HEAD", f"/{BUCKET}/{key}"))
            assert client.recv(12) == b"HTTP/1.1 404"
            while not client.recv(1 << 16).endswith(b"\r\n\r\n"):
                pass
        client.sendall(good)
        assert answer(client)[0] == 200
        client.sendall(head(front, "GET", f"/{BUCKET}/{key}"))
        _, headers, body = answer(client)
        assert (body, "content-encoding" in headers) == (b"data", False)


@pytest.mark.parametrize("last", [(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n"), (b"HTTP/1.1", b"HTTP/1.0")])
@pytest.mark.parametrize("body", [b"", b"x", b"x" * 300_000])
def test_a_client_s_last_request_is_answered_and_its_connection_closed(
    front: Front, last: tuple[bytes, bytes], body: bytes
) -> None:
    """Whatever it sends, a client that says so waits for the answer: urllib does, and what is older than HTTP/1.1."""
    for secret, status in ((KEY.secret_access_key, 200), ("another", 403)):
        with connected(front) as client:
            client.sendall(head(front, "PUT", f"/{BUCKET}/last", secret=secret, size=len(body)).replace(*last, 1) + body)
            assert answer(client)[0] == status
            assert is_closed(client)
