"""The engine and where it is, what can build with it, whether runs on this machine work with it, and the room on disks."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.build.build_log import log_directory
from lyftlearn_image.build.causes import find_cause
from lyftlearn_image.build.connection import connect, find_address
from lyftlearn_image.build.engine import build_client
from lyftlearn_image.build.engine_facts import engine_facts
from lyftlearn_image.build.secrets import without_credentials
from lyftlearn_image.doctor.checkup import Finding, Level, failed, ok, warning
from lyftlearn_image.emulation.docker.errors import engine_errors
from lyftlearn_image.emulation.private_directories import MEMORY
from lyftlearn_image.emulation.shared_machine import require_shared_machine
from lyftlearn_image.errors import LyftlearnError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.build.engine_facts import EngineFacts

_GB = 1e9
# An image is about half a GB, its build three times that; a run keeps logs and artifacts.
_LITTLE_BYTES, _TOO_LITTLE_BYTES = 10 * _GB, 1 * _GB
_LITTLE_OF_MEMORY_BYTES = 64 << 20
_FEW_INODES = 10_000
_FULL_BYTES = 64 << 10


def check_engine(timeout_s: float) -> Iterator[Finding]:
    """Which engine answers, and with what: lines `engine`, `BuildKit`, `runs here` and `disk` of the engine's root."""
    try:
        facts = _facts(timeout_s)
    except LyftlearnError as error:
        yield failed("engine", _with_permission(error))
        return
    yield ok("engine", str(facts))
    if facts.proxies:
        yield ok("engine's proxy", ", ".join(dict.fromkeys(map(without_credentials, facts.proxies))))
    if facts.remaps_users:
        hint = "An engine without `userns-remap` runs everything."
        yield warning("engine", "it gives containers other users' ids: they may not read files of this user", hint)
    yield _buildkit(facts, timeout_s)
    yield _runs_here()
    yield _engine_disk(facts)


def full_places() -> list[Path]:
    """The directories in which this process writes and that have no room left, in bytes or in files."""
    found = []
    for path in (Path(tempfile.gettempdir()), log_directory(), Path.cwd(), MEMORY):
        with contextlib.suppress(OSError):
            status = os.statvfs(_nearest(path))
            if status.f_bavail * status.f_frsize < _FULL_BYTES or (status.f_files and not status.f_favail):
                found.append(path)
    return found


def check_disks() -> Iterator[Finding]:
    """The room for what this process keeps: temporary files, build logs, reports where it runs, secrets in memory."""
    places = {"temporary files": Path(tempfile.gettempdir()), "build logs": log_directory(), "reports": Path.cwd()}
    by_disk: dict[int, list[str]] = {}
    paths: dict[int, Path] = {}
    for purpose, path in places.items():
        there = _nearest(path)
        device = there.stat().st_dev
        by_disk.setdefault(device, []).append(f"{purpose} in {path}")
        paths.setdefault(device, there)
    for device, purposes in by_disk.items():
        yield _room(", ".join(purposes), paths[device])
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free < _LITTLE_OF_MEMORY_BYTES:
        yield warning(
            "disk", f"{MEMORY}, where secrets of runs are, has little room", "Start this container with --shm-size 1g."
        )


def _nearest(path: Path) -> Path:
    """The directory itself, or the nearest one above it that exists."""
    return next(parent for parent in (path, *path.parents) if parent.exists())


def _facts(timeout_s: float) -> EngineFacts:
    address = find_address(os.environ)
    client = connect(max(1, int(timeout_s)))
    try:
        with engine_errors("asking the engine what it is"):
            return engine_facts(client, address)
    finally:
        client.close()


def _with_permission(error: LyftlearnError) -> LyftlearnError:
    """The error, or what it comes from: a socket that is there and that this user may not use."""
    socket = Path(find_address(os.environ).host.removeprefix("unix://")) if isinstance(error, UnavailableError) else None
    # os.path, for pathlib raises where even the folder may not be read.
    if socket and os.path.exists(socket) and not os.access(socket, os.W_OK):  # noqa: PTH110
        return UnavailableError(
            "this user may not use the Docker engine",
            where=str(socket),
            hint="As root: adduser <user> docker; then log in again. In a container: give it the socket's group (--group-add).",
        )
    return error


def _buildkit(facts: EngineFacts, timeout_s: float) -> Finding:
    if facts.is_podman:
        hint = "Build with a Docker engine that DOCKER_HOST names; `lyftlearn-image render` gives the Dockerfile for others."
        return Finding("BuildKit", Level.ERROR, "Podman's socket has none: images cannot be built with it", hint)
    try:
        client = build_client()
    except UnavailableError as error:
        return failed("BuildKit", error)
    environment = {**os.environ, **find_address(os.environ).variables}
    try:
        done = subprocess.run(
            [client, "version", "--format", "{{.Client.Version}}"],
            capture_output=True, text=True, check=False, env=environment, timeout=timeout_s, errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Finding("BuildKit", Level.ERROR, f"{client} does not answer", "Is its DOCKER_HOST right?", is_unavailable=True)
    if done.returncode:
        cause = find_cause(done.stderr, {})
        unknown = UnavailableError(f"{client} cannot ask the engine", where=done.stderr.strip()[:200])
        return failed("BuildKit", cause.error() if cause else unknown)
    has_buildx = (
        subprocess.run([client, "buildx", "version"], capture_output=True, check=False, timeout=timeout_s).returncode == 0
    )
    return ok("BuildKit", f"{client} {done.stdout.strip()}, {'with buildx' if has_buildx else 'which has BuildKit built in'}")


def _runs_here() -> Finding:
    """Whether emulators run. Where they do not, everything else may still be done: a warning."""
    try:
        require_shared_machine()
    except UnavailableError as error:
        return warning("runs here", error.what, error.hint)
    return ok("runs here", "`parity run`, `run --here` and `local` share the engine's network and files")


def _engine_disk(facts: EngineFacts) -> Finding:
    root = Path(facts.root)
    if not facts.has_files_here or not facts.root or not _is_there(root):
        hint = "`docker system df` says what is used there."
        return warning("disk", f"the engine's {facts.root or 'directory'} is not seen from here", hint)
    return _room(f"the engine's images in {root}", root)


def _is_there(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - pathlib raises where the folder around it may not be read


def _room(purpose: str, path: Path) -> Finding:
    """How much room a file system has, in bytes and in files."""
    status = os.statvfs(path)
    free = status.f_bavail * status.f_frsize
    text = f"{free / _GB:,.1f} GB free for {purpose}"
    hint = "Make room: `docker system df`, `docker builder prune`, or a larger disk."
    if status.f_files and status.f_favail < _FEW_INODES:
        return Finding(
            "disk", Level.ERROR if not status.f_favail else Level.WARNING, f"{status.f_favail:,} files left for {purpose}", hint
        )
    if free < _TOO_LITTLE_BYTES:
        return Finding("disk", Level.ERROR, text, hint)
    return warning("disk", text, hint) if free < _LITTLE_BYTES else ok("disk", text)
