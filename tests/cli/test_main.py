"""The command line: its door, its errors, and what it does not import."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from lyftlearn_image.cli.main import VERBS, cli, main

HEAVY = ("boto3", "docker", "jinja2", "moto", "numpy", "pyarrow", "pydantic", "rich", "yaml")


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
