"""The verb that brings an image to a registry."""

from __future__ import annotations

import click

from lyftlearn_image.cli import output


@click.command()
@click.argument("image")
@click.argument("reference", metavar="REGISTRY/REPOSITORY[:TAG]")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def push(image: str, reference: str, *, as_json: bool, quiet: bool) -> None:
    """Push IMAGE to a registry and print its digest.

    For Amazon ECR the login is made and a missing repository created; for any other registry `docker login` counts. Give
    both platforms the printed reference with the digest: a tag may move.
    """
    import json  # noqa: PLC0415 - every import here waits for its verb
    from dataclasses import asdict  # noqa: PLC0415

    from lyftlearn_image.build import publish  # noqa: PLC0415
    from lyftlearn_image.build.engine import ensure_engine  # noqa: PLC0415

    def show(line: str) -> None:
        if not quiet:
            output.show(line, err=True)

    with ensure_engine(show).connect() as client:
        done = publish.push(client, image, reference, on_line=show)
    click.echo(json.dumps(asdict(done), indent=2) if as_json else done.pinned)
