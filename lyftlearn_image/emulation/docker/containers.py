"""The one place that talks to the Docker engine about containers."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.docker import cleanup
from lyftlearn_image.emulation.docker.container_spec import create_arguments
from lyftlearn_image.emulation.docker.errors import engine_errors
from lyftlearn_image.emulation.docker.network import bridge
from lyftlearn_image.emulation.docker.ownership import OWNER_LABEL, owner
from lyftlearn_image.emulation.docker.running_container import Reader, RunningContainer
from lyftlearn_image.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import docker
    from docker.models.containers import Container

    from lyftlearn_image.emulation.docker.container_spec import ContainerSpec
    from lyftlearn_image.emulation.docker.network import Network

RUN_LABEL = "dev.lyftlearn.run"


class Containers:
    """The engine, for containers that belong to one run (`run_id`): what it leaves, `clean` removes."""

    def __init__(self, client: docker.DockerClient, run_id: str) -> None:
        self._client = client
        self.run_id = run_id
        self._labels = {RUN_LABEL: run_id, OWNER_LABEL: owner()}

    @property
    def client(self) -> docker.DockerClient:
        """The docker SDK's client, for what this class does not cover (images, info)."""
        return self._client

    @contextlib.contextmanager
    def network(self) -> Iterator[Network]:
        """A network of its own, removed at the end with every container of the run."""
        with contextlib.ExitStack() as stack:
            with engine_errors("making a network"):
                cleanup.remove(self._client)
                made = stack.enter_context(bridge(self._client, f"lyftlearn-{self.run_id}", self._labels))
            stack.callback(self.remove_all)
            yield made

    @contextlib.contextmanager
    def isolated_network(self, name: str) -> Iterator[Network]:
        """A further network, whose containers reach each other and nothing else; removed at the end."""
        with contextlib.ExitStack() as stack:
            with engine_errors("making a network"):
                full_name = f"lyftlearn-{self.run_id}-{name}"
                made = stack.enter_context(bridge(self._client, full_name, self._labels, isolated=True))
            yield made

    @contextlib.contextmanager
    def tmpfs_volume(self, name: str, *, size_bytes: int | None, mode: int, gid: int | None) -> Iterator[str]:
        """A named volume in memory, which lives as long as a container has it mounted; removed at the end."""
        options = ",".join(
            text
            for text in (
                f"mode={mode:o}",
                "" if size_bytes is None else f"size={size_bytes}",
                "" if gid is None else f"gid={gid}",
            )
            if text
        )
        with engine_errors("making a volume"):
            volume = self._client.volumes.create(
                name=name,
                driver="local",
                driver_opts={"type": "tmpfs", "device": "tmpfs", "o": options},
                labels=self._labels,
            )
        try:
            yield str(volume.name)
        finally:
            with contextlib.suppress(Exception):
                volume.remove(force=True)

    @contextlib.contextmanager
    def start(
        self,
        spec: ContainerSpec,
        *,
        stdout: Path,
        stderr: Path,
        on_line: Callable[[str], None] | None = None,
        on_chunk: Callable[[str, bytes], None] | None = None,
    ) -> Iterator[RunningContainer]:
        """Starts a container, with its exact output going to two files; removes it at the end, running or not.

        `on_line` gets each complete line of stdout, `on_chunk` every piece of output with its stream's name in the order
        of arrival. With `tty` all output is on stdout, as the engine has it.
        """
        with engine_errors(f"creating a container of {spec.image}"):
            container = self._client.containers.create(**create_arguments(spec, self._labels))
        try:
            with engine_errors(f"starting a container of {spec.image}"):
                stream = _attach(container, demux=not spec.tty)
                reader = Reader(stream, stdout, stderr, on_line, on_chunk)
                reader.start()
                started_at = time.time()
                container.start()
            yield RunningContainer(container, reader, started_at)
        finally:
            with contextlib.suppress(Exception):
                container.remove(force=True, v=True)

    def image_user(self, image: str) -> str:
        """What an image's USER says, "" where it says nothing. RunError when the engine has no such image."""
        with engine_errors(f"looking for the image {image}"):
            return str(self._client.images.get(image).attrs["Config"].get("User") or "")

    def image_file(self, image: str, path: str) -> bytes | None:
        """A tar archive of one file of an image, read from a container that is never started; None where it has none."""
        import docker.errors  # noqa: PLC0415 - see connect()

        with engine_errors(f"reading {path} of {image}"):
            container = self._client.containers.create(image, entrypoint=["true"], labels=self._labels)
            try:
                return b"".join(container.get_archive(path)[0])
            except docker.errors.NotFound:
                return None
            finally:
                container.remove()

    def remove_all(self) -> None:
        """Removes every container of this run, whatever it does. What an engine that is away has, the next run removes."""
        left: list[Container] = []
        with contextlib.suppress(Exception):
            label = f"{RUN_LABEL}={self.run_id}"
            left = self._client.containers.list(all=True, filters={"label": label}, ignore_removed=True)
        for container in left:
            with contextlib.suppress(Exception):
                container.remove(force=True, v=True)


def connect() -> docker.DockerClient:
    """A client of the engine that DOCKER_HOST or the default socket names; UnavailableError when none answers."""
    import docker.errors  # noqa: PLC0415 - takes 150 ms, and most verbs do not need it

    try:
        client = docker.from_env(timeout=120)
        client.ping()
    except docker.errors.DockerException as error:
        raise UnavailableError(
            "no Docker engine answers",
            where=str(error).splitlines()[0][:200],
            hint="Start one with `make engine`, or set DOCKER_HOST.",
        ) from None
    return client


def _attach(container: Container, *, demux: bool) -> Any:
    """The container's output from its first byte: chunks, or (stdout, stderr) pairs with `demux`."""
    if demux:
        return container.attach(stdout=True, stderr=True, stream=True, logs=False, demux=True)
    return container.attach(stdout=True, stderr=True, stream=True, logs=False)
