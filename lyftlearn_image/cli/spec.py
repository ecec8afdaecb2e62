"""The verbs that read image classes and print what follows from them."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lyftlearn_image.cli.completion import complete_class
from lyftlearn_image.cli.output import show
from lyftlearn_image.cli.schemas import SCHEMAS, schema_text

_IMAGES = click.option(
    "--images",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the image classes (else ./images, else the toolkit's own).",
)


@click.command("list")
@_IMAGES
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_classes(images: Path | None, *, as_json: bool) -> None:
    """List the image classes."""
    from lyftlearn_image.build.spec import find_images_dir, list_all_specs  # noqa: PLC0415 - waits for its verb

    specs = list_all_specs(find_images_dir(images))
    if as_json:
        found = [
            {"name": one.name, "version": one.version, "base": one.base.image, "description": one.description} for one in specs
        ]
        click.echo(json.dumps(found, indent=2))
        return
    for one in specs:
        show(f"{one.name:<24} {one.version:<8} {one.description}")


@click.command()
@click.argument("class_name", metavar="CLASS", shell_complete=complete_class)
@_IMAGES
def render(class_name: str, images: Path | None) -> None:
    """Print the Dockerfile of an image class."""
    from lyftlearn_image.build import render as renderer, spec  # noqa: PLC0415 - waits for its verb

    directory = spec.find_images_dir(images)
    click.echo(renderer.render(spec.load_spec(class_name, directory), directory), nl=False)


@click.command()
@click.argument("class_name", metavar="CLASS", shell_complete=complete_class)
@_IMAGES
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 when the lock is not current.")
@click.option("--upgrade", is_flag=True, help="Take the newest versions that the requirements allow.")
def lock(class_name: str, images: Path | None, *, check: bool, upgrade: bool) -> int:
    """Resolve a class's Python requirements into a lock with hashes."""
    from lyftlearn_image.build import lock as locker, spec  # noqa: PLC0415 - waits for its verb

    directory = spec.find_images_dir(images)
    found = spec.load_spec(class_name, directory)
    path = directory / class_name / found.python.lock
    if check:
        current = locker.is_current(found, directory)
        command = locker.lock_command(class_name, directory)
        click.echo(f"{path} is {'current' if current else f'not current: run `{command}`'}")
        return 0 if current else 1
    text = locker.write_lock(found, directory, upgrade=upgrade)
    count = sum(1 for line in text.splitlines() if line and not line.startswith((" ", "#")))
    click.echo(f"{path}: {count} packages")
    return 0


@click.command()
@click.argument("file", type=click.Choice(list(SCHEMAS)), default="image")
def schema(file: str) -> None:
    """Print the JSON schema of a file that people write, or of report.json."""
    click.echo(schema_text(file))
