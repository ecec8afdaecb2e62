"""The engine that is found or started, and the client that can build."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.build import engine as engine_module
from lyftlearn_image.build.engine import Daemon, build_client, ensure_engine
from lyftlearn_image.emulation.docker.cleanup import remove_orphans
from lyftlearn_image.emulation.docker.pause_image import ensure_pause_image
from lyftlearn_image.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534


@pytest.fixture
def without_docker_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine is named, so that the one that a test describes is meant."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)


@pytest.fixture
def own_network(engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dockerd on PATH with a network and mounts of its own: two in one would take each other's bridge away."""
    folder = tmp_path / "bin"
    folder.mkdir()
    wrapper = folder / "dockerd"
    wrapper.write_text(f'#!/bin/sh\nexec unshare --net --mount {shutil.which("dockerd")} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short path: the engine's sockets below it may have 107 characters, which pytest's own exceed."""
    with tempfile.TemporaryDirectory(prefix="engine-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@pytest.fixture
def other_daemon(place: Path, without_docker_host: None, own_network: None) -> Iterator[Daemon]:
    """A second engine beside the machine's own, with nothing in common; ended by its own process id."""
    daemon = daemon_in(place)
    yield daemon
    pidfile = place / "pid"
    if pidfile.exists():
        pid = int(pidfile.read_text())
        os.kill(pid, signal.SIGTERM)
        await_end(pid)


def daemon_in(directory: Path, *more: str) -> Daemon:
    """An engine whose every file is in a directory, for `own_network`."""
    folders = (f"--data-root={directory}/data", f"--exec-root={directory}/exec", f"--pidfile={directory}/pid")
    return Daemon(f"unix://{directory}/s", (*folders, *more), directory / "log", directory / "lock")


def await_end(pid: int) -> None:
    """Returns when a child of this process is gone."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} did not end")


@contextmanager
def as_nobody() -> Iterator[None]:
    """The body runs without root's rights."""
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_an_engine_that_runs_is_used_and_left_alone(engine: None) -> None:
    """Asking twice finds the same engine, running, and has nothing to tell."""
    told: list[str] = []
    found = [ensure_engine(told.append) for _ in range(2)]
    assert [one.origin for one in found] == ["running", "running"]
    assert found[0] == found[1]
    assert told == []


def test_calls_at_the_same_time_start_one_engine(other_daemon: Daemon) -> None:
    """Where none runs, one call starts an engine that works, and the others wait for it and use it."""
    told: list[str] = []
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: ensure_engine(told.append, other_daemon), range(3)))
    assert sorted(one.origin for one in found) == ["running", "running", "started"]
    assert len(told) == 1
    assert str(other_daemon.log) in told[0]
    with found[0].connect() as client:
        assert client.info()["DockerRootDir"] == f"{other_daemon.log.parent}/data"
    assert ensure_engine(told.append, other_daemon).origin == "running"


WAITING = """
import sys
from pathlib import Path
from lyftlearn_image.cli.output import show_error
from lyftlearn_image.errors import LyftlearnError
from lyftlearn_image.emulation.docker.container_spec import ContainerSpec
from lyftlearn_image.build.connection import connect
from lyftlearn_image.emulation.docker.containers import Containers
run_id, image, place = sys.argv[1], sys.argv[2], Path(sys.argv[3])
containers = Containers(connect(), run_id)
try:
    with containers.network() as network:
        spec = ContainerSpec(image=image, name=f"{run_id}-waiting", network=network.name)
        with containers.start(spec, stdout=place / "stdout", stderr=place / "stderr") as running:
            print("ready", flush=True)
            running.wait()
except LyftlearnError as error:
    show_error(error)
    sys.exit(error.exit_code)
"""


def test_an_engine_that_is_restarted_under_a_run(other_daemon: Daemon, place: Path, tmp_path: Path) -> None:
    """The run ends with an error that says so, without a traceback; what the engine still had goes with the next run."""
    with ensure_engine(print, other_daemon).connect() as client:
        image = ensure_pause_image(client)
    command = [sys.executable, "-c", WAITING, "restarted", image, str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "DOCKER_HOST": other_daemon.host}
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        pid = int((place / "pid").read_text())
        os.kill(pid, signal.SIGTERM)
        await_end(pid)
        _, said = process.communicate(timeout=120)
    assert process.returncode == UnavailableError.exit_code, said
    assert "the engine does not answer" in said
    assert "make engine" in said
    assert "Traceback" not in said
    with ensure_engine(print, other_daemon).connect() as client:
        assert [one.name for one in client.containers.list(all=True)] == ["restarted-waiting"]
        remove_orphans(client)
        assert client.containers.list(all=True) == []
        assert {one.name for one in client.networks.list()} == {"bridge", "host", "none"}
        assert client.volumes.list() == []


