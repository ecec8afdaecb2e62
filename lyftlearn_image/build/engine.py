"""Finds a Docker engine, or installs and starts one; finds a client that can build with BuildKit."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    Progress = Callable[[str], None]

_LOG = Path("/var/log/lyftlearn-dockerd.log")
_LOCK = Path("/run/lyftlearn-dockerd.lock")
_READY_WITHIN_S = 60
# Docker 23 took BuildKit out of the client: from then on it needs the buildx plugin.
_FIRST_WITHOUT_BUILDKIT = 23


@dataclass(frozen=True)
class Engine:
    """An engine that answers. `origin` is `running` (it was there), `started` or `installed`."""

    version: str
    origin: str
    host: str


def ensure_engine(progress: Progress) -> Engine:
    """An engine that answers; one that already runs is used and left alone.

    Else, as root on a Debian-like system, Debian's packages are installed and an engine is started. Raises
    UnavailableError that says what to install when this user cannot do that, or with the end of the engine's log.
    """
    if found := _running("running"):
        return found
    if os.environ.get("DOCKER_HOST"):
        host = os.environ["DOCKER_HOST"]
        raise UnavailableError(
            "the engine that DOCKER_HOST names does not answer", where=host, hint="Start it, or unset DOCKER_HOST."
        )
    if os.geteuid() != 0:
        raise UnavailableError(
            "no Docker engine answers, and only root can start one",
            hint="As root: `apt-get install docker.io iptables` and start it, then add this user to the group docker.",
        )
    with _LOCK.open("w") as lock:
        # Two at once must not start two engines: the second finds what the first started.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if found := _running("running"):
            return found
        origin = "started" if shutil.which("dockerd") else _install(progress)
        progress("starting a Docker engine")
        _start()
        return _await_ready(origin)


def build_client() -> Path:
    """A docker client that can do BuildKit builds: one with buildx, or one from before version 23.

    Raises UnavailableError that says what to install when there is none.
    """
    found = [shutil.which("docker"), "/usr/bin/docker", "/usr/local/bin/docker"]
    candidates = list(dict.fromkeys(path for path in found if path and os.access(path, os.X_OK)))
    for candidate in candidates:
        if _can_build(candidate):
            return Path(candidate)
    raise UnavailableError(
        "no docker client here can build with BuildKit",
        where=", ".join(candidates) or "there is no docker on PATH",
        hint="Install the buildx plugin (Debian: docker-buildx from trixie on), or Debian 12's docker.io.",
    )


def _can_build(client: str) -> bool:
    if subprocess.run([client, "buildx", "version"], capture_output=True, check=False).returncode == 0:
        return True
    version = subprocess.run([client, "--version"], capture_output=True, text=True, check=False).stdout
    digits = version.partition("version ")[2].partition(".")[0]
    return digits.isdigit() and int(digits) < _FIRST_WITHOUT_BUILDKIT


def _running(origin: str) -> Engine | None:
    import docker  # noqa: PLC0415 - takes 150 ms
    import docker.errors  # noqa: PLC0415 - see above

    try:
        client = docker.from_env(timeout=10)
    except docker.errors.DockerException:
        return None
    try:
        version = client.version()["Version"]
    except (docker.errors.DockerException, OSError):
        return None
    finally:
        client.close()
    return Engine(version=str(version), origin=origin, host=os.environ.get("DOCKER_HOST", "the default socket"))


def _install(progress: Progress) -> str:
    if not shutil.which("apt-get"):
        raise UnavailableError(
            "there is no Docker engine, and no apt-get to install one with", hint="Install Docker, then run this again."
        )
    progress("installing Debian's docker.io and iptables")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "docker.io", "iptables"]
    for command in (["apt-get", "update", "-q"], install):
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            raise UnavailableError(f"`{' '.join(command)}` failed", where="\n".join(done.stderr.strip().splitlines()[-3:]))
    return "installed"


def _start() -> None:
    """Starts dockerd in a session of its own, so that it outlives this command."""
    with _LOG.open("ab") as log:
        subprocess.Popen(["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def _await_ready(origin: str) -> Engine:
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline:
        if found := _running(origin):
            return found
        time.sleep(0.2)
    end = "\n".join(_LOG.read_text(errors="replace").splitlines()[-5:])
    raise UnavailableError(f"the engine was not ready after {_READY_WITHIN_S} s", where=f"{_LOG}:\n{end}", hint="Read its log.")
