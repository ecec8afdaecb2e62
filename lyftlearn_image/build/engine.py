"""Finds a Docker engine, or installs and starts one; finds a client that can build with BuildKit."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lyftlearn_image.build.connection import DEFAULT_HOST, EngineAddress, find_address, require_new_enough
from lyftlearn_image.errors import UnavailableError
from lyftlearn_image.retry import Clock, Waits, every

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

    OnLine = Callable[[str], None]

_READY_WITHIN_S = 60
_POLL_S = 0.1
# Asked after PATH: a newer client without buildx may stand before the one that can build.
_USUAL_FOLDERS = ("/usr/bin", "/usr/local/bin")
_LOG_LINES = 12
_PACKAGES = ("docker.io", "iptables")
# `apt-get update` waits for nobody, whatever DPkg::Lock::Timeout says; so two of us at once wait here.
_APT_LOCK = Path("/run/lyftlearn-apt.lock")
# From Debian 13 on the client and BuildKit's plugin are packages of their own; Debian 12's docker.io holds both.
_PACKAGES_WHERE_THEY_EXIST = ("docker-cli", "docker-buildx")
# Docker 23 took BuildKit out of the client: from then on it needs the buildx plugin.
# Source: docs.docker.com/engine/release-notes/23.0, "New".
_FIRST_WITHOUT_BUILDKIT = 23


@dataclass(frozen=True)
class Engine:
    """An engine that answers."""

    address: EngineAddress
    version: str
    origin: Literal["running", "started", "installed"]

    @contextlib.contextmanager
    def connect(self, timeout_s: int = 600) -> Iterator[docker.DockerClient]:
        """A client of this engine, closed at the end. `timeout_s` is the longest silence of a call."""
        client = self.address.client(timeout_s)
        try:
            yield client
        finally:
            client.close()


@dataclass(frozen=True)
class Daemon:
    """The engine that is started where none runs: where it listens and writes, and who waits for whom."""

    host: str = DEFAULT_HOST
    arguments: tuple[str, ...] = ()
    log: Path = Path("/var/log/lyftlearn-dockerd.log")
    lock: Path = Path("/run/lyftlearn-dockerd.lock")


DEFAULT_DAEMON = Daemon()


def ensure_engine(on_line: OnLine, daemon: Daemon = DEFAULT_DAEMON) -> Engine:
    """An engine that answers; one that already runs is used and left alone.

    Else, as root on a Debian-like system, Debian's packages are installed and an engine is started. Any number of calls
    at the same time start one engine. `on_line` gets one line a step. Raises UnavailableError that says what to install
    when this user cannot do that, or with the end of the engine's log.
    """
    address = find_address(os.environ, daemon.host)
    if engine := _running(address, "running"):
        return engine
    _refuse_what_cannot_be_started(address, daemon)
    with daemon.lock.open("w") as lock:
        # Two at once must not start two engines: the second finds what the first started.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if engine := _running(address, "running"):
            return engine
        return _start(on_line, daemon)


def build_client() -> Path:
    """A docker client that can do BuildKit builds: one with buildx, or one from before version 23.

    Every `docker` on PATH is tried, then the usual places. Raises UnavailableError that says what to install.
    """
    folders = [*os.environ.get("PATH", "").split(os.pathsep), *_USUAL_FOLDERS]
    candidates = list(dict.fromkeys(Path(folder) / "docker" for folder in folders if folder))
    # os.path, for pathlib raises where this user may not look into a folder of PATH.
    present = [candidate for candidate in candidates if os.path.isfile(candidate) and os.access(candidate, os.X_OK)]  # noqa: PTH113
    for candidate in present:
        if _can_build(candidate):
            return candidate
    if not present:
        raise UnavailableError("there is no docker client", hint="Install one. Debian 12: apt-get install docker.io")
    raise UnavailableError(
        "no docker client here can build with BuildKit",
        where=", ".join(str(path) for path in present),
        hint="Install the buildx plugin (Debian 13: apt-get install docker-buildx), or Debian 12's docker.io.",
    )


def apt_install(packages: tuple[str, ...], *, wanted_for: str) -> None:
    """Installs Debian packages, as root. Raises UnavailableError with apt's last lines, or what root should install."""
    command = f"apt-get install {' '.join(packages)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise UnavailableError(f"{' and '.join(packages)} must be installed {wanted_for}", hint=f"As root on Debian: {command}")
    with _APT_LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _apt("update", wanted_for)
        _apt("install", wanted_for, "-y", "--no-install-recommends", *packages)


def _apt(verb: str, wanted_for: str, *arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", verb, "-q", "-o", "DPkg::Lock::Timeout=120", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise UnavailableError(
            f"`apt-get {verb}` failed, {wanted_for}",
            where="\n".join(done.stderr.strip().splitlines()[-_LOG_LINES:]),
            hint="Does apt reach its mirror? Check its sources, and http_proxy.",
        )


