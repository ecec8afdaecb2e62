"""What pages tell to type, without typing it: every verb and option is there, and what nobody runs is counted."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from lyftlearn_image.cli.main import cli
from tests.docs import console

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Page → how many of its console blocks nobody runs here. Each says why, in the page.
NOT_RUN = {
    "docs/howto/adopt-image.md": 1,
    "README.md": 2, "docs/tutorial/job-to-sagemaker-and-back.md": 3, "docs/howto/air-gapped.md": 2, "docs/howto/ci.md": 1,
    "docs/howto/engines.md": 2, "docs/howto/local.md": 2,
    "docs/howto/manual-pages.md": 1, "docs/howto/own-base-image.md": 1, "docs/howto/run.md": 2, "docs/howto/serving.md": 1,
}  # fmt: skip


def typed(command: str) -> Iterator[list[str]]:
    """The arguments of every call of the toolkit in a line of shell, also of those within `$(…)` and quotes."""
    line = re.sub(r"\\\n|[\"']|\d(?=>)", " ", command).replace("$(", " ; ")
    words = shlex.shlex(line, posix=True, punctuation_chars=";&|<>()")
    words.whitespace_split = True
    words.commenters = "#"
    call: list[str] | None = None
    is_first = True
    for word in [*words, ";"]:
        if set(word) <= set(";&|<>()"):
            if call is not None:
                yield call
            call, is_first = None, word not in {"<", ">", ">>"}
        elif call is not None:
            call.append(word)
        elif is_first:
            call, is_first = ([], False) if word == "lyftlearn-image" else (None, "=" in word)


def parse(arguments: list[str]) -> None:
    """Lets click read a command line as it would, and do nothing. Raises what click raises."""
    command: click.Command = cli
    context = command.make_context("lyftlearn-image", list(arguments))
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        command = found
        context = command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_of_a_page_is_one(page: Path) -> None:
    """Also in blocks that nobody runs."""
    for block in console.blocks(page):
        for command in block.commands:
            for arguments in typed(command.text):
                if "--help" not in arguments:
                    parse(arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_not_run_is_known(page: Path) -> None:
    """A block that is left out from now on is looked at here."""
    left = [block.not_run for block in console.blocks(page) if block.kind == "console" and block.not_run]
    assert len(left) == NOT_RUN.get(str(page.relative_to(ROOT)), 0), left


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("lyftlearn-image bild lyftlearn", "No such command"),
        ("lyftlearn-image build --tags x lyftlearn", "No such option"),
        ('eval "$(lyftlearn-image local --exports sh &)"', "No such option"),
        ("lyftlearn-image submit a.yaml \\\n  --target mars", "is not one of"),
        ("x=1; lyftlearn-image parity start suite.yaml || true", "No such command"),
    ],
)
def test_a_command_that_is_none_is_found(command: str, wrong: str) -> None:
    """By what click says of it."""
    (arguments,) = typed(command)
    with pytest.raises(click.UsageError, match=wrong):
        parse(arguments)
