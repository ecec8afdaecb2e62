"""The one place that talks to the Docker engine about containers."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from lyftlearn_image.errors import RunError, UnavailableError
from lyftlearn_image.targets import orphans
from lyftlearn_image.targets.network import bridge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    import docker
    from docker.models.containers import Container

    from lyftlearn_image.targets.network import Network

RUN_LABEL = "dev.lyftlearn.run"


@dataclass(frozen=True)
class Mount:
    """A bind mount of a host path, a named `volume`, or else a tmpfs with `size_bytes`, octal `mode` and group."""

    target: str
    source: Path | None = None
    read_only: bool = False
    size_bytes: int | None = None
    mode: int = 0o1777
    gid: int | None = None
    volume: str | None = None


@dataclass(frozen=True)
class ContainerSpec:
    """Everything the engine is told about a container. None leaves the image's or the engine's own default."""

    image: str
    name: str
    environment: tuple[tuple[str, str], ...] = ()
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    user: str | None = None
    groups: tuple[str, ...] = ()
    working_dir: str | None = None
    mounts: tuple[Mount, ...] = ()
    network: str | None = None
    ip: str | None = None
    hostname: str | None = None
    aliases: tuple[str, ...] = ()
    extra_hosts: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    memory_bytes: int | None = None
    cpus: float | None = None
    shm_size_bytes: int | None = None
    tty: bool = False
    stdin_open: bool = False
    stop_signal: str | None = None
    # `container:<id>` shares another container's namespace; `shareable` lets others share this one's ipc.
    network_mode: str | None = None
    ipc_mode: str | None = None
    pid_mode: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ContainerExit:
    """How a container ended. Times are seconds of the host's clock (time.time())."""

    exit_code: int
    oom_killed: bool
    error: str
    started_at: float
    finished_at: float


@dataclass(frozen=True)
class ExecEnd:
    """How a command in a running container ended: None as the exit code when its time was up before."""

    exit_code: int | None
    output: bytes


class RunningContainer:
    """A started container whose output is being written to two files."""

    def __init__(self, container: Container, reader: _Reader, started_at: float) -> None:
        self._container = container
        self._reader = reader
        self._started_at = started_at

    @property
    def id(self) -> str:
        """The engine's full id."""
        return str(self._container.id)

    def wait(self, timeout_s: float | None = None) -> ContainerExit | None:
        """How it ended, or None when it still runs after `timeout_s`.

        Raises RunError when its output cannot be written, UnavailableError when the engine goes away.
        """
        self._reader.join(timeout_s)
        if self._reader.is_alive():
            return None
        self._reader.raise_error()
        with _engine_errors("waiting for a container"):
            self._container.wait()
            finished_at = time.time()
            self._container.reload()
        state = self._container.attrs["State"]
        return ContainerExit(
            exit_code=int(state["ExitCode"]),
            oom_killed=bool(state["OOMKilled"]),
            error=str(state["Error"]),
            started_at=self._started_at,
            finished_at=finished_at,
        )

    def stop(self, grace_s: int) -> None:
        """SIGTERM to PID 1 (or the image's STOPSIGNAL), then SIGKILL after `grace_s`. Returns when it is down."""
        with _engine_errors("stopping a container"):
            self._container.stop(timeout=grace_s)

    def signal(self, name: str) -> None:
        """One signal to PID 1, such as `SIGTERM`."""
        with _engine_errors("signalling a container"):
            self._container.kill(name)

    def written_bytes(self) -> int:
        """How much the container has written over its image; 0 when it is gone."""
        api: Any = cast("Any", self._container.client).api
        with _engine_errors("measuring a container"):
            found = api.containers(all=True, size=True, filters={"id": self.id})
        return int(found[0].get("SizeRw") or 0) if found else 0

    def execute(self, command: tuple[str, ...], timeout_s: float) -> ExecEnd:
        """Runs a command in the container, as its user and in its working directory; killed when its time is up.

        RunError when the command cannot be started, or the container has ended.
        """
        api: Any = cast("Any", self._container.client).api
        output: list[bytes] = []
        failed: list[Exception] = []

        def start() -> None:
            try:
                output.append(api.exec_start(created["Id"]))
            except Exception as error:  # noqa: BLE001 - told by the caller's thread
                failed.append(error)

        with _engine_errors("running a command in a container"):
            created = api.exec_create(self._container.id, list(command))
            thread = threading.Thread(target=start, daemon=True)
            thread.start()
            thread.join(timeout_s)
            if thread.is_alive():
                _kill_process(int(api.exec_inspect(created["Id"]).get("Pid") or 0))
                return ExecEnd(None, b"")
            if failed:
                raise failed[0]
            return ExecEnd(int(api.exec_inspect(created["Id"])["ExitCode"]), b"".join(output))