def test_an_engine_that_cannot_start_shows_the_end_of_its_log(
    place: Path, without_docker_host: None, own_network: None
) -> None:
    """The error has the engine's own reason, from this start and not from an earlier one."""
    daemon = daemon_in(place, "--storage-driver=papyrus")
    daemon.log.write_text("words of an earlier start\n")
    with pytest.raises(UnavailableError) as caught:
        ensure_engine(print, daemon)
    assert "exit code 1" in caught.value.what
    assert "error initializing graphdriver" in caught.value.where
    assert "earlier start" not in caught.value.where
    assert "level=info" not in caught.value.where


def test_an_engine_that_docker_host_names_is_never_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is somebody else's: the error names it, without the password in its address."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://user:planted-password@127.0.0.1:1")
    with pytest.raises(UnavailableError) as caught:
        ensure_engine(print, daemon_in(tmp_path))
    assert caught.value.where == "tcp://127.0.0.1:1"
    assert "planted-password" not in str(caught.value)
    assert not (tmp_path / "log").exists()


def test_without_root_one_sentence_says_what_to_install(tmp_path: Path, without_docker_host: None) -> None:
    """A user who may not start an engine is told what root has to do."""
    daemon = daemon_in(tmp_path)
    with as_nobody(), pytest.raises(UnavailableError) as caught:
        ensure_engine(print, daemon)
    assert "apt-get install docker.io" in caught.value.hint
    assert not daemon.lock.exists()


def test_a_user_outside_the_group_docker_is_told_so(engine: None, without_docker_host: None) -> None:
    """A socket that is there but not ours is another problem than no engine at all."""
    with as_nobody(), pytest.raises(UnavailableError) as caught:
        ensure_engine(print)
    assert caught.value.what == "this user may not use the Docker engine"
    assert "adduser" in caught.value.hint


def write_client(folder: Path, version: str, *, has_buildx: bool) -> Path:
    """A docker client that answers what build_client() asks, and nothing else."""
    folder.mkdir()
    client = folder / "docker"
    client.write_text(
        "#!/bin/sh\n"
        f'case "$*" in "buildx version") exit {0 if has_buildx else 1};;\n'
        f'"--version") echo "Docker version {version}, build 1";; *) exit 9;; esac\n'
    )
    client.chmod(0o755)
    return client


@pytest.mark.parametrize(
    ("version", "has_buildx", "is_chosen"),
    [("28.2.2", False, False), ("28.2.2", True, True), ("20.10.24+dfsg1", False, True), ("23.0.0", False, False)],
)
def test_a_client_without_buildkit_is_passed_over(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    *,
    has_buildx: bool,
    is_chosen: bool,
) -> None:
    """A client builds with buildx, or when it is older than 23; else the next one on PATH is asked."""
    first = write_client(tmp_path / "first", version, has_buildx=has_buildx)
    second = write_client(tmp_path / "second", "20.10.24", has_buildx=False)
    monkeypatch.setenv("PATH", f"{first.parent}{os.pathsep}{second.parent}{os.pathsep}{os.environ['PATH']}")
    assert build_client() == (first if is_chosen else second)


def test_no_client_that_can_build_is_an_error_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names every client that was tried."""
    client = write_client(tmp_path / "only", "28.2.2", has_buildx=False)
    monkeypatch.setenv("PATH", f"{client.parent}{os.pathsep}/usr/sbin")
    monkeypatch.setattr(engine_module, "_USUAL_FOLDERS", ())
    with pytest.raises(UnavailableError) as caught:
        build_client()
    assert str(client) in caught.value.where
    assert "docker-buildx" in caught.value.hint


def test_the_client_of_this_machine_can_build(engine: None) -> None:
    """Wherever these tests run, the client that is chosen is a real one that talks of BuildKit."""
    import subprocess

    shown = subprocess.run(
        [build_client(), "build", "--help"], capture_output=True, text=True, check=True,
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
    )  # fmt: skip
    assert "--secret" in shown.stdout
