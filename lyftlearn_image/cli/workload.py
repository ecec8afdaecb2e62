"""The verbs around a workload file: what it becomes on each platform, what would be refused, what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lyftlearn_image.cli.options import as_value
from lyftlearn_image.cli.output import show

if TYPE_CHECKING:
    from lyftlearn_image.platforms.kubernetes.importer.workload_file import Imported
    from lyftlearn_image.platforms.launch import Compiled

_FILE = click.Path(path_type=Path, dir_okay=False)
_TARGET = click.Choice(["sagemaker", "kubernetes"])
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_PREFIX = click.option("--s3-prefix", metavar="S3_URI", help="Where models, outputs and bundles go (else the file's `output`).")
_ROLE = click.option("--role-arn", metavar="ARN", help="Execution role on SageMaker (else the file's `role_arn`).")
_NAME = click.option("--job-name", metavar="NAME", help="Name of the job or endpoint (else the workload's).")


@click.command("compile")
@click.argument("workload_file", metavar="WORKLOAD", type=_FILE)
@click.option("--target", required=True, type=_TARGET, help="The platform.")
@_NAME
@_PREFIX
@_ROLE
@click.option("--objects", type=click.Path(path_type=Path, file_okay=False), help="Directory for what must be in S3 before.")
@_JSON
def compile_(workload_file: Path, target: Any, objects: Path | None, *, as_json: bool, **launch_options: Any) -> None:
    """Print the requests or manifests of a workload.

    For SageMaker a JSON object: each action with its request, in the order in which they are sent. For Kubernetes YAML,
    ready for `kubectl apply -f -`, with --server-side where an object is too large for it without: stderr says so. The same
    file gives the same text. Nothing is sent.
    """
    from lyftlearn_image import yamlfile  # noqa: PLC0415 - every import here waits for its verb
    from lyftlearn_image.platforms import serialize  # noqa: PLC0415
    from lyftlearn_image.platforms.compile import compile_for_submission, launch_for  # noqa: PLC0415
    from lyftlearn_image.workload import Workload  # noqa: PLC0415

    workload = yamlfile.load(workload_file, Workload)
    compiled = compile_for_submission(target, workload, launch_for(workload, **launch_options))
    # What may fail comes before stdout has anything.
    put = _put_objects(compiled, objects)
    click.echo(serialize.as_json(compiled) if as_json else serialize.as_text(compiled), nl=False)
    if target == "kubernetes":
        _tell_large(compiled)
    for line in put:
        show(line, err=True)


def _tell_large(compiled: Compiled) -> None:
    """Says on stderr which manifests `kubectl apply` takes with --server-side alone."""
    from lyftlearn_image.platforms.kubernetes.object_limits import needs_server_side  # noqa: PLC0415 - waits for its verb

    large = [f"{one['kind']} {one['metadata']['name']}" for one in compiled.documents if needs_server_side(one)]
    if large:
        show(f"too large for kubectl apply without --server-side, which keeps a copy: {', '.join(large)}", err=True)


def _put_objects(compiled: Compiled, directory: Path | None) -> list[str]:
    """Writes what must be in S3 before where it is wanted; a line about each."""
    told = []
    for uri, data in compiled.objects.items():
        if directory is None:
            told.append(f"to be put before: {uri} ({len(data)} bytes; --objects DIR writes it)")
            continue
        path = directory / uri.removeprefix("s3://")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        told.append(f"to be put before: {path} as {uri}")
    return told


@click.command()
@click.argument("workload_file", metavar="WORKLOAD", type=_FILE)
@click.option("--target", "only", type=_TARGET, help="Only this platform (else both).")
@_JSON
def lint(workload_file: Path, only: Any, *, as_json: bool) -> int:
    """List everything of a workload that a platform would refuse.

    Each finding has its file, line and field. A note is no breach: something has no effect on one of the platforms.
    """
    import json  # noqa: PLC0415 - every import here waits for its verb
    from dataclasses import asdict  # noqa: PLC0415

    from lyftlearn_image import yaml_loader  # noqa: PLC0415
    from lyftlearn_image.platforms.launch import TARGETS  # noqa: PLC0415
    from lyftlearn_image.platforms.lint import lint as lint_file  # noqa: PLC0415

    findings = lint_file(yaml_loader.read_text(workload_file), str(workload_file), (only,) if only else TARGETS)
    breaches = [finding for finding in findings if finding.level == "error"]
    if as_json:
        click.echo(json.dumps({"breaches": len(breaches), "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        for finding in findings:
            show(str(finding))
        click.echo(f"{len(breaches)} breaches, {len(findings) - len(breaches)} notes")
    return 1 if breaches else 0


@dataclass(frozen=True)
class _Import:
    """What the options of `import` say: what is read, and where the workload and its suite go."""

    output: Path | None
    suite: Path | None
    name: str | None
    kind: str
    force: bool
    as_json: bool


@click.command("import")
@click.argument("manifest_file", metavar="MANIFEST", type=_FILE)
@as_value(
    "options",
    _Import,
    click.option("-o", "--output", type=_FILE, help="Write the workload to this file instead of stdout."),
    click.option("--suite", type=_FILE, help="Write a parity suite for the workload of --output to this file."),
    click.option("--force", is_flag=True, help="Overwrite files that are there and are not what would be written."),
    click.option("--name", metavar="NAME", help="Which Job, CronJob, Deployment or estimator, where there are several."),
    click.option(
        "--kind", type=click.Choice(["training", "processing"]), default="training", show_default=True,
        help="What a Job becomes.",
    ),
    _JSON,
)  # fmt: skip
def import_(manifest_file: Path, options: _Import) -> None:
    """Read a Kubernetes manifest, or a script with an estimator, into a workload.

    MANIFEST has a Job, a CronJob or a Deployment, with its ConfigMaps and Secrets beside it; or it is a Python file that makes
    an estimator and starts it, which is read and never run. What cannot be carried is listed on stderr, with the reason and
    what to do. Secrets become references; their values are never printed. A file that is there, and is not what would be
    written, stays as somebody has made it.
    """
    from dataclasses import asdict  # noqa: PLC0415 - every import here waits for its verb

    from lyftlearn_image.sanitize import dump_json  # noqa: PLC0415
    from lyftlearn_image.scaffold.names import image_of  # noqa: PLC0415
    from lyftlearn_image.scaffold.workloads import read_source  # noqa: PLC0415

    if options.suite and not options.output:
        raise click.UsageError("--suite goes with --output: its case is the workload's file")
    imported, _ = read_source(manifest_file, image=image_of(manifest_file.parent), name=options.name, kind=options.kind)
    if options.output:
        _write_files(imported, options.output, options)
    if options.as_json:
        left = [asdict(note) for note in imported.left]
        document = {"workload": imported.workload.model_dump(mode="json"), "left": left}
        click.echo(dump_json(document))
        return
    if not options.output:
        click.echo(imported.text, nl=False)
    if imported.left:
        click.echo(f"not carried as it was ({len(imported.left)}):", err=True)
    for note in imported.left:
        show(f"  {note}", err=True)


def _write_files(imported: Imported, output: Path, options: _Import) -> None:
    """Writes the workload, and its suite where one is wanted: both or, where one is somebody's already, none.

    Says on stderr what runs the suite, and what it still needs.
    """
    from lyftlearn_image.cli.schemas import with_schema, write_with_schema  # noqa: PLC0415 - every import waits for its verb
    from lyftlearn_image.cli.written_file import refuse_overwriting  # noqa: PLC0415
    from lyftlearn_image.scaffold.imported_suite import suite_for  # noqa: PLC0415

    suite = suite_for(imported.workload, output, options.suite) if options.suite else None
    refuse_overwriting(output, with_schema("workload", imported.text), option="-o", force=options.force)
    if options.suite and suite:
        text, notes = suite
        refuse_overwriting(options.suite, with_schema("suite", text), option="--suite", force=options.force)
        write_with_schema(options.suite, "suite", text)
        for note in notes:
            show(f"note: {note}", err=True)
        show(f"next: lyftlearn-image parity run {options.suite}", err=True)
    write_with_schema(output, "workload", imported.text)


@click.command()
@click.argument("workload_file", metavar="WORKLOAD", type=_FILE)
@click.option("--target", "only", type=_TARGET, help="Only this platform (else both).")
@click.option("--region", help="AWS region (else that of the image's registry).")
@click.option("--account", help="AWS account (else that of the role).")
def permissions(workload_file: Path, only: Any, region: str | None, account: str | None) -> None:
    """Print the least privileges that a workload needs.

    As JSON: for SageMaker the policies of the execution role and of whoever submits; for Kubernetes the policy of the pod's
    IAM role and the Role of whoever applies the manifests. Secrets that are encrypted with a KMS key of your own need
    kms:Decrypt on that key besides: no workload names it.
    """
    import json  # noqa: PLC0415 - every import here waits for its verb

    from lyftlearn_image import yamlfile  # noqa: PLC0415
    from lyftlearn_image.platforms.launch import TARGETS  # noqa: PLC0415
    from lyftlearn_image.platforms.permissions import needed  # noqa: PLC0415
    from lyftlearn_image.workload import Workload  # noqa: PLC0415

    workload = yamlfile.load(workload_file, Workload)
    policies = needed.permissions(workload, (only,) if only else TARGETS, region=region, account=account)
    click.echo(json.dumps(policies, indent=2))