def _can_build(client: Path) -> bool:
    if subprocess.run([client, "buildx", "version"], capture_output=True, check=False).returncode == 0:
        return True
    version = subprocess.run([client, "--version"], capture_output=True, text=True, check=False).stdout
    major = version.partition("version ")[2].partition(".")[0]
    return major.isdigit() and int(major) < _FIRST_WITHOUT_BUILDKIT


def _running(address: EngineAddress, origin: Literal["running", "started", "installed"]) -> Engine | None:
    """The engine at an address, or None when none answers there."""
    import docker.errors  # noqa: PLC0415 - takes 150 ms, and most verbs do not need it
    import requests  # noqa: PLC0415 - comes with the docker SDK

    client = None
    try:
        client = address.client(10)
        require_new_enough(client, address)
        return Engine(address, str(client.version()["Version"]), origin)
    except (docker.errors.DockerException, requests.exceptions.RequestException):
        return None
    finally:
        if client is not None:
            client.close()


def _refuse_what_cannot_be_started(address: EngineAddress, daemon: Daemon) -> None:
    """Raises UnavailableError where starting an engine would be no help, or is not ours to do."""
    if address.host != daemon.host:
        way_out = "unset DOCKER_HOST" if address.named_by == "DOCKER_HOST" else "choose another one: `docker context use`"
        raise UnavailableError(
            f"the engine that {address.named_by} names does not answer", where=str(address), hint=f"Start it, or {way_out}."
        )
    if os.geteuid() == 0:
        return
    socket = Path(address.host.removeprefix("unix://"))
    # os.path, for pathlib raises where even the folder may not be read.
    if os.path.exists(socket) and not os.access(socket, os.W_OK):  # noqa: PTH110
        raise UnavailableError(
            "this user may not use the Docker engine",
            where=str(socket),
            hint="As root: adduser <user> docker; then log in again. Or run this as root.",
        )
    raise UnavailableError(
        "no Docker engine answers, and only root can start one",
        where=str(socket),
        hint="As root: apt-get install docker.io iptables, start it, and add this user to the group docker.",
    )


def _start(on_line: OnLine, daemon: Daemon) -> Engine:
    """Starts an engine, after installing one where there is none, and waits until it answers."""
    origin: Literal["started", "installed"] = "started"
    if not shutil.which("dockerd"):
        on_line("there is no Docker engine: installing Debian's docker.io and iptables")
        _install()
        origin = "installed"
    log_before = daemon.log.stat().st_size if daemon.log.exists() else 0
    process = _launch(daemon)
    engine = _await_ready(daemon, process, origin, log_before)
    on_line(f"started a Docker engine, version {engine.version}, at {daemon.host}; its log is {daemon.log}")
    return engine


def _install() -> None:
    apt_install(_PACKAGES, wanted_for="to have a Docker engine")
    others = tuple(name for name in _PACKAGES_WHERE_THEY_EXIST if _apt_has(name))
    if others:
        apt_install(others, wanted_for="to build with BuildKit")


def _apt_has(package: str) -> bool:
    return subprocess.run(["apt-cache", "show", package], capture_output=True, check=False).returncode == 0


def _launch(daemon: Daemon) -> subprocess.Popen[bytes]:
    """Starts the engine so that it outlives this command: by systemd where that runs, else in a session of its own."""
    command = ["dockerd", f"--host={daemon.host}", *daemon.arguments]
    if daemon == DEFAULT_DAEMON and Path("/run/systemd/system").is_dir():
        # systemd holds the default socket itself there; a second owner of it would not start.
        command = ["systemctl", "start", "docker.service"]
    daemon.log.parent.mkdir(parents=True, exist_ok=True)
    with daemon.log.open("ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def _await_ready(
    daemon: Daemon, process: subprocess.Popen[bytes], origin: Literal["started", "installed"], log_before: int
) -> Engine:
    """The engine once it answers. Raises UnavailableError with the log's end when it ends or takes too long."""
    waits = Waits(every(_POLL_S, deadline_s=_READY_WITHIN_S), Clock())
    problem = f"the Docker engine was not ready after {_READY_WITHIN_S} s"
    while waits.sleep():
        ended = process.poll()
        if engine := _running(EngineAddress({"DOCKER_HOST": daemon.host}), origin):
            # It goes on without us: nobody here waits for it, and that is no leak.
            process.returncode = 0
            return engine
        if ended:
            problem = f"the Docker engine ended with exit code {ended} while it started"
            break
    with daemon.log.open("rb") as log:
        log.seek(log_before)
        lines = log.read().decode(errors="replace").strip().splitlines()
    # An engine that goes down says a lot about its own order; the reason is not among the infos.
    end = [line for line in lines if "level=info" not in line][-_LOG_LINES:]
    raise UnavailableError(problem, where="\n".join([f"{daemon.log}:", *end]), hint="Its last lines say why.")