class Containers:
    """The engine, for containers that belong to one run (`run_id`): what it leaves, `clean` removes."""

    def __init__(self, client: docker.DockerClient, run_id: str) -> None:
        self._client = client
        self.run_id = run_id
        self._labels = {RUN_LABEL: run_id, orphans.OWNER_LABEL: orphans.owner()}

    @property
    def client(self) -> docker.DockerClient:
        """The docker SDK's client, for what this class does not cover (images, info)."""
        return self._client

    @contextlib.contextmanager
    def network(self) -> Iterator[Network]:
        """A network of its own, removed at the end with every container of the run."""
        with contextlib.ExitStack() as stack:
            with _engine_errors("making a network"):
                orphans.remove(self._client)
                made = stack.enter_context(bridge(self._client, f"lyftlearn-{self.run_id}", self._labels))
            stack.callback(self.remove_all)
            yield made

    @contextlib.contextmanager
    def isolated_network(self, name: str) -> Iterator[Network]:
        """A further network, whose containers reach each other and nothing else; removed at the end."""
        with contextlib.ExitStack() as stack:
            with _engine_errors("making a network"):
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
        with _engine_errors("making a volume"):
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
        with _engine_errors(f"creating a container of {spec.image}"):
            container = self._client.containers.create(**_create_arguments(spec, self._labels))
        try:
            with _engine_errors(f"starting a container of {spec.image}"):
                stream = _attach(container, demux=not spec.tty)
                reader = _Reader(stream, stdout, stderr, on_line, on_chunk)
                reader.start()
                started_at = time.time()
                container.start()
            yield RunningContainer(container, reader, started_at)
        finally:
            with contextlib.suppress(Exception):
                container.remove(force=True, v=True)

    def image_user(self, image: str) -> str:
        """What an image's USER says, "" where it says nothing. RunError when the engine has no such image."""
        with _engine_errors(f"looking for the image {image}"):
            return str(self._client.images.get(image).attrs["Config"].get("User") or "")

    def image_file(self, image: str, path: str) -> bytes | None:
        """A tar archive of one file of an image, read from a container that is never started; None where it has none."""
        import docker.errors  # noqa: PLC0415 - see connect()

        with _engine_errors(f"reading {path} of {image}"):
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
            left = self._client.containers.list(all=True, filters={"label": f"{RUN_LABEL}={self.run_id}"})
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


def _engine_mount(mount: Mount) -> Any:
    from docker.types import Mount as EngineMount  # noqa: PLC0415 - see connect()

    if mount.volume is not None:
        return EngineMount(mount.target, mount.volume, type="volume", read_only=mount.read_only, no_copy=True)
    return EngineMount(mount.target, str(mount.source), type="bind", read_only=mount.read_only)


def _tmpfs_options(mount: Mount) -> str:
    """Mount options of a tmpfs; the engine's own default would add noexec, nosuid and nodev."""
    options = ["ro" if mount.read_only else "rw", "exec", "suid", "dev", f"mode={mount.mode:o}"]
    if mount.size_bytes is not None:
        options.append(f"size={mount.size_bytes}")
    if mount.gid is not None:
        options.append(f"gid={mount.gid}")
    return ",".join(options)


