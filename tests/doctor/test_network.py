"""The CA bundle, proxies and package indexes, asked as a build would, by real servers."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from lyftlearn_image.doctor.checkup import Level
from lyftlearn_image.doctor.network import check_ca_bundle, check_index, check_proxies
from tests.build.conftest import PASSWORD, index_handler, make_certificates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

TIMEOUT_S = 60.0
BARE = {"PIP_CONFIG_FILE": os.devnull, "HOME": "/nonexistent"}


@contextlib.contextmanager
def serving(handler: type[BaseHTTPRequestHandler], certificate: Path | None = None) -> Iterator[str]:
    """A server at this machine's loopback; `host:port`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def closed_address() -> str:
    """`host:port` at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"127.0.0.1:{taken.getsockname()[1]}"


def test_an_index_is_asked_with_its_credentials_and_the_companys_ca(tmp_path: Path) -> None:
    """It answers with them; without the CA, or with a wrong password, the line says which; no password is in any of them."""
    certificate = make_certificates(tmp_path, "127.0.0.1")
    handler = index_handler("x.whl", b"", [])
    with serving(handler, certificate) as address:
        url = f"https://user:{PASSWORD}@{address}/simple"
        (with_ca,) = check_index(tmp_path / "ca.pem", {**BARE, "PIP_INDEX_URL": url}, TIMEOUT_S)
        (without_ca,) = check_index(None, {**BARE, "PIP_INDEX_URL": url}, TIMEOUT_S)
        (wrong,) = check_index(tmp_path / "ca.pem", {**BARE, "UV_DEFAULT_INDEX": url.replace(PASSWORD, "other")}, TIMEOUT_S)
    assert with_ca.level is Level.WARNING
    assert "answers, on this machine's loopback, which a build's steps do not reach" in with_ca.text
    assert (without_ca.level, without_ca.is_unavailable) == (Level.ERROR, False)
    assert "certificate is not trusted" in without_ca.text
    assert "--ca-bundle" in without_ca.hint
    assert "refuses us (401)" in wrong.text
    assert not any(word in repr((with_ca, without_ca, wrong)) for word in (PASSWORD, "user:", "other@"))


def test_an_index_that_nobody_serves_is_no_mistake_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Directly, and through a proxy that does not listen: told with the way to it."""
    index, proxy = closed_address(), closed_address()
    (direct,) = check_index(None, {**BARE, "PIP_INDEX_URL": f"http://{index}/simple"}, TIMEOUT_S)
    assert (direct.level, direct.is_unavailable) == (Level.ERROR, True)
    monkeypatch.setenv("HTTP_PROXY", f"http://who:planted@{proxy}")
    monkeypatch.setenv("NO_PROXY", "")
    environment = {**BARE, "HTTP_PROXY": os.environ["HTTP_PROXY"], "PIP_INDEX_URL": "http://index.invalid/simple"}
    (through,) = check_index(None, environment, TIMEOUT_S)
    assert f"http://index.invalid/simple through {proxy}: the proxy does not let us through" in through.text
    (line,) = check_proxies(environment, TIMEOUT_S)
    assert (line.level, line.is_unavailable) == (Level.ERROR, True)
    assert f"{proxy} does not answer: Connection refused" in line.text
    assert "HTTP_PROXY" in line.hint
    assert "planted" not in repr((through, line))


def test_a_proxy_on_loopback_is_told_as_what_a_build_does_not_reach() -> None:
    """A build's steps have a network of their own. None at all is not set."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        (line,) = check_proxies({"HTTPS_PROXY": f"http://127.0.0.1:{listening.getsockname()[1]}"}, TIMEOUT_S)
    assert line.level is Level.WARNING
    assert [one.level for one in check_proxies({}, TIMEOUT_S)] == [Level.NOT_SET]


def test_a_ca_bundle_is_read_as_openssl_reads_it(tmp_path: Path) -> None:
    """A good one, one that is none, an empty one, and a variable that names a file which is not there."""
    make_certificates(tmp_path, "127.0.0.1")
    (tmp_path / "none.pem").write_text("nothing\n")
    assert [(one.level, one.text) for one in check_ca_bundle(tmp_path / "ca.pem", {})] == [
        (Level.OK, f"1 valid certificates in {tmp_path / 'ca.pem'}")
    ]
    assert [one.level for one in check_ca_bundle(tmp_path / "none.pem", {})] == [Level.ERROR]
    missing, rest = list(check_ca_bundle(None, {"SSL_CERT_FILE": "/nowhere.pem"}))
    assert missing.level is Level.ERROR
    assert "SSL_CERT_FILE names /nowhere.pem" in missing.text
    assert rest.level in {Level.NOT_SET, Level.OK}
