"""Model servers in real containers of the image, asked over real HTTP from this machine."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import textwrap
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.emulation.docker.ownership import OWNER_LABEL, owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future
    from pathlib import Path

WITHIN_S = 120.0
# The user that the image starts with on SageMaker, and one that a restricted pod is given.
USERS = ("0", "1000530000:0")


@dataclass(frozen=True)
class Answer:
    """What a server has answered; header names in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        """The body's value."""
        return json.loads(self.body)


def refusal(code: int, kind: str, message: str) -> dict[str, object]:
    """The body of an answer that is none: the multi-model server's three members."""
    return {"code": code, "type": kind, "message": message}


def until(holds: Callable[[], Any], what: str) -> Any:
    """What `holds` gives as soon as that is true."""
    deadline = time.monotonic() + WITHIN_S
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not so within {WITHIN_S:g} s: {what}"
        time.sleep(0.02)
    return found


@dataclass
class ModelServer:
    """One container that was told `serve`."""

    client: str
    name: str
    port: int = 8080
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(16))

    def _docker(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.client, *arguments], capture_output=True, text=True, check=True, timeout=120)

    @property
    def host(self) -> str:
        """Its address on the bridge."""
        return self._docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", self.name).stdout.strip()

    def connect(self) -> http.client.HTTPConnection:
        """An open connection."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=WITHIN_S)
        connection.connect()
        return connection

    def socket(self) -> socket.socket:
        """A bare connection, for requests that are never whole."""
        return socket.create_connection((self.host, self.port), timeout=WITHIN_S)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request on a connection of its own."""
        connection = self.connect()
        try:
            connection.request(method, path, body, dict(headers or {}))
            return answer_of(connection.getresponse())
        finally:
            connection.close()

    def invoke(self, body: Any = b"", content_type: str = "application/json", **headers: str) -> Answer:
        """One invocation; what is not bytes goes as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask("POST", "/invocations", content, {"Content-Type": content_type, **headers})

    def later(self, body: Any = b"") -> Future[Answer]:
        """An invocation that is under way."""
        return self._pool.submit(self.invoke, body)

    def ping(self) -> int | None:
        """The status of /ping, None while nobody listens."""
        try:
            return self.ask("GET", "/ping").status
        except OSError:
            return None

    def logs(self) -> str:
        """What it has said on both streams."""
        done = self._docker("logs", self.name)
        return done.stdout + done.stderr

    def says(self, text: str, count: int = 1) -> None:
        """Waits until a text stands so often in the log."""
        until(lambda: self.logs().count(text) >= count, f"{count} times {text!r} in the log:\n{self.logs()}")

    def inside(self, *command: str) -> str:
        """The output of another command in the same container."""
        return self._docker("exec", self.name, *command).stdout

    def go(self) -> None:
        """Lets those handlers on that wait for a sign."""
        self.inside("touch", "/tmp/go")

    def terminate(self) -> None:
        """SIGTERM to PID 1, as both platforms send it."""
        self._docker("kill", "-s", "TERM", self.name)

    def wait(self) -> int:
        """The exit code of a container that is about to end."""
        return int(self._docker("wait", self.name).stdout)

    def remove(self) -> None:
        """Nothing is left of it."""
        subprocess.run([self.client, "rm", "-f", "-v", self.name], capture_output=True, check=False)
        self._pool.shutdown()


def answer_of(response: http.client.HTTPResponse) -> Answer:
    """A response that is read to its end."""
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, response.read(), headers)


class Serving:
    """Starts model servers. Files are given by their path below /opt/ml; those of the model are read-only, as there."""

    def __init__(self, client: str, image: str, directory: Path) -> None:
        self._client = client
        self._image = image
        self._directory = directory
        self._servers: list[ModelServer] = []

    def start(  # noqa: PLR0913 - its parts, each said once
        self,
        inference: str = "",
        *,
        files: Mapping[str, str | bytes] | None = None,
        env: Mapping[str, str] | None = None,
        user: str = "0",
        options: tuple[str, ...] = (),
        is_awaited: bool = True,
    ) -> ModelServer:
        """A server whose code is `inference`; ready unless `is_awaited` is false."""
        given = {**({"model/code/inference.py": inference} if inference else {}), **(files or {})}
        name = f"lyftlearn-test-{uuid.uuid4().hex[:12]}"
        server = ModelServer(self._client, name, int((env or {}).get("SAGEMAKER_BIND_TO_PORT", "8080")))
        self._servers.append(server)
        mounts = self._mounts(name, given)
        variables = [word for key, value in (env or {}).items() for word in ("-e", f"{key}={value}")]
        command = [
            self._client,
            "run",
            "-d",
            "--name",
            name,
            "--label",
            f"{OWNER_LABEL}={owner()}",
            "--user",
            user,
            *mounts,
            *variables,
            *options,
            self._image,
            "serve",
        ]
        subprocess.run(command, check=True, capture_output=True)
        if is_awaited:
            until(lambda: server.ping() == 200, server.logs())
        return server

    def _mounts(self, name: str, files: Mapping[str, str | bytes]) -> list[str]:
        root = self._directory / name
        for path, content in files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
            target.chmod(0o755)
        return [
            word
            for folder in ("model", "code", "models")
            if (root / folder).is_dir()
            for word in ("-v", f"{root / folder}:/opt/ml/{folder}:ro")
        ]

    def remove(self) -> None:
        """No server is left."""
        for server in self._servers:
            server.remove()


@pytest.fixture
def serving(lyftlearn_image_tag: str, tmp_path: Path) -> Iterator[Serving]:
    """Model servers, which are gone at the end of the test."""
    from lyftlearn_image.build.engine import build_client

    made = Serving(str(build_client()), lyftlearn_image_tag, tmp_path)
    yield made
    made.remove()


@pytest.fixture(scope="session")
def linear_model(lyftlearn_image_tag: str, docker_cli: Callable[..., str]) -> bytes:
    """A model.joblib, made by the image's own scikit-learn, that gives 2a + 3b + 1."""
    program = (
        "import base64, io, joblib, numpy; from sklearn.linear_model import LinearRegression\n"
        "x = numpy.array([[0., 0], [1, 0], [0, 1], [1, 1]]); file = io.BytesIO()\n"
        "joblib.dump(LinearRegression().fit(x, x @ [2, 3] + 1), file); print(base64.b64encode(file.getvalue()).decode())"
    )
    import base64

    return base64.b64decode(docker_cli("run", "--rm", lyftlearn_image_tag, "python", "-c", program))
