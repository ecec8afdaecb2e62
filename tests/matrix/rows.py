"""The matrix of engines and Pythons: `make matrix`. No part of the suite: a row starts an engine or installs an environment.

Rootless Docker is met from outside of its namespaces; what runs inside of them needs an interpreter that its user may read.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.matrix.engines import newer_docker, podman, rootless
from tests.matrix.pythons import find_pythons, installed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from tests.matrix.engines import Row

CHECK = "from lyftlearn_image.doctor.engine import check_engine\nfor one in check_engine(300): print(one.level.value, one)"
BUILD = """
import pathlib, sys
from lyftlearn_image.build.builder import build_directory
from lyftlearn_image.errors import LyftlearnError
try:
    build_directory(pathlib.Path(sys.argv[1]), "lyftlearn-test-matrix:1")
except LyftlearnError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""
RUN = "import sys\nfrom lyftlearn_image.cli.main import main\nsys.exit(main(sys.argv[1:]))"


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short path: a socket's may have 107 characters."""
    with tempfile.TemporaryDirectory(prefix="row-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.fixture
def team(tmp_path: Path, lyftlearn_image_tag: str) -> Path:
    """A team's directory on the image, with a workload."""
    (tmp_path / "train.py").write_text("print('hello from the row')\n")
    (tmp_path / "Dockerfile").write_text(f"FROM {lyftlearn_image_tag}\nCOPY train.py /opt/ml/code/\n")
    (tmp_path / "w.yaml").write_text("{name: row, kind: training, image: lyftlearn-test-matrix:1, program: train.py}\n")
    return tmp_path


@pytest.fixture
def loaded(lyftlearn_image_tag: str) -> Callable[[Row], None]:
    """Brings the image from the machine's engine to a row's."""

    def load(row: Row) -> None:
        with subprocess.Popen(["docker", "save", lyftlearn_image_tag], stdout=subprocess.PIPE) as saved:
            environment = {**row.environment, "DOCKER_HOST": row.host}
            subprocess.run(["docker", "load", "--quiet"], env=environment, stdin=saved.stdout, check=True)

    return load


def done(row: Row, script: str, *arguments: str, inside: bool = False, host: str = "") -> subprocess.CompletedProcess[str]:
    """A script of ours with a row's engine, outside or inside of its network."""
    command = [*(row.inside if inside else ()), sys.executable, "-c", script, *arguments]
    environment: Mapping[str, str] = {**row.environment, "DOCKER_HOST": host or row.host}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=500)


def test_podman_is_told_as_that(place: Path, team: Path) -> None:
    """It answers; it has no BuildKit and no network for runs, and both are said before anything is done."""
    with podman(place) as row:
        told = done(row, CHECK).stdout
        assert "Podman" in told.splitlines()[0]
        assert "error Finding(name='BuildKit'" in told
        assert "warning Finding(name='runs here'" in told
        built = done(row, BUILD, str(team))
        assert (built.returncode, "BuildKit" in built.stderr) == (69, True), built.stderr
        ran = done(row, RUN, "run", str(team / "w.yaml"), "--here", "--target", "sagemaker", "-o", str(team / "out"))
        assert (ran.returncode, "Podman does not" in ran.stderr) == (69, True), ran.stderr


@pytest.mark.parametrize("make", [newer_docker, rootless])
def test_another_docker_builds_and_says_what_it_does_not_share(
    place: Path, team: Path, make: Callable[[Path], AbstractContextManager[Row]], loaded: Callable[[Row], None]
) -> None:
    """Builds work from outside of its network, runs are refused there at once, and work inside, also by TCP."""
    with make(place) as row:
        loaded(row)
        told = done(row, CHECK).stdout
        assert "ok Finding(name='BuildKit'" in told, told
        assert "warning Finding(name='runs here'" in told, told
        assert ("rootless" in told.splitlines()[0]) == (make is rootless)
        built = done(row, BUILD, str(team))
        assert built.returncode == 0, built.stderr
        run = ("run", str(team / "w.yaml"), "--here", "--target")
        outside = done(row, RUN, *run, "sagemaker", "-o", str(team / "outside"))
        assert (outside.returncode, "shares its network" in outside.stderr) == (69, True), outside.stderr
        assert (make is rootless) == ("nsenter -U" in outside.stderr)
        if make is newer_docker:
            for target, host in (("sagemaker", row.host), ("kubernetes", "tcp://127.0.0.1:2375")):
                ran = done(row, RUN, *run, target, "-o", str(team / target), inside=True, host=host)
                assert ran.returncode == 0, ran.stderr
                assert "hello from the row" in (team / target / "stdout").read_text()
            assert os.listdir(team / "kubernetes")  # noqa: PTH208 - whatever it is


@pytest.mark.parametrize("version", find_pythons())
def test_a_python_runs_a_workload_on_both_targets(version: str, place: Path, team: Path) -> None:
    """Installed from the checkout into an empty environment, elsewhere."""
    command = installed(find_pythons()[version], place / "env")
    environment = {**os.environ, "PYTHONPATH": "", "PYTHONWARNINGS": "error::SyntaxWarning"}
    subprocess.run([command.with_name("python"), "-c", BUILD, str(team)], env=environment, check=True)
    for target in ("sagemaker", "kubernetes"):
        out = team / target
        run = [command, "run", str(team / "w.yaml"), "--here", "--target", target, "-o", str(out)]
        ran = subprocess.run(run, cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=500)
        assert ran.returncode == 0, ran.stderr
        assert "hello from the row" in (out / "stdout").read_text()
        assert "Traceback" not in ran.stderr
        assert "Warning" not in ran.stderr
