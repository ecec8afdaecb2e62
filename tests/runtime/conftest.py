"""The shim as it stands here, in real containers of Debian: mounted where an image has it, so that nothing is built."""

from __future__ import annotations

import compileall
import hashlib
import json
import subprocess
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.emulation.docker.ownership import OWNER_LABEL, owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.docker.network import Network

ROOT = Path(__file__).resolve().parent.parent.parent
READY_WITHIN_S = 120.0


class Shim:
    """Runs commands through the shim in containers. `options` are those of `docker run`."""

    def __init__(self, client: str, image: str) -> None:
        self.client = client
        self._image = image
        self._names: list[str] = []

    def _argv(self, how: list[str], options: tuple[str, ...], command: tuple[str, ...]) -> list[str]:
        mounts = [
            *("-v", f"{ROOT / 'lyftlearn_runtime'}:/opt/lyftlearn/lyftlearn_runtime:ro"),
            *("-v", f"{ROOT / 'entrypoints'}:/opt/lyftlearn/bin:ro"),
            *("--tmpfs", "/opt/ml:exec,mode=1777"),
        ]
        entry = ["--entrypoint", "/opt/lyftlearn/bin/entrypoint"] if "--entrypoint" not in options else []
        return [
            self.client,
            "run",
            "--label",
            f"{OWNER_LABEL}={owner()}",
            *how,
            *mounts,
            *entry,
            *options,
            self._image,
            *command,
        ]

    def run(self, *command: str, options: tuple[str, ...] = (), stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
        """A command's end: exit code, stdout and stderr."""
        how = ["--rm"] + (["-i"] if stdin is not None else [])
        done = subprocess.run(self._argv(how, options, command), input=stdin, capture_output=True, check=False, timeout=120)
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    def python(self, program: str, *options: str) -> subprocess.CompletedProcess[str]:
        """The end of a Python program."""
        return self.run("python3", "-c", program, options=options)

    def start(self, *command: str, options: tuple[str, ...] = (), until: str = "ready") -> str:
        """The name of a container whose command has printed a line with `until`."""
        name = f"lyftlearn-test-{uuid.uuid4().hex[:12]}"
        self._names.append(name)
        subprocess.run(self._argv(["-d", "--name", name], options, command), check=True, capture_output=True)
        deadline = time.monotonic() + READY_WITHIN_S
        while until not in self.logs(name):
            assert time.monotonic() < deadline, f"no `{until}`: {self.logs(name)}"
            time.sleep(0.02)
        return name

    def logs(self, name: str) -> str:
        """What a container has said on both streams."""
        done = subprocess.run([self.client, "logs", name], capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    def signal(self, name: str, signal: str) -> None:
        """One signal to PID 1, which is the shim."""
        subprocess.run([self.client, "kill", "-s", signal, name], check=True, capture_output=True)

    def wait(self, name: str) -> int:
        """The exit code of a container that is about to end."""
        done = subprocess.run([self.client, "wait", name], capture_output=True, text=True, check=True, timeout=120)
        return int(done.stdout)

    def inside(self, name: str, *command: str) -> str:
        """The output of another command in the same container."""
        return subprocess.run([self.client, "exec", name, *command], capture_output=True, text=True, check=True).stdout

    def remove(self) -> None:
        """Nothing that was started is left."""
        for name in self._names:
            subprocess.run([self.client, "rm", "-f", "-v", name], capture_output=True, check=False)


@pytest.fixture(scope="session")
def _shim(probe_image: str) -> Iterator[Shim]:
    from lyftlearn_image.build.engine import build_client

    # As an image has it: without bytecode a start is slower, and for longer without a handler of signals.
    compileall.compile_dir(ROOT / "lyftlearn_runtime", quiet=1)
    made = Shim(str(build_client()), probe_image)
    yield made
    made.remove()


@pytest.fixture
def shim(_shim: Shim) -> Iterator[Shim]:
    """The shim in containers, which are gone at the end of the test."""
    yield _shim
    _shim.remove()


@pytest.fixture
def shim_in(engine: None) -> Iterator[Callable[[str], Shim]]:
    """The shim in containers of another image, which are gone at the end of the test."""
    from lyftlearn_image.build.engine import build_client

    made: list[Shim] = []

    def of(image: str) -> Shim:
        made.append(Shim(str(build_client()), image))
        return made[-1]

    yield of
    for one in made:
        one.remove()


@pytest.fixture(scope="session")
def aws(network: Network) -> Iterator[AwsEndpoint]:
    """A real endpoint of S3 and Secrets Manager, reached from this machine and from the containers of `network`."""
    from lyftlearn_image.emulation.aws.endpoint import aws_endpoint

    with aws_endpoint(network.gateway) as endpoint:
        endpoint.s3().create_bucket(Bucket="bucket")
        yield endpoint


@pytest.fixture
def bucket_prefix() -> str:
    """A prefix of the endpoint's bucket that no other test uses."""
    return f"s3://bucket/{uuid.uuid4().hex}"


@pytest.fixture
def variables_of() -> Callable[[dict[str, str]], tuple[str, ...]]:
    """Turns variables into options of `docker run`."""

    def options(variables: dict[str, str]) -> tuple[str, ...]:
        return tuple(word for name, value in variables.items() for word in ("-e", f"{name}={value}"))

    return options


class Files:
    """A directory of this machine whose content is mounted below /opt/ml."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def put(self, path: str, text: str) -> tuple[str, ...]:
        """The options that bring a text to `path` of the container."""
        file = self.directory / path.strip("/").replace("/", "_")
        file.write_text(text)
        file.chmod(0o755)
        return ("-v", f"{file}:{path}:ro")

    def bundle(self, **content: Any) -> tuple[str, ...]:
        """The options that give a launch bundle."""
        text = json.dumps({"version": 1, **content})
        digest = hashlib.sha256(text.encode()).hexdigest()
        return (
            *self.put("/etc/lyftlearn/bundle.json", text),
            "-e",
            f"LYFTLEARN_BUNDLE=/etc/lyftlearn/bundle.json#sha256={digest}",
        )


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Files for the containers of this test."""
    return Files(tmp_path)
