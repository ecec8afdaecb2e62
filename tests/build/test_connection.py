"""Where the engine is: the SDK here and the docker client must talk to the same one."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.build.connection import EngineAddress, connect, find_address
from lyftlearn_image.build.engine import build_client, ensure_engine
from lyftlearn_image.errors import InvalidInputError, UnavailableError
from tests.build.conftest import make_certificates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lyftlearn_image.build.engine import Engine

SOCKET = "/var/run/docker.sock"
TEXT = st.text(st.characters(categories=["L", "N", "P"], exclude_characters="/?#"), min_size=1)


@pytest.fixture(autouse=True)
def own_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A configuration of the docker client that names no engine, and none in the environment."""
    # requests lets the last two win over the CA that the SDK gives it.
    bundles = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", *bundles):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "docker"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


@pytest.fixture
def docker(running: Engine) -> Callable[..., str]:
    """Runs the docker client and gives its output."""

    def run(*arguments: str, **variables: str) -> str:
        environment = {**os.environ, **variables}
        done = subprocess.run([build_client(), *arguments], capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture
def tls_port(tmp_path: Path, running: Engine) -> Iterator[int]:
    """A port of this machine where the engine is served over TLS, to who shows the certificate of `tmp_path`."""
    certificate = make_certificates(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.load_verify_locations(tmp_path / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener, context), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def serve(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Gives every connection to the engine, until the listener is closed."""
    with contextlib.suppress(OSError):
        while True:
            accepted, _ = listener.accept()
            threading.Thread(target=relay, args=(accepted, context), daemon=True).start()


def relay(accepted: socket.socket, context: ssl.SSLContext) -> None:
    """Carries what both sides say until one of them ends."""
    with (
        contextlib.suppress(OSError),
        accepted,
        context.wrap_socket(accepted, server_side=True) as near,
        socket.socket(socket.AF_UNIX) as far,
    ):
        far.connect(SOCKET)
        back = threading.Thread(target=carry, args=(far, near))
        back.start()
        carry(near, far)
        back.join()


def carry(source: socket.socket, sink: socket.socket) -> None:
    """Carries what the source says until it ends, and says so to the sink."""
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def test_where_nobody_names_an_engine_it_is_the_usual_socket() -> None:
    """As for the docker client."""
    address = find_address({})
    assert (address.host, address.named_by) == (f"unix://{SOCKET}", "")


def test_docker_host_wins_over_a_context(docker: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As for the docker client, whichever way the context is chosen."""
    docker("context", "create", "elsewhere", "--docker", "host=tcp://127.0.0.1:1")
    monkeypatch.setenv("DOCKER_CONTEXT", "elsewhere")
    assert find_address(os.environ).host == "tcp://127.0.0.1:1"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{SOCKET}")
    assert find_address(os.environ).host == f"unix://{SOCKET}"
    assert docker("info", "--format", "{{.ID}}") == connect().info()["ID"]


def test_a_context_over_tls_is_used_by_both(docker: Callable[..., str], tls_port: int, tmp_path: Path) -> None:
    """The one in use, with its certificates: by the SDK here, and by the client that is given its variables."""
    files = f"ca={tmp_path}/ca.pem,cert={tmp_path}/server.pem,key={tmp_path}/server.pem"
    docker("context", "create", "remote", "--docker", f"host=tcp://127.0.0.1:{tls_port},{files}")
    docker("context", "use", "remote")
    engine = ensure_engine(print)
    assert str(engine.address) == f"tcp://127.0.0.1:{tls_port}"
    with engine.connect() as client:
        mine = client.info()["ID"]
    assert mine == docker("info", "--format", "{{.ID}}", **engine.address.variables)
    assert mine == docker("info", "--format", "{{.ID}}")


def test_a_certificate_of_docker_host_is_not_shown_to_a_contexts_engine(
    docker: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """DOCKER_TLS_VERIFY and DOCKER_CERT_PATH belong to DOCKER_HOST; a context has its own or none."""
    docker("context", "create", "plain", "--docker", f"host=unix://{SOCKET}")
    monkeypatch.setenv("DOCKER_CONTEXT", "plain")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", "/nowhere")
    connect().close()


def test_an_engine_over_ssh_is_reached_by_the_users_own_ssh(running: Engine, tmp_path: Path) -> None:
    """Whose configuration knows hosts and keys: here one that runs on this machine what it is asked to."""
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\nunset DOCKER_HOST\nfor last; do :; done\nexec sh -c "$last"\n'
    )
    program.chmod(0o755)
    path = os.pathsep.join([str(program.parent), str(build_client().parent), os.environ["PATH"]])
    # In a process of its own: the SDK leaves its ssh for the process's end.
    done = run_engine_verb(PATH=path, DOCKER_HOST="ssh://builder@engine.invalid:2222")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "host": "ssh://builder@engine.invalid:2222", "version": running.version, "origin": "running",
    }  # fmt: skip
    assert "-l builder -p 2222 -- engine.invalid docker system dial-stdio" in (tmp_path / "asked").read_text()


def run_engine_verb(before: str = "pass", **variables: str) -> subprocess.CompletedProcess[str]:
    """`lyftlearn-image engine --json` in a process of its own, after a line of Python."""
    program = f"import sys; {before}; sys.argv[1:] = ['engine', '--json']; from lyftlearn_image.__main__ import run; run()"
    environment = {**os.environ, **variables}
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)


def test_an_engine_over_ssh_says_which_library_it_needs() -> None:
    """Instead of the SDK's own words, where the extra is not installed."""
    done = run_engine_verb("sys.modules['paramiko'] = None", DOCKER_HOST="ssh://builder@engine.invalid")
    assert done.returncode == UnavailableError.exit_code
    assert "at: ssh://builder@engine.invalid\n  try: pip install 'lyftlearn-image[ssh]'" in done.stderr


def test_a_context_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, with how to choose another."""
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    with pytest.raises(InvalidInputError, match="there is no docker context gone"):
        ensure_engine(print)


def test_a_context_that_cannot_be_read_is_told(
    docker: Callable[..., str], own_configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stands in its file."""
    docker("context", "create", "odd", "--docker", f"host=unix://{SOCKET}")
    (meta,) = own_configuration.rglob("meta.json")
    monkeypatch.setenv("DOCKER_CONTEXT", "odd")
    for text in ("", "[]", "{}", '{"Name": "odd", "Metadata": {}, "Endpoints": {"docker": []}}'):
        meta.write_text(text)
        with pytest.raises(InvalidInputError, match="docker context odd is broken"):
            ensure_engine(print)


def test_an_engine_that_does_not_answer_says_where_and_whose(
    docker: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The context is named; no engine is started in its place."""
    docker("context", "create", "away", "--docker", "host=tcp://127.0.0.1:1")
    monkeypatch.setenv("DOCKER_CONTEXT", "away")
    with pytest.raises(UnavailableError, match="the engine that the docker context away names") as caught:
        ensure_engine(print)
    assert caught.value.where == "tcp://127.0.0.1:1"
    with pytest.raises(UnavailableError, match="no Docker engine answers") as caught:
        connect()
    assert caught.value.where.startswith("tcp://127.0.0.1:1: ")


@given(scheme=st.sampled_from(["tcp", "ssh", "http", "https"]), name=TEXT, password=TEXT)
def test_no_password_of_an_address_is_ever_shown(scheme: str, name: str, password: str) -> None:
    """Wherever it stands in the address, and whatever is in it."""
    secret = f"planted{password}"
    address = EngineAddress({"DOCKER_HOST": f"{scheme}://{name}:{secret}@engine.invalid:2376"})
    assert secret not in str(address)
    assert secret not in repr(address)
    assert str(address).endswith("engine.invalid:2376")


@pytest.mark.parametrize("version", ["1.40", "1.12"])
def test_an_engine_that_is_too_old_is_told_as_that(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """Whether or not the SDK itself still speaks with it: which API it has, and from which version on it will do."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"ApiVersion": version, "Version": "19.03.15"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
        for find in (connect, lambda: ensure_engine(print)):
            with pytest.raises(UnavailableError, match=r"the Docker engine is too old: .*1\.41 is needed \(Docker 20\.10\)"):
                find()
        server.shutdown()
