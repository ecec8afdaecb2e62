"""`--json` also when something goes wrong: one JSON object on stdout, and the lines for people on stderr."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
import pytest

from lyftlearn_image.cli.main import cli, main

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = {"version", "kind", "exit_code", "message", "where", "hint"}
# What each verb says of an argument that is wrong.
MISTAKES = {
    "list": (["--images", "none"], "invalid-input", 78),
    "build": (["lyftlaern"], "invalid-input", 78),
    "submit": (["none.yaml", "--target", "kubernetes"], "invalid-input", 78),
    "run": (["none.yaml", "--target", "kubernetes", "--here"], "invalid-input", 78),
    "wait": (["trainin/x"], "invalid-input", 78),
    "collect": (["trainin/x"], "invalid-input", 78),
    "compile": (["none.yaml", "--target", "sagemaker"], "invalid-input", 78),
    "lint": (["none.yaml"], "invalid-input", 78),
    "import": (["none.yaml"], "invalid-input", 78),
    "parity run": (["none.yaml"], "invalid-input", 78),
    "parity suggest": (["none"], "run", 2),
}


def verbs_with_json(group: click.Group = cli, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every verb that has the option."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from verbs_with_json(command, (*before, name))
        elif command and any("--json" in each.opts for each in command.params):
            yield (*before, name)


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[dict[str, Any], str]:
    """What a verb that fails prints: its JSON, and stderr."""
    code = main([*arguments, "--json"])
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert set(document) == KEYS
    assert (document["version"], document["exit_code"]) == (1, code)
    assert "Traceback" not in shown.out + shown.err
    assert document["message"] in shown.err
    return document, shown.err


@pytest.mark.parametrize("verb", list(verbs_with_json()), ids=" ".join)
def test_a_usage_error_is_json(verb: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Of every verb that has `--json`: click's own errors, too, with what was meant."""
    document, _ = failure(capsys, *verb, "--jsno")
    assert (document["kind"], document["exit_code"]) == ("usage", 2)
    assert "Did you mean '--json" in document["message"] or "Did you mean one of" in document["message"]
    assert document["where"] == f"lyftlearn-image {' '.join(verb)}"
    assert document["hint"].endswith("--help")


@pytest.mark.parametrize("verb", MISTAKES)
def test_a_mistake_is_json(
    verb: str, capsys: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What, where and what to do, as on stderr."""
    monkeypatch.chdir(tmp_path)
    arguments, kind, exit_code = MISTAKES[verb]
    document, told = failure(capsys, *verb.split(), *arguments)
    assert (document["kind"], document["exit_code"]) == (kind, exit_code)
    assert document["hint"] in told


def test_an_unknown_verb_is_json_and_told_by_its_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """Before any verb is known."""
    document, _ = failure(capsys, "biuld")
    assert "Did you mean 'build'?" in document["message"]


def test_an_engine_that_is_not_there_is_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """69 is a service that did not answer."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    document, _ = failure(capsys, "engine")
    assert (document["kind"], document["exit_code"]) == ("unavailable", 69)


@pytest.mark.parametrize("case", [(ValueError("x"), "fault", 2), (KeyboardInterrupt(), "interrupted", 130)])
def test_a_fault_and_an_interruption_are_json(
    case: tuple[BaseException, str, int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """What nobody expected, too."""
    raised, kind, code = case

    def fail(*_: Any) -> None:
        raise raised

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("lyftlearn_image.build.spec.find_images_dir", fail)
    document, _ = failure(capsys, "list")
    assert (document["kind"], document["exit_code"]) == (kind, code)


def test_no_secret_is_in_the_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument that was mistyped may be one: by its form, in an address, or as a variable has it."""
    monkeypatch.setenv("DB_PASSWORD", "Tr0ub4dor&3xyz")
    token = "ghp_" + "a1B2" * 10
    assert main(["lint", "--json", "file", token, "https://me:hunter2secret@host/x", "Tr0ub4dor&3xyz"]) == 2
    told = capsys.readouterr().out
    assert "unexpected extra arguments" in json.loads(told)["message"]
    for secret in (token, "hunter2secret", "Tr0ub4dor"):
        assert secret not in told


def test_a_word_after_two_dashes_is_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    """It is a file then, and people are told."""
    assert main(["lint", "--", "--json"]) == 78
    assert capsys.readouterr().out == ""
