"""What a verb shows: nothing of a file, a script or a service acts on a terminal or a CI server."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.cli.main import main
from lyftlearn_image.cli.output import show, show_error, show_log_line
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.serialize import as_yaml
from tests.cli.terminal import read_to_end

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "\x1b[2J\x1b]0;PWN\x07\x9b31m\u202e\u200b"
# As YAML has it between double quotes.
QUOTED = r"\e[2J\e]0;PWN\a\x9b31m\u202e\u200b"
WORKLOADS = {
    "key": f'name: x\nimage: i:1\nprogram: t.py\n"evil{QUOTED}": 1\n',
    "two keys": f'name: x\nimage: i:1\nprogram: t.py\n"evil{QUOTED}": 1\n"worse{QUOTED}": 2\n',
    "key twice": f'"name{QUOTED}": x\n"name{QUOTED}": x\n',
    "key deep in it": f'name: x\nimage: i:1\nprogram: t.py\nenvironment: {{"A{QUOTED}=": b}}\n',
    "value": f'name: "x{QUOTED}"\nimage: "i{QUOTED}"\nprogram: t.py\n',
    "kind": f'name: x\nimage: i:1\nkind: "{QUOTED}"\n',
    "tag": "name: !<tag:%1B[2J> x\n",
    "alias": "name: *x\x1b[2J\n",
}
MANIFEST = f"""apiVersion: batch/v1
kind: Job
metadata: {{name: "j{QUOTED}"}}
spec:
  "odd{QUOTED}": 1
  template: {{spec: {{"h{QUOTED}": true, containers: [{{name: c, image: "i{QUOTED}", command: [python, a.py],
    env: [{{name: "A{QUOTED}", value: "v{QUOTED}"}}]}}]}}}}
"""


def assert_harmless(shown: str) -> None:
    """No control but the end of a line, no mark that hides or turns text."""
    assert {one for one in shown if one != "\n" and (ord(one) < 0x20 or one in "\x7f\x9b\u202e\u200b")} == set()


@pytest.mark.parametrize("name", list(WORKLOADS))
@pytest.mark.parametrize("verb", ["compile", "lint", "permissions"])
def test_nothing_of_a_workload_reaches_the_terminal_raw(
    verb: str, name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not a key, a value or the name of the file, in no message and in nothing that is printed."""
    path = tmp_path / f"f{HOSTILE}.yaml"
    path.write_text(WORKLOADS[name])
    main([verb, str(path), *(["--target", "kubernetes"] if verb == "compile" else [])])
    shown = capfd.readouterr()
    assert shown.err or shown.out
    assert_harmless(shown.err + shown.out)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_nothing_of_a_manifest_reaches_the_terminal_raw(
    options: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The workload that is printed and the list of what it does not carry."""
    path = tmp_path / "job.yaml"
    path.write_text(MANIFEST)
    main(["import", str(path), *options])
    shown = capfd.readouterr()
    assert shown.err or shown.out
    assert_harmless(shown.err + shown.out)


@pytest.mark.parametrize(
    "arguments", [[f"v{HOSTILE}"], ["compile", f"--o{HOSTILE}"], ["compile", "x", "--target", HOSTILE], ["parity", HOSTILE]]
)
def test_nothing_of_the_arguments_reaches_the_terminal_raw(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """They come from a script or a CI job's variables."""
    assert main(arguments) == 2
    assert_harmless(capfd.readouterr().err)


@given(st.text(st.characters(codec="utf-8")))
def test_yaml_that_is_printed_is_the_document_and_hides_nothing(text: str) -> None:
    """Whatever stands in a key or a value, it is read back, and nothing in it acts."""
    import yaml

    text = text.replace("\x85", "").replace("\r", "")
    written = as_yaml({"key": text, f"k{text[:50]}": "value"})
    assert yaml.safe_load(written) == {"key": text, f"k{text[:50]}": "value"}
    assert_harmless(written.replace("\t", ""))


def test_a_ci_server_takes_nothing_for_a_command(capfd: pytest.CaptureFixture[str]) -> None:
    """Wherever it stands in an error or a line."""
    show("::warning::x\n  ::set-env name=A::b")
    show_error(InvalidInputError("a\n::error::b", where="##vso[task.setvariable]x", hint="##[group]y"))
    shown = capfd.readouterr()
    assert not any(line.strip().startswith("::") for line in (shown.out + shown.err).splitlines())
    assert "##[" not in shown.err
    assert "##vso[" not in shown.err


LINE = "\x1b[31mred\x1b[0m 10%\r\x1b[31mred\x1b[0m 99%\x1b[2J\x1b]0;PWN\x07"


def test_a_log_is_as_it_was_in_a_file(capfd: pytest.CaptureFixture[str]) -> None:
    """A program that reads it gets the script's own line; click takes the colours out."""
    show_log_line(LINE)
    assert capfd.readouterr().out == "red 10%\rred 99%\x1b]0;PWN\x07\n"


def test_a_log_keeps_its_colours_on_a_terminal_and_nothing_else() -> None:
    """A title, a cleared screen, a clipboard are not a script's to change."""
    terminal, program = pty.openpty()
    code = f"from lyftlearn_image.cli.output import show_log_line; show_log_line({LINE!r})"
    subprocess.run([sys.executable, "-c", code], stdout=program, check=True)
    shown = read_to_end(terminal, program)
    assert shown.decode() == "\x1b[31mred\x1b[0m 99%␛[2J␛]0;PWN␇\x1b[0m\r\n"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_a_character_that_the_output_does_not_have_is_an_escape(encoding: str, tmp_path: Path) -> None:
    """Of a terminal or a log in whatever encoding, and of a file's name that is no text."""
    path = tmp_path / os.fsdecode(b"\xff.yaml")
    path.write_text("name: x\nimage: i:1\nprogram: t.py\nenvironment: {KEY: 'ü漢'}\noutput: s3://bucket/x\n")
    for verb in (["lint"], ["compile", "--json", "--target", "kubernetes"]):
        command = [sys.executable, "-m", "lyftlearn_image", *verb, str(path)]
        done = subprocess.run(command, capture_output=True, check=False, env={**os.environ, "PYTHONIOENCODING": encoding})
        assert done.returncode in {0, 1}, done.stderr
        assert done.stdout.decode(encoding)
