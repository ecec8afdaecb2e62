"""Engines of other kinds, each with directories, a network and a socket of its own, beside the one of this machine.

They are ended by their own process ids. What a row needs of Debian comes by apt: podman as a package, a newer Docker and the
rootless tools unpacked below a directory, so that the machine keeps what it has.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.build.engine import apt_install

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SOURCES = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian {suite} main\n"
_STARTED_WITHIN_S = 120
_USER, _NAME = 4242, "lyftlearn-rootless"
_PODMAN = '[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n[engine]\ncgroup_manager = "cgroupfs"\n'
# Binds of files that name a user with subordinate ids, and a tunnel device that it may open, seen by the engine alone.
_ROOTLESS = """
set -e
touch /etc/subuid /etc/subgid
for file in passwd group subuid subgid; do mount --bind "$1/etc/$file" "/etc/$file"; done
mkdir -p /dev/net; [ -e /dev/net/tun ] || touch /dev/net/tun
mount --bind "$1/tun" /dev/net/tun
exec setpriv --reuid={user} --regid={user} --clear-groups sh /usr/share/docker.io/contrib/dockerd-rootless.sh
"""


@dataclass(frozen=True)
class Row:
    """An engine: its address, the variables of who uses it, and the command before one that runs in its network."""

    host: str
    environment: Mapping[str, str]
    inside: tuple[str, ...] = ()


@contextlib.contextmanager
def podman(directory: Path) -> Iterator[Row]:
    """Podman's socket."""
    if shutil.which("podman") is None:
        apt_install(("podman", "catatonit"), wanted_for="the matrix of engines")
    (directory / "containers.conf").write_text(_PODMAN)
    places = ("--root", f"{directory}/root", "--runroot", f"{directory}/run")
    command = ["podman", *places, "system", "service", "--time=0", f"unix://{directory}/s"]
    environment = {**os.environ, "CONTAINERS_CONF": f"{directory}/containers.conf"}
    with _running(command, environment, directory / "s"):
        yield Row(f"unix://{directory}/s", os.environ)


@contextlib.contextmanager
def newer_docker(directory: Path) -> Iterator[Row]:
    """Docker of Debian 13 in a network namespace of its own, also at TCP there."""
    root = _unpacked(directory, "trixie", ("docker.io", "docker-cli", "docker-buildx", "containerd"))
    plugins = directory / "config" / "cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-buildx").symlink_to(root / "usr/libexec/docker/cli-plugins/docker-buildx")
    path = f"{root}/usr/bin:{root}/usr/sbin:{os.environ['PATH']}:/usr/sbin"
    environment = {**os.environ, "PATH": path, "DOCKER_CONFIG": f"{directory}/config"}
    hosts = f"--host=unix://{directory}/s --host=tcp://127.0.0.1:2375 --tls=false"
    places = f"--data-root={directory}/data --exec-root={directory}/exec --pidfile={directory}/pid"
    command = ["unshare", "--net", "--mount", "sh", "-c", f"ip link set lo up; exec dockerd {hosts} {places}"]
    with _running(command, environment, directory / "s"):
        pid = (directory / "pid").read_text()
        yield Row(f"unix://{directory}/s", environment, ("nsenter", "-n", "-t", pid))


@contextlib.contextmanager
def rootless(directory: Path) -> Iterator[Row]:
    """Rootless Docker of a user that exists for it alone. Whoever runs the row is that user, and root in its namespaces."""
    root = _unpacked(directory, "bookworm", ("rootlesskit", "slirp4netns", "uidmap", "libslirp0"))
    home, run = directory / "home", directory / "run"
    (directory / "etc").mkdir()
    for name, line in (("passwd", f"{_NAME}:x:{_USER}:{_USER}::{home}:/bin/sh"), ("group", f"{_NAME}:x:{_USER}:")):
        (directory / "etc" / name).write_text(f"{Path('/etc', name).read_text()}{line}\n")
    for name in ("subuid", "subgid"):
        (directory / "etc" / name).write_text(f"{_NAME}:500000:65536\n")
    for path in (home, run):
        path.mkdir(mode=0o700)
        os.chown(path, _USER, _USER)
    os.mknod(directory / "tun", 0o666 | 0o020000, os.makedev(10, 200))
    (directory / "tun").chmod(0o666)
    environment = {
        **os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(run), "DOCKER_HOST": "",
        "PATH": f"{root}/usr/bin:/usr/sbin:/sbin:/usr/bin:/bin", "LD_LIBRARY_PATH": f"{root}/usr/lib/x86_64-linux-gnu",
    }  # fmt: skip
    command = ["unshare", "--mount", "sh", "-c", _ROOTLESS.format(user=_USER), "sh", str(directory)]
    with _running(command, environment, run / "docker.sock"):
        listed = subprocess.run(["pgrep", "-u", str(_USER), "-x", "dockerd"], capture_output=True, text=True, check=True)
        inside = ("nsenter", "-U", "--preserve-credentials", "-n", "-t", listed.stdout.split()[0])
        yield Row(f"unix://{run}/docker.sock", os.environ, inside)


@contextlib.contextmanager
def _running(command: Sequence[str], environment: Mapping[str, str], socket: Path) -> Iterator[None]:
    """A process that has made its socket; ended with all that it has started."""
    log = socket.parent / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=dict(environment), stdout=file, stderr=file, start_new_session=True)
    try:
        until = time.monotonic() + _STARTED_WITHIN_S
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def _unpacked(directory: Path, suite: str, packages: tuple[str, ...]) -> Path:
    """The files of Debian packages of a suite, below a directory."""
    apt, root = directory / "apt", directory / "unpacked"
    for path in (apt / "lists/partial", apt / "cache/archives/partial", apt / "packages"):
        path.mkdir(parents=True)
    (apt / "sources.list").write_text(_SOURCES.format(suite=suite))
    options = [f"Dir::Etc::sourcelist={apt}/sources.list", "Dir::Etc::sourceparts=/dev/null"]
    options += [f"Dir::State::lists={apt}/lists", f"Dir::Cache={apt}/cache", "APT::Sandbox::User=root"]
    command = ["apt-get", "-qq", *(word for option in options for word in ("-o", option))]
    subprocess.run([*command, "update"], check=True)
    subprocess.run([*command, "download", *packages], check=True, cwd=apt / "packages")
    for package in (apt / "packages").iterdir():
        subprocess.run(["dpkg", "-x", package, root], check=True)
    return root