def _create_arguments(spec: ContainerSpec, labels: Mapping[str, str]) -> dict[str, Any]:
    from docker.types import EndpointConfig  # noqa: PLC0415 - see connect()

    in_memory = [mount for mount in spec.mounts if mount.source is None and mount.volume is None]
    arguments: dict[str, Any] = {
        "image": spec.image,
        "name": spec.name,
        "environment": [f"{name}={value}" for name, value in spec.environment],
        "command": None if spec.command is None else list(spec.command),
        "user": spec.user,
        "group_add": list(spec.groups),
        "working_dir": spec.working_dir,
        "mounts": [_engine_mount(mount) for mount in spec.mounts if mount not in in_memory],
        "tmpfs": {mount.target: _tmpfs_options(mount) for mount in in_memory} or None,
        "hostname": spec.hostname,
        "extra_hosts": dict(spec.extra_hosts) or None,
        "read_only": spec.read_only,
        "cap_add": list(spec.cap_add) or None,
        "cap_drop": list(spec.cap_drop) or None,
        "security_opt": list(spec.security_opt) or None,
        "sysctls": dict(spec.sysctls) or None,
        "mem_limit": spec.memory_bytes,
        # Swap equal to memory means no swap: neither platform gives a container any.
        "memswap_limit": spec.memory_bytes,
        "nano_cpus": None if spec.cpus is None else int(spec.cpus * 1e9),
        "shm_size": spec.shm_size_bytes,
        "tty": spec.tty,
        "stdin_open": spec.stdin_open,
        "stop_signal": spec.stop_signal,
        "network_mode": spec.network_mode,
        "ipc_mode": spec.ipc_mode,
        "pid_mode": spec.pid_mode,
        "detach": True,
        "labels": {**spec.labels, **labels},
    }
    if spec.entrypoint is not None:
        arguments["entrypoint"] = list(spec.entrypoint)
    if spec.network is not None:
        arguments["network"] = spec.network
        arguments["networking_config"] = {
            spec.network: EndpointConfig("1.41", aliases=list(spec.aliases) or None, ipv4_address=spec.ip)
        }
    return arguments


def _attach(container: Container, *, demux: bool) -> Any:
    """The container's output from its first byte: chunks, or (stdout, stderr) pairs with `demux`."""
    if demux:
        return container.attach(stdout=True, stderr=True, stream=True, logs=False, demux=True)
    return container.attach(stdout=True, stderr=True, stream=True, logs=False)


class _Reader(threading.Thread):
    """Writes an attached stream to its files as it comes, and hands on whole stdout lines."""

    def __init__(
        self,
        stream: Any,
        stdout: Path,
        stderr: Path,
        on_line: Callable[[str], None] | None,
        on_chunk: Callable[[str, bytes], None] | None,
    ) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._stdout = stdout
        self._stderr = stderr
        self._on_line = on_line
        self._on_chunk = on_chunk
        self._error: Exception | None = None

    def run(self) -> None:
        """To the stream's end. What an earlier container of the same job has written there stays."""
        try:
            with self._stdout.open("ab") as out, self._stderr.open("ab") as err:
                self._copy(out, err)
        except Exception as error:  # noqa: BLE001 - raised by who waits for the container
            self._error = error

    def raise_error(self) -> None:
        """What went wrong, for the thread that waits."""
        if isinstance(self._error, OSError) and self._error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG):
            raise RunError(
                f"the output of a container cannot be written: {os.strerror(self._error.errno)}",
                where=str(self._stdout),
                hint="Free some space there, or give another directory.",
            )
        if self._error is not None:
            with _engine_errors("reading the output of a container"):
                raise self._error

    def _copy(self, out: BinaryIO, err: BinaryIO) -> None:
        pending = b""
        for item in self._stream:
            to_out, to_err = item if isinstance(item, tuple) else (item, None)
            _write(err, to_err)
            _write(out, to_out)
            for name, data in (("stderr", to_err), ("stdout", to_out)):
                if self._on_chunk and data:
                    self._on_chunk(name, data)
            if self._on_line and to_out:
                *lines, pending = (pending + to_out).split(b"\n")
                for line in lines:
                    self._on_line(line.decode("utf-8", "replace"))
        if self._on_line and pending:
            self._on_line(pending.decode("utf-8", "replace"))


def _write(file: BinaryIO, data: bytes | None) -> None:
    if data:
        file.write(data)
        file.flush()


def _kill_process(pid: int) -> None:
    """Ends a process of this machine's engine; one of an engine elsewhere ends with its container."""
    if pid:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def _engine_errors(doing: str) -> Iterator[None]:
    """Turns the docker SDK's errors into ours."""
    import docker.errors  # noqa: PLC0415 - see connect()
    import requests  # noqa: PLC0415 - comes with the docker SDK
    import urllib3  # noqa: PLC0415 - as above

    try:
        yield
    except docker.errors.ImageNotFound as error:
        raise RunError(f"{doing}: there is no such image", where=str(error.explanation), hint="Build it first.") from None
    except docker.errors.APIError as error:
        raise RunError(f"{doing}: the engine refused", where=str(error.explanation or error)) from None
    except (docker.errors.DockerException, requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        raise UnavailableError(
            f"{doing}: the engine does not answer", where=str(error)[:200], hint="Is it running? `make engine`."
        ) from None
