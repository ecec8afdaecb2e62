"""Pages that are run: their files are written, their console blocks typed into one shell, and what is shown is what comes.

How a page says it, in Markdown that reads well anywhere:

    ```yaml title="churn.yaml"      a block with a title is a file of the reader's, and is written before the next command
    ```console                      `$ ` begins a command (a backslash goes on with it); the lines below are its output
    <!-- not run: why -->           before a block: nobody runs it here; the reason is the reader's, too
    <!-- a new shell -->            before a block: what came before is not in this shell; its directory is

In an output `…` stands for any text within its line, and a line of `…` alone for any lines. A command without output may print
anything. Every command has to end with 0; what should not, says so: `command || echo "exit code $?"`.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from markdown_it.token import Token

_TITLE = re.compile(r'\btitle="([^"]+)"')
_NOT_RUN = re.compile(r"<!-- not run: (.+?) -->")
_NEW_SHELL = "<!-- a new shell -->"
_PROMPT = "$ "


@dataclass(frozen=True)
class Command:
    """What is typed, and what is shown below it: no lines where the page shows nothing."""

    text: str
    output: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class Block:
    """A block of a page: a file (its name and text), or commands. `not_run` is the reason for which nobody runs it."""

    kind: Literal["file", "console"]
    line: int
    title: str = ""
    text: str = ""
    commands: tuple[Command, ...] = ()
    not_run: str = ""
    is_new_shell: bool = False


@dataclass(frozen=True)
class Shell:
    """Where a page is typed: a folder, an environment, and what a name of the page is called here (and in outputs back)."""

    directory: Path
    environment: Mapping[str, str]
    names: Mapping[str, str] = field(default_factory=dict)

    def here(self, text: str) -> str:
        """A page's text with the names of this run, each put in once: one may stand in another's place."""
        if not self.names:
            return text
        names = sorted(self.names, key=len, reverse=True)
        return re.sub("|".join(map(re.escape, names)), lambda found: self.names[found[0]], text)

    def there(self, text: str) -> str:
        """What was printed, with the names of the page."""
        for name, own in self.names.items():
            text = text.replace(own, name)
        return text


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page that are files or commands, in their order; those of other languages are for reading alone."""
    said = ""
    for token in _flat(MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))):
        if token.type == "html_block":
            said = token.content
        elif token.type == "fence":
            yield from _block(token, said)
            said = ""
        elif token.type not in {"list_item_open", "list_item_close"}:
            said = ""


def _flat(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from token.children or ()


def _block(token: Token, said: str) -> Iterator[Block]:
    line = (token.map or [0])[0] + 1
    reason = _NOT_RUN.search(said)
    not_run = reason[1] if reason else ""
    if title := _TITLE.search(token.info):
        yield Block("file", line, title=title[1], text=token.content, not_run=not_run)
    elif token.info.split(" ")[0] == "console":
        commands = tuple(_commands(token.content.splitlines(), line + 1))
        yield Block("console", line, commands=commands, not_run=not_run, is_new_shell=_NEW_SHELL in said)


def _commands(lines: list[str], first: int) -> Iterator[Command]:
    typed: list[str] = []
    output: list[str] = []
    began = first
    for number, line in enumerate(lines, first):
        if typed and typed[-1].endswith("\\") and not output:
            typed.append(line)
        elif line.startswith(_PROMPT):
            if typed:
                yield Command("\n".join(typed), tuple(output), began)
            typed, output, began = [line.removeprefix(_PROMPT)], [], number
        elif typed:
            output.append(line)
        else:
            raise ValueError(f"line {number}: a console block begins with `$ `, not with {line!r}")
    if typed:
        yield Command("\n".join(typed), tuple(output), began)


def type_in(page: Path, shell: Shell) -> list[str]:
    """Runs a page's blocks that are run; what went otherwise than the page says, none where it is true.

    One shell takes all commands until one fails: variables and background processes stay. It ends with all that it began.
    """
    shells: list[list[Block]] = [[]]
    for block in blocks(page):
        if block.is_new_shell:
            shells.append([])
        if not block.not_run:
            shells[-1].append(block)
    for number, part in enumerate(shells):
        if wrong := _one_shell(page, part, shell, shell.directory.parent / f"{shell.directory.name}-{number}"):
            return wrong
    return []


def _one_shell(page: Path, part: list[Block], shell: Shell, kept: Path) -> list[str]:
    kept.mkdir()
    shell.directory.mkdir(exist_ok=True)
    commands: list[Command] = []
    script: list[str] = []
    for block in part:
        if block.kind == "file":
            (kept / f"file-{block.line}").write_text(shell.here(block.text), encoding="utf-8")
            script.append(f'mkdir -p "$(dirname "{block.title}")"; cp "{kept}/file-{block.line}" "{block.title}"')
        for command in block.commands:
            # In the shell itself, so that its directory, variables and background jobs are there for the next one.
            out = kept / f"out-{len(commands)}"
            script.append(f"{{ {shell.here(command.text)}\n}} >{out} 2>&1 </dev/null || {{ echo $? >{out}.failed; exit; }}")
            commands.append(command)
    with subprocess.Popen(
        ["/bin/bash"], stdin=subprocess.PIPE, text=True, cwd=shell.directory, env=dict(shell.environment),
        start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            process.communicate("\n".join(script) + "\n")
        finally:
            _end(process.pid)
    return [
        f"{page.name}:{command.line}: $ {command.text}\n{problem}"
        for number, command in enumerate(commands)
        if (problem := _problem(command, kept / f"out-{number}", shell))
    ][:1]


def _end(session: int) -> None:
    """Ends what the page has left in the background, as its author's Ctrl-C would."""
    try:
        os.killpg(session, signal.SIGTERM)
    except ProcessLookupError:
        return


def _problem(command: Command, out: Path, shell: Shell) -> str:
    if not out.exists():
        return "was never reached"
    printed = shell.there(out.read_text(encoding="utf-8", errors="replace"))
    failed = out.with_name(f"{out.name}.failed")
    if failed.exists():
        return f"ended with {failed.read_text().strip()}:\n{printed}"
    if command.output and not pattern(command.output).fullmatch(even(printed)):
        return "printed:\n" + printed + "\nwhere the page has:\n" + "\n".join(command.output)
    return ""


def even(text: str) -> str:
    """Lines with single blanks, and none that is empty: tables are as wide as their widest cell, of this run."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line)


def pattern(output: tuple[str, ...]) -> re.Pattern[str]:
    """What is shown, as an expression for what may be printed: `…` is any text in its line, or any lines where it is alone."""
    found = ""
    for line in even("\n".join(output)).splitlines():
        found += "(?:.*\n)*" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + "\n"
    return re.compile(found)
