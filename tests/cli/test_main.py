"""The command line: its door, its errors, and what it does not import."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import click
import pytest

from lyftlearn_image.cli.fault import EXIT_FAULT
from lyftlearn_image.cli.main import VERBS, cli, main
from lyftlearn_image.errors import LyftlearnError
from lyftlearn_image.exit_codes import MEANINGS, OF_VERBS, ExitCode, meanings
from tests.cli.terminal import read_to_end

ROOT = Path(__file__).resolve().parents[2]
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


def _all_commands() -> list[tuple[str, click.Command]]:
    """Every verb, and every verb of a group, by the words that call it."""
    found = []
    for verb in VERBS:
        command = cli.get_command(None, verb)  # type: ignore[arg-type]
        assert command is not None
        found += [(verb, command), *((f"{verb} {name}", inner) for name, inner in getattr(command, "commands", {}).items())]
    return found


def test_the_exit_codes_are_the_same_in_code_help_and_readme(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an error ends with, what each help says, and the table of README: one list."""
    raised = {kind.exit_code for kind in (LyftlearnError, *_subclasses(LyftlearnError))}
    assert raised | {0, EXIT_FAULT, ExitCode.INTERRUPTED} == set(ExitCode) == set(MEANINGS)
    assert click.UsageError("").exit_code == ExitCode.FAILED
    table = re.findall(r"^\| `(\d+)` \| (.+?) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert {int(code): meaning for code, meaning in table} == MEANINGS
    commands = [name for name, _ in _all_commands()]
    assert set(OF_VERBS) <= set(commands)
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("", *commands):
        assert main([*name.split(), "--help"]) == 0
        said = re.findall(r"^ {2,4} *(\d+)  (.+)$", capsys.readouterr().out.partition("Exit codes:\n")[2], re.MULTILINE)
        assert {int(code): meaning for code, meaning in said} == meanings(name)


def test_no_exit_code_is_written_elsewhere() -> None:
    """A number in the code is a second place that would have to be changed; verbs answer yes or no."""
    number = re.compile(r"(?:sys\.exit\(|_exit\(|exit_code = |EXIT_\w+ = )(\d+)")
    for folder in ("cli", "parity", "report"):
        for path in (ROOT / "lyftlearn_image" / folder).glob("*.py"):
            assert not number.findall(path.read_text()), path
    assert not number.findall((ROOT / "lyftlearn_image" / "errors.py").read_text())


def _subclasses(kind: type[LyftlearnError]) -> list[type[LyftlearnError]]:
    return [each for inner in kind.__subclasses__() for each in (inner, *_subclasses(inner))]


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
