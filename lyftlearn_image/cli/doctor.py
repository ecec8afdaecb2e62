"""The verb that says what of this machine, of AWS and of a cluster works, and what to do about the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lyftlearn_image.cli.options import as_value
from lyftlearn_image.cli.output import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lyftlearn_image.doctor.checkup import Finding

# A reader of the JSON would have to change with it.
_VERSION = 1
_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}
_FILE = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True)
class _Doctor:
    """What the options say: whose role, bucket, image and cluster are asked about, and for how long."""

    role_arn: str | None
    s3_prefix: str | None
    image: str | None
    context: str | None
    ca_bundle: Path | None
    timeout: float
    as_json: bool


@click.command()
@click.argument("workload_file", metavar="[WORKLOAD]", required=False, type=click.Path(path_type=Path))
@as_value(
    "options",
    _Doctor,
    click.option("--role-arn", metavar="ARN", help="Execution role on SageMaker (else the file's `role_arn`)."),
    click.option("--s3-prefix", metavar="S3_URI", help="Where outputs go (else the file's `output`)."),
    click.option("--image", metavar="REFERENCE", help="The image in its registry (else the file's `image`)."),
    click.option("--context", metavar="NAME", help="Context of the kubeconfig (else the current one)."),
    click.option("--ca-bundle", type=_FILE, help="CA certificates (PEM) that a build is given."),
    click.option(
        "--timeout", type=click.FloatRange(1, 600), default=20, show_default=True, help="Seconds, at most, for each check."
    ),
    click.option("--json", "as_json", is_flag=True, help="Print JSON."),
)
def doctor(workload_file: Path | None, options: _Doctor) -> int:
    """Check what the toolkit needs here, of AWS and of a cluster.

    One line for each thing: ok, warning, error, or not set, and what to do. All are checked at once. With a WORKLOAD the role,
    bucket, image, quota and permissions are its own. Nothing is changed: of the engine a network and a container are asked for,
    to see whether it shares this machine, and both are removed. No credential is shown.
    """
    from lyftlearn_image import yamlfile  # noqa: PLC0415 - every import here waits for its verb
    from lyftlearn_image.doctor.checks import all_checks  # noqa: PLC0415
    from lyftlearn_image.doctor.checkup import examine, exit_code  # noqa: PLC0415
    from lyftlearn_image.doctor.subject import Subject, subject_of  # noqa: PLC0415
    from lyftlearn_image.sanitize import dump_json  # noqa: PLC0415
    from lyftlearn_image.workload import Workload  # noqa: PLC0415

    named = Subject(
        role_arn=options.role_arn,
        s3_uri=options.s3_prefix,
        image=options.image,
        context=options.context,
        ca_bundle=options.ca_bundle,
    )
    subject = subject_of(yamlfile.load(workload_file, Workload) if workload_file else None, named)
    findings = examine(all_checks(subject, options.timeout), options.timeout)
    if options.as_json:
        checks = [{"name": one.name, "level": one.level.value, "text": one.text, "hint": one.hint} for one in findings]
        click.echo(dump_json({"version": _VERSION, "exit_code": exit_code(findings), "checks": checks}))
    else:
        _show(findings)
    return exit_code(findings)


def _show(findings: Sequence[Finding]) -> None:
    """A line a finding; below what is not well, what to do."""
    width = max(len(one.name) for one in findings)
    for one in findings:
        level = click.style(f"{one.level.value:<8}", fg=_COLOURS.get(one.level.value), dim=one.level.value == "not set")
        click.echo(f"{level}  ", nl=False)
        show(f"{one.name:<{width}}  {one.text}")
        if one.hint:
            show(f"{'':<{width + 12}}{one.hint}")
