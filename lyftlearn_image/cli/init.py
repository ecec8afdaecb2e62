"""The verb `init`: a team's first Dockerfile, workload and suite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lyftlearn_image.cli.output import show

if TYPE_CHECKING:
    from lyftlearn_image.scaffold.plan import File, Plan

_BASE = "lyftlearn:latest"


@click.command()
@click.argument("directory", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
@click.option("--script", metavar="PATH", help="What to run, where DIR has several scripts or packages.")
@click.option("--base", metavar="IMAGE", default=_BASE, show_default=True, help="The LyftLearn image to stand on.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def init(directory: Path, script: str | None, base: str, *, as_json: bool) -> None:
    """Write a team's first Dockerfile, workload and suite.

    They follow from what lies in DIR, and run as they are; a .dockerignore keeps reports out of the image. DIR may have a
    script, a requirements.txt, manifests of Jobs and scripts that start jobs with SageMaker's SDK: any of them, several, or
    none, for which an example is written. Nothing of it is run, and no file that is there is changed.
    """
    from lyftlearn_image.scaffold.directory import look  # noqa: PLC0415 - every import here waits for its verb
    from lyftlearn_image.scaffold.plan import make_plan  # noqa: PLC0415

    plan = make_plan(look(directory), base=base, script=script)
    for file in plan.files:
        _write(directory, file)
    if as_json:
        _print_json(directory, plan)
    else:
        _tell(plan)


def _write(directory: Path, file: File) -> None:
    from lyftlearn_image.cli.schemas import write_with_schema  # noqa: PLC0415 - waits for its verb

    path = directory / file.name
    if file.schema:
        write_with_schema(path, file.schema, file.text)
    else:
        path.write_text(file.text, encoding="utf-8")


def _tell(plan: Plan) -> None:
    for title, lines in (
        ("found", plan.found),
        ("wrote", tuple(file.name for file in plan.files)),
        ("kept as it is", plan.kept),
        ("not carried as it was", tuple(map(str, plan.left))),
        ("note", plan.notes),
    ):
        if lines:
            show(f"{title}:")
        for line in lines:
            show(f"  {line}")
    show("next:")
    for command in plan.commands:
        show(f"  {command}")


def _print_json(directory: Path, plan: Plan) -> None:
    from dataclasses import asdict  # noqa: PLC0415 - every import here waits for its verb

    from lyftlearn_image.sanitize import dump_json  # noqa: PLC0415

    document = {
        "directory": str(directory),
        "found": list(plan.found),
        "written": [file.name for file in plan.files],
        "kept": list(plan.kept),
        "left": [asdict(one) for one in plan.left],
        "notes": list(plan.notes),
        "next": list(plan.commands),
    }
    click.echo(dump_json(document))
