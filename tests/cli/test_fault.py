"""The last door: no verb ever shows a traceback, and what was not expected is in a log without a value in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from lyftlearn_image.cli import main as door
from lyftlearn_image.cli.fault import describe_fault, report_fault
from lyftlearn_image.cli.main import VERBS, main

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "Plain-Pw-4471-zzQ"


def broken(*_: object, **__: object) -> None:
    """What no verb expects, with values in its text, its cause and its arguments."""
    try:
        {}[SECRET]
    except KeyError as error:
        raise ValueError(f"cannot use {SECRET}") from error


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where logs are kept."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "lyftlearn-image"


@pytest.mark.parametrize("verb", list(VERBS))
def test_a_fault_in_any_verb_is_a_line_and_a_log(
    verb: str, state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2; the line names the log, which has the code's places and the versions, and no value of anything."""
    monkeypatch.setattr(door.LazyGroup, "get_command", lambda *_: click.Command(verb, callback=broken))
    assert main([verb]) == 2
    shown = capsys.readouterr()
    (log,) = state.iterdir()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    assert f"at: {log}" in shown.err
    text = log.read_text()
    assert {"builtins.ValueError", "from builtins.KeyError"} <= set(text.splitlines())
    assert re.search(r"test_fault\.py:\d+ in broken", text)
    assert re.search(r"^lyftlearn-image \d.*\nPython 3", text)
    assert re.search(r"^pydantic \d", text, re.MULTILINE)
    assert SECRET not in text + shown.err
    assert log.stat().st_mode & 0o077 == 0


def test_a_fault_without_a_place_for_its_log_is_told_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It goes to the folder for temporary files; with nowhere to write, the line says so."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert "ValueError" in report_fault(ValueError()).what
    assert f"at: {tmp_path}/lyftlearn-image-fault-" in capsys.readouterr().err
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    assert "ValueError" in report_fault(ValueError()).what
    assert "No log could be written" in capsys.readouterr().err


def test_endless_recursion_has_a_log_that_can_be_read() -> None:
    """Both ends of its stack."""

    def deeper() -> None:
        deeper()

    with pytest.raises(RecursionError) as caught:
        deeper()
    assert len(describe_fault(caught.value).splitlines()) < 120


def test_an_exception_that_is_its_own_cause_is_described_once() -> None:
    """A circle of causes has an end."""
    error = ValueError()
    error.__cause__ = TypeError()
    error.__cause__.__cause__ = error
    assert describe_fault(error).count("builtins.") == 2


@pytest.mark.parametrize(
    "code",
    [
        "import threading; thread = threading.Thread(target=broken); thread.start(); thread.join()",
        "type('Ends', (), {'__del__': broken})()",
    ],
)
def test_a_thread_or_an_object_that_fails_shows_no_traceback(code: str, tmp_path: Path) -> None:
    """Python itself would write one; the verb goes on."""
    program = (
        "import click\nfrom lyftlearn_image import __main__\nfrom lyftlearn_image.cli import main as door\n"
        f"def broken(*_): raise ValueError({SECRET!r})\n"
        f"def verb():\n    {code}\n    print('went on')\n"
        "door.LazyGroup.get_command = lambda *_: click.Command('list', callback=verb)\n__main__.run()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "list"],
        capture_output=True, text=True, check=False, env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "went on\n")
    assert "a fault of lyftlearn-image itself: ValueError" in done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr + next((tmp_path / "lyftlearn-image").iterdir()).read_text()


def test_a_librarys_object_that_closes_what_is_closed_is_no_fault(tmp_path: Path) -> None:
    """As http.client does from Python 3.14 on: nothing is told and nothing is written."""
    program = (
        "import io, sys\nfrom lyftlearn_image import __main__\nfrom lyftlearn_image.cli import main as door\n"
        "def flush(*_): io.BytesIO().close(); closed = io.BytesIO(); closed.close(); closed.read()\n"
        "def main():\n type('Ends', (), {'__del__': flush})()\n raise SystemExit(0)\n"
        "door.main = main\n__main__.run()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, check=False, env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(tmp_path.iterdir())
