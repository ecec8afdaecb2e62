"""docs/reference/verbs.md and docs/man: every verb with its arguments and options, from click's own commands."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from lyftlearn_image.cli.main import cli
from tests.docs.yaml_reference import bar

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = "lyftlearn-image"
_INTRODUCTION = """\
# The verbs

Every verb of `lyftlearn-image`, as `--help` tells it; `man lyftlearn-image-build` has the same, where the package's `share/man`
is on the manual's path. This page is generated from the commands themselves (`make reference`).

"""


@dataclass(frozen=True)
class Paragraph:
    """A part of a help text; `is_kept` says that its lines stay as they are."""

    text: str
    is_kept: bool


def contexts(command: click.Command = cli, name: str = PROGRAM, parent: click.Context | None = None) -> Iterator[click.Context]:
    """A context for each command that is not hidden, groups before their members."""
    context = click.Context(command, info_name=name, parent=parent, help_option_names=["-h", "--help"])
    yield context
    if isinstance(command, click.Group):
        for verb in command.list_commands(context):
            found = command.get_command(context, verb)
            if found is not None and not found.hidden:
                yield from contexts(found, verb, context)


def page() -> str:
    """The page of all verbs."""
    return _INTRODUCTION + "\n".join(_section(context) for context in contexts())


def man_pages() -> Iterator[tuple[str, str]]:
    """The file name of each verb's page in section 1, and its text."""
    for context in contexts():
        name = context.command_path.replace(" ", "-")
        yield f"{name}.1", _man_page(name, context)


def paragraphs(help_text: str | None) -> list[Paragraph]:
    r"""A help text as click reads it: paragraphs, of which those after `\b` keep their lines."""
    parts = re.split(r"\n\s*\n", inspect.cleandoc(help_text or "").partition("\f")[0].strip())
    return [Paragraph(part.removeprefix("\b\n"), is_kept=part.startswith("\b")) for part in parts]


def _records(context: click.Context) -> list[tuple[str, str]]:
    """What click tells of each option, and of arguments that have a help text."""
    found = [one.get_help_record(context) for one in context.command.get_params(context)]
    return [one for one in found if one is not None and one[1]]


def _usage(context: click.Context) -> str:
    return " ".join([context.command_path, *context.command.collect_usage_pieces(context)])


def _members(context: click.Context) -> list[tuple[str, str]]:
    """Of a group: its commands, each with the first sentence of its help."""
    if not isinstance(context.command, click.Group):
        return []
    found = [(name, context.command.get_command(context, name)) for name in context.command.list_commands(context)]
    return [
        (name, paragraphs(one.help)[0].text.replace("\n", " ")) for name, one in found if one is not None and not one.hidden
    ]


def _section(context: click.Context) -> str:
    parts = [f"## {context.command_path}\n", f"```text\n{_usage(context)}\n```\n"]
    told = paragraphs(context.command.help)
    parts += [f"```text\n{one.text}\n```\n" if one.is_kept else f"{_escaped(one.text)}\n" for one in told]
    for title, rows in (("Command", _members(context)), ("Option", _records(context))):
        if rows:
            lines = [f"| {title} | Meaning |", "| --- | --- |"]
            lines += [f"| {bar(f'`{left}`')} | {bar(_escaped(right))} |" for left, right in rows]
            parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _escaped(text: str) -> str:
    parts = re.split(r"(`+[^`]*`+)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else re.sub(r"([<*])", r"\\\1", part) for part in parts)


def _man_page(name: str, context: click.Context) -> str:
    """A page in the language of man(7)."""
    told = paragraphs(context.command.help)
    lines = [f'.TH "{name.upper()}" "1" "" "{PROGRAM}" "{PROGRAM} manual"', ".SH NAME"]
    lines += [f"{_roff(name)} \\- {_roff(told[0].text)}", ".SH SYNOPSIS", f".B {_roff(_usage(context))}", ".SH DESCRIPTION"]
    for one in told:
        lines += [".PP", *([".nf", _roff(one.text, is_kept=True), ".fi"] if one.is_kept else [_roff(one.text)])]
    if rows := _records(context):
        lines.append(".SH OPTIONS")
        for left, right in rows:
            lines += [".TP", f"\\fB{_roff(left)}\\fP", _roff(right)]
    if members := _members(context):
        lines.append(".SH COMMANDS")
        for verb, line in members:
            lines += [".TP", f"\\fB{_roff(name)}\\-{_roff(verb)}\\fP(1)", _roff(line)]
    return "\n".join(lines) + "\n"


def _roff(text: str, *, is_kept: bool = False) -> str:
    """Text in which nothing is taken for a request of roff: backslashes, hyphens, and dots and quotes at a line's begin."""
    lines = text.splitlines() if is_kept else [" ".join(text.split())]
    escaped = [line.replace("\\", "\\e").replace("-", "\\-") for line in lines]
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in escaped)
