"""The verbs of the parity harness."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lyftlearn_image.cli.completion import complete_case, complete_kept_case
from lyftlearn_image.cli.options import as_value
from lyftlearn_image.cli.output import show
from lyftlearn_image.cli.signals import raise_on_signals
from lyftlearn_image.errors import BuildError, LyftlearnError, RunError
from lyftlearn_image.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from lyftlearn_image.parity.suite import Suite
    from lyftlearn_image.parity.verdict import SuiteResult


@click.group()
def parity() -> None:
    """Run scripts on both targets and compare what they do."""


@dataclass(frozen=True)
class _Run:
    """What the options of `run` say: which cases run where, and what is shown and kept."""

    names: tuple[str, ...]
    report: Path
    jobs: int
    targets: tuple[str, ...]
    s3_prefix: str | None
    role_arn: str | None
    image: str | None
    ca_bundle: Path | None
    keep_artifacts: bool
    repeats: bool
    as_json: bool
    quiet: bool


@parity.command()
@click.argument("suite_file", metavar="SUITE", type=click.Path(path_type=Path))
@as_value(
    "options",
    _Run,
    click.option(
        "--case", "names", multiple=True, metavar="NAME", shell_complete=complete_case,
        help="Run only this case (may be repeated).",
    ),
    click.option(
        "--report", type=click.Path(path_type=Path, file_okay=False), default=Path("parity-report"), show_default=True,
        help="Directory for report.json, junit.xml, report.md, report.html and the runs' files.",
    ),
    click.option(
        "--jobs", type=click.IntRange(1), default=2, show_default=True, help="Cases at the same time, two containers each."
    ),
    click.option(
        "--target", "targets", multiple=True, metavar="TARGET=PLACE",
        help="sagemaker=embedded|service, kubernetes=embedded|context:NAME (may be repeated; embedded else).",
    ),
    click.option("--s3-prefix", metavar="S3_URI", help="For services: where data and outputs go."),
    click.option("--role-arn", metavar="ARN", help="For SageMaker itself: the execution role."),
    click.option(
        "--image", metavar="REFERENCE", help="For services: the suite's image as they pull it (lyftlearn-image push)."
    ),
    click.option(
        "--ca-bundle", type=click.Path(path_type=Path, dir_okay=False),
        help="CA certificates (PEM) to trust while the suite's image is built; never in a layer.",
    ),
    click.option(
        "--keep-artifacts", is_flag=True, help="Keep models and outputs of every case, not only of unexpected results."
    ),
    click.option(
        "--no-repeat", "repeats", is_flag=True, flag_value=False, default=True,
        help="Do not run a case that differs once more on one target, to see whether the script differs from itself.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print report.json instead of the table."),
    click.option("--quiet", is_flag=True, help="No progress."),
)  # fmt: skip
@raise_on_signals()
def run(suite_file: Path, options: _Run) -> int:
    """Run the cases of SUITE on both targets and compare them.

    Reports of an earlier run are removed first, and whatever ends this one early leaves reports that say so: a suite that
    cannot be read, an image that cannot be built, no engine, Ctrl-C.
    """
    from lyftlearn_image.build.own_outputs import mark  # noqa: PLC0415 - every import here waits for its verb
    from lyftlearn_image.cli.watch import watch  # noqa: PLC0415
    from lyftlearn_image.emulation.private_directories import exclusive_directory  # noqa: PLC0415
    from lyftlearn_image.parity import backends, case_data, stored_secrets  # noqa: PLC0415
    from lyftlearn_image.parity.run import SuiteRun, failed_suite, select_cases  # noqa: PLC0415
    from lyftlearn_image.parity.secrets import secret_values_of  # noqa: PLC0415
    from lyftlearn_image.parity.suite import load_suite  # noqa: PLC0415
    from lyftlearn_image.report.write import own_names, remove_reports, write_reports  # noqa: PLC0415

    directory = options.report.resolve()
    with exclusive_directory(directory):
        remove_reports(directory)
        mark(directory, own_names())
        failed: Callable[[BaseException], SuiteResult] = partial(failed_suite, suite_file.stem, directory)
        secrets: Collection[str] = ()
        try:
            selection = backends.parse_targets(
                options.targets, s3_prefix=options.s3_prefix, role_arn=options.role_arn, image=options.image
            )
            suite = load_suite(suite_file)
            cases = select_cases(suite, options.names)
            secrets = secret_values_of(cases)
            if not selection.has_services:
                case_data.check(suite, cases, suite_file)
                stored_secrets.check_cases(cases, str(suite_file))
            suite_run = SuiteRun(
                suite=suite, suite_path=suite_file.resolve(), directory=directory, cases=cases, jobs=options.jobs,
                keep_artifacts=options.keep_artifacts, repeats=options.repeats, backends=selection,
            )  # fmt: skip
            failed = suite_run.failed
            with watch([case.name for case in cases], quiet=options.quiet) as on_event:
                built = _build_image(suite, options)
                result = replace(suite_run, built_image=built, on_event=on_event).run()
        except BaseException as error:
            code = error.exit_code if isinstance(error, LyftlearnError) else ExitCode.FAILED
            ended = replace(failed(error), ended_with=code)
            written = write_reports(ended, options.report, secrets=secrets)
            show(f"reports: {', '.join(str(path) for path in written.values())}", err=True)
            raise
        return _show(result, options, secrets)


def _show(result: SuiteResult, options: _Run, secrets: Collection[str]) -> int:
    """Writes the reports and shows the verdict; the exit code, 2 where a report could not be made."""
    from lyftlearn_image.report import terminal  # noqa: PLC0415 - every import here waits for its verb
    from lyftlearn_image.report.write import ReportsError, write_reports  # noqa: PLC0415

    failure = None
    try:
        written = write_reports(result, options.report, secrets=secrets)
    except ReportsError as error:
        failure, written = error, error.written
    if not options.as_json:
        terminal.show(result, secrets=secrets)
        show(f"\nreports: {', '.join(str(path) for path in written.values())}")
    if failure:
        raise failure
    if options.as_json:
        click.echo(written["json"].read_text(encoding="utf-8"))
    if result.interrupted:
        # An exception would be told as JSON once more.
        click.echo("interrupted", err=True)
    return result.command_exit_code


def _build_image(suite: Suite, options: _Run) -> str | None:
    """The id of the suite's image, built from its directory; nothing is built when nothing changed. None without one."""
    if suite.build is None:
        return None
    from lyftlearn_image.build import builder, progress  # noqa: PLC0415 - only a suite with `build` needs it
    from lyftlearn_image.build.team_context import require_dockerfile  # noqa: PLC0415 - as above
    from lyftlearn_image.emulation.shared_machine import require_shared_machine  # noqa: PLC0415 - as above

    require_dockerfile(suite.build)
    # Before minutes of a build.
    require_shared_machine()
    try:
        with progress.open_progress(quiet=options.quiet) as shown:
            return builder.build_directory(suite.build, suite.image, ca_bundle=options.ca_bundle, progress=shown).id
    except BuildError as error:
        # To `parity run`, 1 says that the platforms differ.
        raise RunError(error.what, where=error.where, hint=error.hint) from None


