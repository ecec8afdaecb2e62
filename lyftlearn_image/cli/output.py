"""What a verb writes for people: text of files, scripts and services reaches a terminal or a CI log harmless.

A key of a YAML file, a file's name or a service's message may hold escape sequences, or begin a line as a CI server's
command does. JSON and YAML for programs have escapes of their own (`sanitize.dump_json`, `serialize.as_yaml`).
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import click

from lyftlearn_image.sanitize import dump_json, make_visible, without_commands

if TYPE_CHECKING:
    from lyftlearn_image.errors import LyftlearnError

FAILURE_VERSION = 1
# Colours and weights (ECMA-48, SGR): all that a script's line may do to a terminal.
_STYLES = re.compile(r"(\x1b\[[0-9;:]*m)")


def show(text: str, *, err: bool = False) -> None:
    """Writes text whose parts may come from anywhere, on stdout or stderr."""
    click.echo(without_commands(make_visible(text)), err=err)


def show_log_line(line: str, *, err: bool = False) -> None:
    """Writes a line of a script's log: to a file or a pipe as it is, to a terminal with nothing but its colours."""
    if (sys.stderr if err else sys.stdout).isatty():
        # A progress bar draws its line over and over: what it left is what counts.
        parts = _STYLES.split(line.rstrip("\r").rpartition("\r")[2])
        line = "".join(part if position % 2 else make_visible(part) for position, part in enumerate(parts))
        line += "\x1b[0m" if len(parts) > 1 else ""
    click.echo(line, err=err)


def failure_json(kind: str, exit_code: int, error: LyftlearnError) -> str:
    """A failure for programs: one JSON object. `kind` is `usage`, `fault`, `interrupted`, or that of the error.

    FAILURE_VERSION goes up when a reader would have to change.
    """
    told = {"message": error.what, "where": error.where, "hint": error.hint}
    shown = {name: _without_secrets(text) for name, text in told.items()}
    return dump_json({"version": FAILURE_VERSION, "kind": kind, "exit_code": exit_code, **shown})


def _without_secrets(text: str) -> str:
    """The last line of defence: no error carries a secret, but an argument that somebody mistyped may be one."""
    import os  # noqa: PLC0415 - as all here, only after a mistake

    from lyftlearn_image.build.secrets import without_credentials  # noqa: PLC0415
    from lyftlearn_image.clear_secrets import mask_secrets  # noqa: PLC0415
    from lyftlearn_runtime.secret_forms import mask, sounds_secret  # noqa: PLC0415

    own = [value for name, value in os.environ.items() if sounds_secret(name)]
    return mask(mask_secrets(without_credentials(text)), own)


def usage_error(error: click.ClickException) -> LyftlearnError:
    """What click has to say of the arguments, as an error of ours: the verb is its place."""
    from lyftlearn_image.errors import LyftlearnError  # noqa: PLC0415 - only after a mistake

    context = getattr(error, "ctx", None)
    path = context.command_path if context else "lyftlearn-image"
    return LyftlearnError(error.format_message(), where=path, hint=f"{path} --help")


def show_error(error: LyftlearnError) -> None:
    """Writes what happened, where, and what to do, to stderr."""
    click.secho(without_commands(make_visible(f"Error: {error.what}")), fg="red", err=True)
    if error.where:
        show(f"  at: {error.where}", err=True)
    if error.hint:
        show(f"  try: {error.hint}", err=True)


def show_usage_error(error: click.ClickException) -> None:
    """Writes what click has to say of the arguments, to stderr."""
    import io  # noqa: PLC0415 - only after a mistake

    told = io.StringIO()
    error.show(told)
    show(told.getvalue().rstrip("\n"), err=True)
