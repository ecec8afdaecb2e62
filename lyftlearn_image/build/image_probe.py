"""What an image of somebody else's has in it, found without a shell: files by their paths, and what its Pythons say.

Nothing of it is trusted: its programs run without a network, a capability or a writable disk, for a bounded time, and what
they say is read by a schema.
"""

from __future__ import annotations

import base64
import contextlib
import json
import posixpath
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import docker.errors
import requests
from docker.types import LogConfig
from pydantic import BaseModel, Field, ValidationError

from lyftlearn_image.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from docker.models.containers import Container

# The engine's own, where an image has none (moby, oci/defaults_linux.go).
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MORE_DIRECTORIES = (
    "/usr/local/bin", "/usr/bin", "/opt/conda/bin", "/opt/venv/bin", "/venv/bin", "/app/.venv/bin", "/opt/python/bin",
    "/opt/miniconda3/bin", "/opt/mambaforge/bin", "/opt/miniforge3/bin",
)  # fmt: skip
# Names by which an interpreter may be there, the usual ones first.
_NAMES = ("python3", "python", *(f"python3.{minor}" for minor in range(14, 7, -1)))
_TIMEOUT_S = 180
_MOST_OUTPUT_BYTES = 64 << 10
_MOST_LINKS = 40
_ANY_USER = "65534:65534"
# The standard library's modules that the shim cannot do without; a cut-down interpreter may lack some.
_SAYS = """
import json, sys
missing = []
for name in ("_signal", "ctypes", "fcntl", "gzip", "hashlib", "hmac", "http.client", "pwd", "ssl", "tarfile", "zlib"):
    try:
        __import__(name)
    except Exception:
        missing.append(name)
packages = []
if not sys.flags.no_site:
    packages = [path for path in sys.path if path.endswith(("-packages", "site-packages"))]
print(json.dumps({"version": list(sys.version_info[:3]), "missing": missing, "packages": packages}))
"""


class Said(BaseModel):
    """What an interpreter says of itself."""

    version: tuple[int, int, int]
    missing: list[str] = Field(max_length=32)
    packages: list[str] = Field(max_length=64)

    @property
    def version_text(self) -> str:
        """As in 3.11.2."""
        return ".".join(map(str, self.version))


@dataclass(frozen=True)
class ImageProbe:
    """Looks into an image by a container that is never started (`still`), and by others that say something."""

    client: docker.DockerClient
    image_id: str
    environment: Mapping[str, str]
    still: Container

    def path_directories(self) -> list[str]:
        """The directories of the image's own PATH."""
        return [one for one in self.environment.get("PATH", _DEFAULT_PATH).split(":") if one.startswith("/")]

    def find(self, name: str) -> str:
        """The program that this name is in the image: a path, or "" where there is none."""
        if "/" in name:
            return name if self.has_file(name) else ""
        return next((path for one in self.path_directories() if self.has_file(path := f"{one}/{name}")), "")

    def pythons(self) -> Iterator[str]:
        """Every path where an interpreter lies, those of PATH first."""
        directories = dict.fromkeys([*self.path_directories(), *_MORE_DIRECTORIES])
        for directory in directories:
            for name in _NAMES:
                if self.has_file(path := f"{directory}/{name}"):
                    yield path

    def has_file(self, path: str) -> bool:
        """Whether it is a file in the image, by way of links too."""
        for _ in range(_MOST_LINKS):
            found = self.stat(path)
            if found is None:
                return False
            if not found.get("linkTarget"):
                return not found["mode"] & 1 << 31  # Go's os.ModeDir
            # The engine gives the end of the whole way, below the root of its container.
            target = str(found["linkTarget"])
            if target == path:
                return False
            path = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        return False

    def stat(self, path: str) -> dict[str, Any] | None:
        """The engine's own words on a path, None for one that is not there."""
        # A HEAD request: the SDK's own call begins to send the file as well.
        api = self.client.api
        url = f"{api.base_url}/v{api.api_version}/containers/{self.still.id}/archive"
        answer = api.head(url, params={"path": path}, timeout=api.timeout)
        if answer.status_code != HTTPStatus.OK:
            return None
        return dict(json.loads(base64.b64decode(answer.headers["X-Docker-Container-Path-Stat"])))

    def ask(self, python: str, *, user: str = _ANY_USER, site: bool) -> Said | None:
        """What an interpreter says; None where it is none, may not be started by this user, or says nonsense."""
        flags = ["-I"] if site else ["-I", "-S"]
        try:
            output = self.run([python, *flags, "-c", _SAYS], user)
            return Said.model_validate_json(output.strip().splitlines()[-1])
        except (BuildError, IndexError, ValidationError):
            return None

    def run(self, command: Sequence[str], user: str) -> bytes:
        """The output of a program of the image. Raises BuildError where it fails or takes too long."""
        with confined(self.client, self.image_id, command, user=user) as container:
            run_to_end(container, command[0])
            output = bytearray()
            for piece in container.logs(stdout=True, stderr=False, stream=True, follow=False):
                output += piece
                if len(output) > _MOST_OUTPUT_BYTES:
                    raise BuildError(f"{command[0]} of the image says more than {_MOST_OUTPUT_BYTES} bytes")
            return bytes(output)


@contextlib.contextmanager
def unstarted(client: docker.DockerClient, image_id: str) -> Iterator[Container]:
    """A container that is never started, for what the engine reads of an image and puts into it; gone at the end."""
    # The engine wants a command for every container.
    container = client.containers.create(image_id, entrypoint=["/never"], network_mode="none")
    try:
        yield container
    finally:
        container.remove(v=True, force=True)


@contextlib.contextmanager
def confined(
    client: docker.DockerClient, image_id: str, command: Sequence[str], *, user: str, read_only: bool = True
) -> Iterator[Container]:
    """A container for one of the image's own programs, which nobody trusts; gone at the end."""
    container = client.containers.create(
        image_id, [], entrypoint=list(command), user=user, network_mode="none", read_only=read_only, cap_drop=["ALL"],
        security_opt=["no-new-privileges"], mem_limit="1g", pids_limit=64, working_dir="/",
        log_config=LogConfig(type="json-file", config={"max-size": "1m", "max-file": "1"}),
    )  # fmt: skip
    try:
        yield container
    finally:
        container.remove(v=True, force=True)


def run_to_end(container: Container, name: str) -> None:
    """Starts it and waits. Raises BuildError where it cannot be started, fails or takes too long."""
    try:
        container.start()
        status = int(container.wait(timeout=_TIMEOUT_S)["StatusCode"])
    except docker.errors.APIError as error:
        raise BuildError(f"{name} cannot be started", where=str(error.explanation)[:300]) from None
    except requests.exceptions.RequestException:
        raise BuildError(f"{name} of the image has not ended after {_TIMEOUT_S} s") from None
    if status:
        raise BuildError(f"{name} of the image ended with status {status}")