@parity.command()
@click.argument("case", metavar="CASE", shell_complete=complete_kept_case)
@click.option(
    "--report", "reports", type=click.Path(path_type=Path, file_okay=False), multiple=True, default=(Path("parity-report"),),
    show_default=True, help="Directory that `parity run --report` wrote (may be repeated: several runs of the case).",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a YAML patch.")
def suggest(case: str, reports: tuple[Path, ...], *, as_json: bool) -> int:
    r"""Propose rules that would make the rest of CASE the same, as a patch of the suite file with a reason for each.

    Streams and artifacts of its runs are compared again, of several runs also those of one target: what changes from run to
    run is no difference of the platforms. Nothing is applied; look at each rule, for it hides what its reason says.

    \b
    Normalisers: timestamps, durations, speeds, memory, addresses, pids,
    temporary-paths, progress-bars, package-lines.
    """
    from lyftlearn_image.cli.output import show  # noqa: PLC0415 - every import here waits for its verb
    from lyftlearn_image.parity import kept_run, suggest_patch  # noqa: PLC0415
    from lyftlearn_image.parity.suggest import suggest as find_rules  # noqa: PLC0415

    found = find_rules(case, [kept_run.find(case, report) for report in reports])
    if as_json:
        click.echo(suggest_patch.as_json(found))
    else:
        show(suggest_patch.as_yaml(found))
    return 1 if found.unexplained else 0
