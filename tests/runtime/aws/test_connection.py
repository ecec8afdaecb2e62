"""Certificates and proxies: on which way a request goes, and whom it trusts."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest

from lyftlearn_runtime import resolver
from lyftlearn_runtime.errors import ShimError
from tests.runtime.aws.server import GOOD, KEYS, PLANTED, Server, environ_of, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.mark.parametrize(
    ("host", "trusts", "told"),
    [
        pytest.param("localhost", True, None, id="right"),
        pytest.param("127.0.0.1", True, "IP address mismatch", id="another name"),
        pytest.param("localhost", False, "self-signed certificate", id="nobody vouches for it"),
    ],
)
def test_certificates_are_always_verified(
    serve: Callable[..., Server],
    certificate: Path,
    host: str,
    trusts: bool,  # noqa: FBT001 - a case
    told: str | None,
) -> None:
    """AWS_CA_BUNDLE is the way to trust another authority; there is none to trust everybody."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(certificate)
    server = serve(lambda handler, _: send(handler, 200, GOOD), trust)
    bundle = {"AWS_CA_BUNDLE": str(certificate)} if trusts else {}
    environ = {**environ_of(server), "AWS_ENDPOINT_URL": f"https://{host}:{server.port}", **bundle}
    if told is None:
        assert resolver.resolve(["aws-sm://name"], environ).values == {"aws-sm://name": "value"}
        return
    with pytest.raises(ShimError, match=told) as caught:
        resolver.resolve(["aws-sm://name"], environ)
    assert "set AWS_CA_BUNDLE" in caught.value.message


def test_a_missing_ca_bundle_is_told() -> None:
    """Falling back to the system's authorities would hide the mistake."""
    environ = {**KEYS, "AWS_ENDPOINT_URL": "https://127.0.0.1:9", "AWS_CA_BUNDLE": "/nowhere/ca.pem"}
    with pytest.raises(ShimError, match=r"there is no /nowhere/ca\.pem"):
        resolver.resolve(["aws-sm://name"], environ)


def test_a_proxy_is_asked_for_everything_but_this_machines_own(serve: Callable[..., Server]) -> None:
    """A plain request names its whole URL and the proxy's account; NO_PROXY and loopback are reached directly."""
    proxy = serve(lambda handler, _: send(handler, 200, GOOD))
    environ = {**KEYS, "HTTP_PROXY": f"http://user:p%40ss@127.0.0.1:{proxy.port}", "LYFTLEARN_FETCH_TIMEOUT": "2"}
    given = {**environ, "AWS_ENDPOINT_URL": "http://secrets.example.test"}
    assert resolver.resolve(["aws-sm://name"], given).values == {"aws-sm://name": "value"}
    path, headers, _ = proxy.requests[0]
    assert path == "http://secrets.example.test/"
    assert headers["Proxy-Authorization"] == "Basic dXNlcjpwQHNz"
    with pytest.raises(ShimError, match=r"secrets\.example\.test"):
        resolver.resolve(["aws-sm://name"], {**given, "no_proxy": ".example.test"})
    direct = serve(lambda handler, _: send(handler, 200, GOOD))
    resolver.resolve(["aws-sm://name"], {**environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{direct.port}"})
    assert (len(direct.requests), len(proxy.requests)) == (1, 1)


def test_an_encrypted_request_goes_through_a_tunnel(certificate: Path, serve: Callable[..., Server]) -> None:
    """The proxy sees a host's name and a port, and the certificate of the other end is verified all the same."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(certificate)
    server = serve(lambda handler, _: send(handler, 200, GOOD), trust)
    asked: list[str] = []
    with tunnel(server.port, asked) as port:
        environ = {
            **KEYS,
            "AWS_ENDPOINT_URL": "https://lyftlearn.test",
            "HTTPS_PROXY": f"http://127.0.0.1:{port}",
            "LYFTLEARN_FETCH_TIMEOUT": "3",
        }
        trusting = {**environ, "AWS_CA_BUNDLE": str(certificate)}
        assert resolver.resolve(["aws-sm://name"], trusting).values == {"aws-sm://name": "value"}
        with pytest.raises(ShimError, match="not trusted"):
            resolver.resolve(["aws-sm://name"], environ)
    assert asked[0].startswith("CONNECT lyftlearn.test:443 ")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        pytest.param(None, "refused", id="nobody listens"),
        pytest.param(b"", "timed out", id="silent"),
        pytest.param(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "407", id="no account"),
        pytest.param(b"no HTTP at all\r\n\r\n", "no HTTP at all", id="no proxy"),
    ],
)
def test_a_proxy_that_does_not_answer_is_named(scheme: str, answer: bytes | None, told: str) -> None:
    """And not what is behind it, which was never asked; nor the proxy's password."""
    with answering(answer) as port:
        environ = {
            **KEYS,
            "AWS_ENDPOINT_URL": f"{scheme}://secrets.example.test",
            f"{scheme}_proxy": f"http://user:{PLANTED}@127.0.0.1:{port}",
            "LYFTLEARN_FETCH_TIMEOUT": "1",
        }
        with pytest.raises(ShimError, match=told) as caught:
            resolver.resolve(["aws-sm://name"], environ)
    assert f"aws-sm://name: the proxy 127.0.0.1:{port}: " in caught.value.message
    assert "secrets.example.test" not in caught.value.message
    assert PLANTED not in caught.value.message


@pytest.mark.parametrize(
    "proxy", [f"http://user:{PLANTED}", f"{PLANTED}/x", "http://:3128", "http://a b:1", f"http://u:{PLANTED}@"]
)
def test_a_proxy_that_is_no_address_is_told_without_its_text(proxy: str) -> None:
    """It may be a part of a password."""
    environ = {**KEYS, "AWS_ENDPOINT_URL": "http://secrets.example.test", "HTTP_PROXY": proxy, "LYFTLEARN_FETCH_TIMEOUT": "1"}
    with pytest.raises(ShimError, match="HTTP_PROXY is no address of a proxy") as caught:
        resolver.resolve(["aws-sm://name"], environ)
    assert PLANTED not in caught.value.message


@contextlib.contextmanager
def answering(data: bytes | None) -> Iterator[int]:
    """A port where everybody is sent some bytes and waited for; where nobody listens for None."""
    held: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                one = listener.accept()[0]
                held.append(one)
                one.recv(65536)
                one.sendall(data or b"")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if data is None:
            listener.close()
            yield port
            return
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield port
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for one in held:
            one.close()


@contextlib.contextmanager
def tunnel(to: int, asked: list[str]) -> Iterator[int]:
    """A proxy that connects everybody to a port of this machine; `asked` gets the first line of each."""

    def carry(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    def serve_one(near: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += near.recv(4096)
        asked.append(head.split(b"\r\n", maxsplit=1)[0].decode())
        far = socket.create_connection(("127.0.0.1", to))
        near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with near, far:
            back = threading.Thread(target=carry, args=(far, near))
            back.start()
            carry(near, far)
            back.join()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve_one, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
