"""The engine, what builds with it, runs beside it, and room on disks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.build.connection import is_older
from lyftlearn_image.cli.main import main
from lyftlearn_image.doctor.checkup import Level
from lyftlearn_image.doctor.engine import check_disks, check_engine

if TYPE_CHECKING:
    from pathlib import Path


def test_the_engine_of_this_machine_is_well(engine: None, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The verb says it as lines and as JSON; what is not set is no mistake, and nothing is left on the engine."""
    arguments = ["doctor", "--timeout", "300"]
    code = main([*arguments, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["version"] == 1
    assert told["exit_code"] == code
    levels = {one["name"]: one["level"] for one in told["checks"]}
    assert [levels[name] for name in ("engine", "BuildKit", "runs here", "Python")] == ["ok"] * 4
    assert {"disk", "CA", "proxy", "index", "credentials", "region", "role", "bucket", "registry", "quota"} <= levels.keys()
    assert main(arguments) == code
    lines = capsys.readouterr().out
    assert all(f"{one['level']:<8}" in lines and one["text"][:60] in lines for one in told["checks"])


def test_an_engine_in_another_network_is_well_and_runs_nothing_here(engine: None) -> None:
    """A warning, for builds work; the engine's directory is seen."""
    script = (
        "from lyftlearn_image.doctor.engine import check_engine\nfor one in check_engine(300): print(one.level.value, one.name)"
    )
    command = ["unshare", "--net", sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[:3] == ["ok engine", "ok BuildKit", "warning runs here"]


def test_an_engine_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With its address; and a socket that this user may not use, with the group that may."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    (found,) = check_engine(60)
    assert (found.level, found.is_unavailable) == (Level.ERROR, True)
    assert str(tmp_path) in found.text
    monkeypatch.setenv("DOCKER_HOST", "unix:///var/run/docker.sock")
    os.setresuid(65534, 65534, 0)
    try:
        (found,) = check_engine(60)
    finally:
        os.setresuid(0, 0, 0)
    assert found.text == "this user may not use the Docker engine: /var/run/docker.sock"
    assert "adduser" in found.hint


def test_a_disk_with_little_room_is_told_with_its_purposes(tmp_path: Path) -> None:
    """A small tmpfs for temporary files is an error, by bytes and by files; everything else has room or says so."""
    script = (
        "from lyftlearn_image.doctor.engine import check_disks\n"
        "for one in check_disks(): print(one.level.value, one.text, one.hint)"
    )
    for options, expected in (("size=1m", "0.0 GB free"), ("size=2g,nr_inodes=5", "files left")):
        mounting = f'mount -t tmpfs -o {options} none "$TMPDIR" && exec "$@"'
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", mounting, "sh", sys.executable, "-c", script],
            capture_output=True, text=True, check=True, env={**os.environ, "TMPDIR": str(tmp_path)},
        )  # fmt: skip
        lines = [line for line in done.stdout.splitlines() if f"temporary files in {tmp_path}" in line]
        assert expected in lines[0]
        assert lines[0].startswith(("error", "warning"))
        assert "docker system df" in lines[0]
    assert {one.name for one in check_disks()} == {"disk"}


def test_a_full_disk_without_a_files_name_is_told_with_its_directory(tmp_path: Path) -> None:
    """The system's error of a write names no file: what is full is looked for."""
    script = (
        "import os, pathlib, sys, tempfile\nfrom lyftlearn_image.cli import main as cli\n"
        "def fill(*_, **__):\n with open(pathlib.Path(tempfile.gettempdir()) / 'x', 'wb') as file: file.write(bytes(1 << 21))\n"
        "cli.cli.main = fill\nsys.exit(cli.main([]))"
    )
    mounting = 'mount -t tmpfs -o size=1m none "$TMPDIR" && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounting, "sh", sys.executable, "-c", script],
        capture_output=True, text=True, check=False, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2
    assert f"Error: No space left on device\n  at: {tmp_path}\n" in done.stderr


@pytest.mark.parametrize(
    ("version", "first", "is_so"),
    [("19.03.15", "20.10", True), ("20.10.24+dfsg1", "20.10", False), ("1.40", "1.41", True), ("29.0.0-rc.1", "20.10", False),
     ("dev", "20.10", False)],
)  # fmt: skip
def test_versions_are_compared_as_numbers(version: str, first: str, is_so: bool) -> None:  # noqa: FBT001 - a table's column
    """What is no version is not called old."""
    assert is_older(version, first) is is_so
