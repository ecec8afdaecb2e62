"""The command line's front door: verbs are imported when they are used, errors are told in three lines."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from lyftlearn_image import __version__
from lyftlearn_image.errors import LyftlearnError, RunError
from lyftlearn_image.exit_codes import ExitCode, meanings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from click.shell_completion import CompletionItem

_COMPLETE = "_LYFTLEARN_IMAGE_COMPLETE"

# Verb → where its click command is, and its line in --help. The line stands here so that --help imports nothing else.
VERBS: Mapping[str, tuple[str, str]] = {
    "init": ("lyftlearn_image.cli.init:init", "Write a team's first Dockerfile, workload and suite."),
    "list": ("lyftlearn_image.cli.spec:list_classes", "List the image classes."),
    "render": ("lyftlearn_image.cli.spec:render", "Print the Dockerfile of an image class."),
    "lock": ("lyftlearn_image.cli.spec:lock", "Resolve a class's Python requirements into a lock with hashes."),
    "schema": ("lyftlearn_image.cli.spec:schema", "Print the JSON schema of a file that people write, or of report.json."),
    "build": ("lyftlearn_image.cli.build:build", "Build the image of a class."),
    "adopt": ("lyftlearn_image.cli.build:adopt", "Give an image that a team already has the shim, in one layer on top."),
    "submit": ("lyftlearn_image.cli.submit:submit", "Send a workload and print its job."),
    "run": ("lyftlearn_image.cli.submit:run", "Send a workload, follow its log, wait for its end and collect what it left."),
    "wait": ("lyftlearn_image.cli.jobs:wait", "Wait until jobs have ended."),
    "logs": ("lyftlearn_image.cli.jobs:logs", "Print what a job has written."),
    "stop": (
        "lyftlearn_image.cli.jobs:stop",
        "Ask for a job to be stopped; an endpoint is deleted, a Deployment scaled to nothing.",
    ),
    "collect": ("lyftlearn_image.cli.jobs:collect", "Fetch what an ended job has left: artifacts and log."),
    "delete": ("lyftlearn_image.cli.jobs:delete", "Delete jobs and servers with all that was made for them."),
    "local": ("lyftlearn_image.cli.local:local", "Serve AWS and SageMaker on this machine, until Ctrl-C or SIGTERM."),
    "push": ("lyftlearn_image.cli.push:push", "Push IMAGE to a registry and print its digest."),
    "doctor": ("lyftlearn_image.cli.doctor:doctor", "Check what the toolkit needs here, of AWS and of a cluster."),
    "engine": ("lyftlearn_image.cli.build:engine", "Find a Docker engine, or install and start one."),
    "compile": ("lyftlearn_image.cli.workload:compile_", "Print the requests or manifests of a workload."),
    "lint": ("lyftlearn_image.cli.workload:lint", "List everything of a workload that a platform would refuse."),
    "import": (
        "lyftlearn_image.cli.workload:import_",
        "Read a Kubernetes manifest, or a script with an estimator, into a workload.",
    ),
    "permissions": ("lyftlearn_image.cli.workload:permissions", "Print the least privileges that a workload needs."),
    "parity": ("lyftlearn_image.cli.parity:parity", "Run scripts on both targets and compare what they do."),
    "completion": ("lyftlearn_image.cli.main:completion", "Print the completion script of SHELL."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called (a start of 100 ms instead of a second)."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The verbs, in the order of VERBS."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of a verb, or None for a word that is none."""
        if cmd_name not in VERBS:
            return None
        module, _, attribute = VERBS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        _explain_exit_codes(command, cmd_name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb; an unknown one is told with the verb that it was meant to be."""
        if args[0] not in VERBS and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=VERBS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The verbs that begin so, with their lines, without importing them; and the options."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only while a shell completes

        verbs = [CompletionItem(verb, help=line) for verb, (_, line) in VERBS.items() if verb.startswith(incomplete)]
        return [*verbs, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Writes the verbs with their lines, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, line) for verb, (_, line) in VERBS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lyftlearn-image")
def cli() -> None:
    """Build ML images that run unchanged on SageMaker and Kubernetes, and prove it."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash  eval "$(lyftlearn-image completion bash)"          in ~/.bashrc
    zsh   eval "$(lyftlearn-image completion zsh)"           in ~/.zshrc
    fish  lyftlearn-image completion fish | source           in ~/.config/fish/config.fish

    Verbs, options, files, image classes, cases, contexts and the newest jobs are completed; jobs that are not known within
    two seconds are not offered.
    """  # noqa: D301 - click reads the backspace itself as "keep these lines"
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - only this verb needs it

    completer = get_completion_class(shell)
    if completer is None:  # pragma: no cover - the choices above are click's own
        raise click.UsageError(f"no completion for {shell}")
    click.echo(completer(cli, {}, "lyftlearn-image", _COMPLETE).source())


def _explain_exit_codes(command: click.Command, verb: str) -> None:
    """Gives a verb's help its exit codes, as its last section; a group's verbs each their own."""
    # The mark keeps the lines as they are.
    lines = (f"  {code:>3}  {meaning}" for code, meaning in meanings(verb).items())
    command.epilog = "\n".join(["\b", "Exit codes:", *lines])
    for name, inner in getattr(command, "commands", {}).items():
        _explain_exit_codes(inner, f"{verb} {name}")


_explain_exit_codes(cli, "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code: 2, and never 1, for an exception that nobody expected.

    With `--json` a failure is one JSON object on stdout, beside the lines on stderr.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    as_json = "--json" in (words[: words.index("--")] if "--" in words else words)
    if os.environ.get(_COMPLETE, "").endswith("_complete"):
        # Whatever a library has to say would be written into the line that somebody types.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        result: Any = cli.main(args=arguments, prog_name="lyftlearn-image", standalone_mode=False, terminal_width=_help_width())
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        if as_json:
            _print_failure("interrupted", ExitCode.INTERRUPTED, LyftlearnError("interrupted"))
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away, as `head` does; Python would complain once more at exit.
        sys.stderr.close()
        return 0
    except Exception as error:  # noqa: BLE001 - the last door: nobody is shown a traceback
        return _tell(error, as_json=as_json)
    return result if isinstance(result, int) else 0


def _tell(error: Exception, *, as_json: bool) -> int:
    """Tells of an error in a few lines, and as JSON where it is asked for; its exit code."""
    from lyftlearn_image.cli import output  # noqa: PLC0415 - only after a mistake

    if isinstance(error, click.ClickException):
        output.show_usage_error(error)
        if as_json:
            _print_failure("usage", error.exit_code, output.usage_error(error))
        return error.exit_code
    if isinstance(error, OSError) and error.errno is not None:
        where = str(error.filename or _full_places(error.errno))
        error = RunError(os.strerror(error.errno), where=where, hint="Check the space and the permissions there.")
    if isinstance(error, LyftlearnError):
        output.show_error(error)
        if as_json:
            _print_failure(error.kind, error.exit_code, error)
        return error.exit_code
    from lyftlearn_image.cli.fault import EXIT_FAULT, report_fault  # noqa: PLC0415 - only after a fault

    told = report_fault(error, VERBS)
    if as_json:
        _print_failure("fault", EXIT_FAULT, told)
    return EXIT_FAULT


def _print_failure(kind: str, exit_code: int, error: LyftlearnError) -> None:
    from lyftlearn_image.cli import output  # noqa: PLC0415 - only after a mistake

    click.echo(output.failure_json(kind, exit_code, error))


def _full_places(number: int) -> str:
    """Where this process writes and no room is left, for an error of the system that does not name its file."""
    from lyftlearn_image.doctor.engine import full_places  # noqa: PLC0415 - only after a mistake

    return ", ".join(map(str, full_places())) if number in {errno.ENOSPC, errno.EDQUOT} else ""


def _help_width() -> int:
    """The width that click gives its help. It would ask shutil, whose three compression libraries take 5 % of `--help`."""
    try:
        columns = int(os.environ.get("COLUMNS") or 0)
    except ValueError:
        columns = 0
    if columns <= 0:
        try:
            columns = os.get_terminal_size(sys.__stdout__.fileno()).columns  # type: ignore[union-attr]
        except (AttributeError, ValueError, OSError):
            columns = 0
    return max(min(columns or 80, 80) - 2, 50)
