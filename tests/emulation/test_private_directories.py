"""Directories that no other user may enter, and what is left of them when a process is killed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lyftlearn_image.emulation import private_directories
from lyftlearn_image.emulation.private_directories import (
    claimed_directory,
    exclusive_directory,
    private_directory,
    remove_leftovers,
)
from lyftlearn_image.errors import RunError

HOLD = """
import os, sys, pathlib
from lyftlearn_image.emulation.private_directories import claimed_directory, private_directory
with claimed_directory(pathlib.Path(sys.argv[1])), private_directory() as own:
    (pathlib.Path(sys.argv[1]) / "stdout").write_text("planted-secret")
    print(own, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leftovers are looked for where only this test leaves any."""
    for name in ("tmp", "memory"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(private_directories, "MEMORY", tmp_path / "memory")


def hold(tmp_path: Path, name: str) -> tuple[subprocess.Popen[str], Path]:
    """A process that has claimed a directory of this name, and its private one."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / name)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen[str]) -> None:
    """Lets it end in order, unless it has been killed."""
    process.communicate("")


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_stays(tmp_path: Path) -> None:
    """Its private directories, and the directory that it had claimed with everything in it."""
    killed, living = hold(tmp_path, "killed"), hold(tmp_path, "living")
    try:
        killed[0].send_signal(signal.SIGKILL)
        killed[0].wait()
        assert (tmp_path / "killed" / "stdout").exists()
        remove_leftovers()
        assert not (tmp_path / "killed").exists()
        assert not killed[1].exists()
        assert living[1].is_dir()
        assert (tmp_path / "living" / "stdout").exists()
    finally:
        end(killed[0])
        end(living[0])
    assert [path.name for path in (tmp_path / "living").iterdir()] == ["stdout"]
    assert not list((tmp_path / "tmp").iterdir())


def test_a_directory_that_somebody_else_has_claimed_since_stays(tmp_path: Path) -> None:
    """Two runs with one report: what the second one has there is its own."""
    process, _ = hold(tmp_path, "report")
    process.kill()
    end(process)
    with claimed_directory(tmp_path / "report"):
        (tmp_path / "report" / "mine").write_text("kept")
        remove_leftovers()
        assert (tmp_path / "report" / "mine").read_text() == "kept"


def test_a_name_that_another_user_has_chosen_means_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody may write where temporary files are: a claim there that is not this user's removes nothing."""
    process, own = hold(tmp_path, "report")
    process.kill()
    end(process)
    monkeypatch.setattr(os, "geteuid", lambda: own.stat().st_uid + 1)
    remove_leftovers()
    assert own.is_dir()
    assert (tmp_path / "report" / "stdout").exists()


def test_nobody_else_may_enter(tmp_path: Path) -> None:
    """Whatever the umask is."""
    before = os.umask(0)
    try:
        with private_directory() as own, claimed_directory(tmp_path / "report" / "runs"):
            for path in (own, tmp_path / "report", tmp_path / "report" / "runs"):
                assert stat.S_IMODE(path.stat().st_mode) == stat.S_IRWXU
    finally:
        os.umask(before)
    assert not own.exists()


def test_two_runs_never_share_a_report(tmp_path: Path) -> None:
    """The second is told, before anything there changes; a directory whose run was killed is free."""
    program = (
        "import pathlib, sys; from lyftlearn_image.emulation.private_directories import exclusive_directory\n"
        "with exclusive_directory(pathlib.Path(sys.argv[1])): print('ready', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "report")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        with (
            pytest.raises(RunError, match="another run writes its reports here") as caught,
            exclusive_directory(tmp_path / "report"),
        ):
            pass
        assert "--report" in caught.value.hint
        with exclusive_directory(tmp_path / "another"):
            pass
        process.kill()
    with exclusive_directory(tmp_path / "report"):
        pass


def test_a_report_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file has its name."""
    (tmp_path / "report").touch()
    with pytest.raises(RunError, match="the reports cannot be written"), exclusive_directory(tmp_path / "report"):
        pass
