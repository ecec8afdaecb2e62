"""The command line: its door, its errors, and what it does not import."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

from lyftlearn_image.cli.main import VERBS, cli, main
from tests.cli.terminal import read_to_end

HEAVY = ("boto3", "bz2", "docker", "jinja2", "moto", "numpy", "pyarrow", "pydantic", "rich", "yaml")


def test_help_imports_nothing_heavy() -> None:
    """`--help` answers at once because no verb, and none of the libraries behind the verbs, is imported for it."""
    program = (
        "import json, sys; from lyftlearn_image.cli.main import main; main(['--help']); "
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stderr))
    assert not loaded & set(HEAVY)
    assert all(verb in done.stdout for verb in VERBS)


@pytest.mark.parametrize("columns", ["", "0", "-3", "wide", "20", "52", "66", "79", "80", "81", "400"])
def test_help_is_as_wide_as_click_makes_it(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the terminal's width is, also of a verb's help."""
    monkeypatch.setenv("COLUMNS", columns)
    for arguments in (["--help"], ["build", "--help"]):
        assert main(arguments) == 0
        ours = capsys.readouterr().out
        cli.main(args=arguments, prog_name="lyftlearn-image", standalone_mode=False)
        assert ours == capsys.readouterr().out


def test_help_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The width is that of the terminal where no variable says it."""
    monkeypatch.delenv("COLUMNS", raising=False)
    terminal, program = pty.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    command = [sys.executable, "-m", "lyftlearn_image", "--help"]
    subprocess.run(command, stdout=program, check=True)
    shown = read_to_end(terminal, program)
    expected = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "60"})
    assert shown.decode().splitlines() == expected.stdout.splitlines()


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every verb can be imported and explains itself."""
    assert main([verb, "--help"]) == 0
    assert "Usage: lyftlearn-image" in capsys.readouterr().out


@pytest.mark.parametrize("verb", list(VERBS))
def test_the_line_of_a_verb_is_the_verbs_own(verb: str) -> None:
    """The help line that the door shows is the first line of the verb's own help."""
    command = cli.get_command(None, verb)  # type: ignore[arg-type]
    assert command is not None
    assert command.help is not None
    assert command.help.strip().splitlines()[0] == VERBS[verb][1]


def test_a_mistake_is_told_in_three_lines_and_has_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """What, where, what to do; no traceback."""
    assert main(["parity", "run", "no-such-suite.yaml"]) == 78
    told = capsys.readouterr().err
    assert "Error: there is no file no-such-suite.yaml" in told
    assert "try: " in told
    assert "Traceback" not in told


def test_an_unknown_verb_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Usage errors have exit code 2, as everywhere."""
    assert main(["biuld"]) == 2
    assert "biuld" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The script that a shell evaluates names the program and the variable that click listens to."""
    assert main(["completion", shell]) == 0
    assert "_LYFTLEARN_IMAGE_COMPLETE" in capsys.readouterr().out
