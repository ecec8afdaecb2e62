"""Containers, volumes and networks of one run on the Docker engine."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.docker.cleanup import remove_orphans
from lyftlearn_image.emulation.docker.container_spec import create_arguments
from lyftlearn_image.emulation.docker.errors import engine_errors
from lyftlearn_image.emulation.docker.network import bridge_network
from lyftlearn_image.emulation.docker.output import OutputPolicy, OutputReader
from lyftlearn_image.emulation.docker.ownership import owner_labels
from lyftlearn_image.emulation.docker.running_container import RunningContainer
from lyftlearn_image.emulation.docker.uninterrupted import created, uninterrupted
from lyftlearn_image.errors import RunError
from lyftlearn_image.limits import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import docker
    from docker.models.containers import Container

    from lyftlearn_image.emulation.docker.container_spec import ContainerSpec
    from lyftlearn_image.emulation.docker.network import Network
    from lyftlearn_image.limits import Limits

RUN_LABEL = "dev.lyftlearn.run"


class Containers:
    """The engine, for the containers of one run. All have the labels of `run_id` and of this process."""

    def __init__(self, client: docker.DockerClient, run_id: str, limits: Limits = UNLIMITED) -> None:
        self._client = client
        self.run_id = run_id
        self.limits = limits
        self.output = OutputPolicy(self.limits)
        self._labels = {RUN_LABEL: run_id, **owner_labels()}
        self._pinned: dict[str, str] = {}

    @property
    def client(self) -> docker.DockerClient:
        """The client of the docker SDK, for what this class has no method for."""
        return self._client

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of everything that is this run's."""
        return self._labels

    @contextlib.contextmanager
    def network(self) -> Iterator[Network]:
        """The network of the run, removed at the end with every container of the run."""
        with contextlib.ExitStack() as stack:
            with engine_errors("making a network"):
                remove_orphans(self._client)
                name = f"lyftlearn-{self.run_id}"
                network = stack.enter_context(bridge_network(self._client, name, self._labels))
            stack.callback(self.remove_all)
            yield network

    @contextlib.contextmanager
    def isolated_network(self, name: str) -> Iterator[Network]:
        """A further network, removed at the end, whose containers reach each other and nothing else."""
        with contextlib.ExitStack() as stack:
            with engine_errors("making a network"):
                full_name = f"lyftlearn-{self.run_id}-{name}"
                network = stack.enter_context(bridge_network(self._client, full_name, self._labels, isolated=True))
            yield network

    @contextlib.contextmanager
    def tmpfs_volume(self, name: str, *, size_bytes: int | None, mode: int, gid: int | None) -> Iterator[str]:
        """A named volume on a tmpfs, removed at the end. Its content lives as long as a container has it mounted."""
        options = [f"mode={mode:o}"]
        if size_bytes is not None:
            options.append(f"size={size_bytes}")
        if gid is not None:
            options.append(f"gid={gid}")
        create = functools.partial(
            self._client.volumes.create,
            name=name,
            driver="local",
            driver_opts={"type": "tmpfs", "device": "tmpfs", "o": ",".join(options)},
            labels=self._labels,
        )
        with contextlib.ExitStack() as stack:
            with engine_errors("making a volume"):
                volume = stack.enter_context(created(create, lambda volume: volume.remove(force=True)))
            yield str(volume.name)

    def volume_directory(self, name: str) -> Path | None:
        """Where this process may write into a mounted tmpfs volume: None unless we are root where the engine is."""
        with engine_errors("looking for a volume"):
            path = Path(self._client.volumes.get(name).attrs["Mountpoint"])
        return path if path.is_mount() and os.access(path, os.W_OK) else None

    @functools.cached_property
    def cpu_count(self) -> int:
        """The CPUs of the engine's machine: it refuses a container that is to have more."""
        with engine_errors("asking for the machine's size"):
            return int(self._client.info()["NCPU"])

    @functools.cached_property
    def pods_cgroup(self) -> str | None:
        """The parent of the cgroups of emulated pods, as `kubepods` is; None where the engine chooses no cgroup (rootless).

        In it a container with few CPU shares competes with other pods alone, and not with everything on the engine.
        """
        with engine_errors("asking for the cgroup driver"):
            driver = self._client.info().get("CgroupDriver")
        return {"cgroupfs": "/lyftlearn-pods", "systemd": "lyftlearn-pods.slice"}.get(str(driver))

    @functools.cached_property
    def has_user_namespace(self) -> bool:
        """Whether root of a container is another user on the engine's machine: a rootless engine, or one that remaps users."""
        with engine_errors("asking for the engine's security options"):
            options = self._client.info().get("SecurityOptions") or ()
        return any(str(option).startswith(("name=rootless", "name=userns")) for option in options)

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
        """Starts a container that appends its output to two files; removes it at the end, running or not.

        `output` says what is done to it on its way. `on_line` gets each line of stdout as it is, `on_chunk` each piece of
        what is written with the name of its stream, both in the order of arrival. With `tty` all output is on stdout, as
        the engine has it.
        """
        pinned = replace(spec, image=self._id_of(spec.image))
        create = functools.partial(self._client.containers.create, **create_arguments(pinned, self._labels))
        with contextlib.ExitStack() as stack:
            with engine_errors(f"creating a container of {spec.image}"):
                container = stack.enter_context(created(create, _remove_container))
            with engine_errors(f"starting a container of {spec.image}"):
                stream = _attach(container, demux=not spec.tty)
                reader = OutputReader(stream, (stdout, stderr), self.output, on_line, on_chunk)
                reader.start()
                started_at = time.time()
                container.start()
            yield RunningContainer(container, reader, started_at)

    def pin_image(self, image: str, image_id: str | None = None) -> str:
        """The id of the image that has this name now, or the given one: from now on it is what the name stands for.

        RunError when the engine has no such image.
        """
        import docker.errors  # noqa: PLC0415 - see EngineAddress.client()

        with engine_errors(f"looking for the image {image}"):
            try:
                self._pinned[image] = str(self._client.images.get(image_id or image).id)
            except docker.errors.ImageNotFound:
                raise RunError(
                    f"there is no image {image} on this engine",
                    hint="Build it first, or name a directory with its Dockerfile as `build`.",
                ) from None
        return self._pinned[image]

    def image_user(self, image: str) -> str:
        """The USER of an image, "" without one. RunError when the engine has no such image."""
        with engine_errors(f"looking for the image {image}"):
            return str(self._client.images.get(self._id_of(image)).attrs["Config"].get("User") or "")

    def image_file(self, image: str, path: str) -> bytes | None:
        """A tar archive of one file of an image, None without such a file. No container is started for it."""
        import docker.errors  # noqa: PLC0415 - see EngineAddress.client()

        with engine_errors(f"reading {path} of {image}"):
            create = functools.partial(
                self._client.containers.create, self._id_of(image), entrypoint=["true"], labels=self._labels
            )
            with created(create, _remove_container) as container:
                try:
                    return b"".join(container.get_archive(path)[0])
                except docker.errors.NotFound:
                    return None

    def _id_of(self, image: str) -> str:
        return self._pinned.get(image, image)

    def remove_all(self) -> None:
        """Removes every container of this run, running or not, and its volumes, which a container may have held until now.

        Where the engine does not answer, the next run removes them.
        """
        with uninterrupted():
            self._remove_all({"label": f"{RUN_LABEL}={self.run_id}"})

    def _remove_all(self, of_this_run: Any) -> None:
        containers: list[Container] = []
        with contextlib.suppress(Exception):
            containers = self._client.containers.list(all=True, filters=of_this_run, ignore_removed=True)
        for container in containers:
            with contextlib.suppress(Exception):
                _remove_container(container)
        volumes: list[Any] = []
        with contextlib.suppress(Exception):
            volumes = self._client.volumes.list(filters=of_this_run)
        for volume in volumes:
            with contextlib.suppress(Exception):
                volume.remove(force=True)


def _remove_container(container: Container) -> None:
    container.remove(force=True, v=True)


def _attach(container: Container, *, demux: bool) -> Any:
    """The container's output from its first byte: chunks, or (stdout, stderr) pairs with `demux`."""
    if demux:
        return container.attach(stdout=True, stderr=True, stream=True, logs=False, demux=True)
    return container.attach(stdout=True, stderr=True, stream=True, logs=False)
