"""The verbs that make images, and the engine that they need."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lyftlearn_image.cli.completion import complete_class
from lyftlearn_image.cli.options import as_value
from lyftlearn_image.cli.output import show

if TYPE_CHECKING:
    from lyftlearn_image.build.builder import BuildResult

_FILE = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True)
class _Build:
    """What the options of `build` say: how to build, and where the result goes."""

    tags: tuple[str, ...]
    images: Path | None
    ca_bundle: Path | None
    no_cache: bool
    force: bool
    relock: bool
    as_json: bool
    json_file: Path | None
    quiet: bool


@click.command()
@click.argument("class_name", metavar="CLASS", shell_complete=complete_class)
@as_value(
    "options",
    _Build,
    click.option("-t", "--tag", "tags", multiple=True, metavar="NAME:TAG", help="Name of the image (may be repeated)."),
    click.option("--images", type=click.Path(path_type=Path, file_okay=False), help="Folder of the image classes."),
    click.option("--ca-bundle", type=_FILE, help="CA certificates (PEM) to trust during the build; never in a layer."),
    click.option("--no-cache", is_flag=True, help="Run every step again."),
    click.option("--force", is_flag=True, help="Build also when nothing has changed."),
    click.option("--relock", is_flag=True, help="Make a stale lock anew, which else stops the build."),
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
    click.option("--json-file", type=_FILE, help="Write the result as JSON to this file."),
    click.option("--quiet", is_flag=True, help="No progress."),
)
def build(class_name: str, options: _Build) -> None:
    """Build the image of a class.

    Prints the file that it was built from, the image's digest, size and time; nothing is built when nothing has changed.
    A lock that is behind its requirements, or behind image.yaml, stops the build, with the command that makes it anew.
    A private package index is taken from pip's or uv's own settings, and a CA bundle from PIP_CERT, SSL_CERT_FILE or
    REQUESTS_CA_BUNDLE; both are build secrets and never in a layer.
    """
    import json  # noqa: PLC0415 - every import here waits for its verb

    from lyftlearn_image.build import builder, progress, spec  # noqa: PLC0415
    from lyftlearn_image.cli.written_file import refuse_not_ours  # noqa: PLC0415

    if options.json_file:
        refuse_not_ours(options.json_file, ("image", "id", "build_key"), option="--json-file")
    with progress.open_progress(quiet=options.quiet) as shown:
        result = builder.build(
            class_name,
            images_dir=spec.find_images_dir(options.images),
            options=builder.BuildOptions(
                options.tags, options.ca_bundle, use_cache=not options.no_cache, force=options.force, relock=options.relock
            ),
            progress=shown,
        )
    document = json.dumps(_as_json(result), indent=2)
    if options.json_file:
        options.json_file.write_text(f"{document}\n", encoding="utf-8")
    click.echo(document if options.as_json else _as_text(result))


@click.command()
@click.argument("image", metavar="IMAGE")
@click.option("-t", "--tag", default="", metavar="NAME:TAG", help="Name of the new image, else IMAGE's own with -lyftlearn.")
@click.option("--python", default="", metavar="PATH", help="The interpreter for the shim, where the usual places have none.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def adopt(*, image: str, tag: str, python: str, as_json: bool, quiet: bool) -> None:
    """Give an image that a team already has the shim, in one layer on top.

    Nothing else of it changes. Its own ENTRYPOINT and CMD are what `train` and `serve` run where no program is named; a
    workload's `command` and `program` are run instead of them. The shim needs a Python of at least 3.8 in the image.
    """
    import json  # noqa: PLC0415 - every import here waits for its verb
    from dataclasses import asdict  # noqa: PLC0415

    from lyftlearn_image.build import adopt as adopting  # noqa: PLC0415
    from lyftlearn_image.build.connection import connect  # noqa: PLC0415

    client = connect()
    try:
        result = adopting.adopt(client, image, tag, python=python, on_line=lambda line: None if quiet else show(line, err=True))
    finally:
        client.close()
    if as_json:
        click.echo(json.dumps({**asdict(result), "duration_s": round(result.duration_s, 3)}, indent=2))
        return
    own = result.python
    rows = {
        "image": result.image,
        "from": result.adopted_from,
        "digest": result.id,
        "size": f"{result.size_bytes / 1e6:.0f} MB, of which {result.added_bytes / 1e6:.1f} MB are new",
        "shim": f"{result.shim.executable} ({result.shim.version})",
        "python": f"{own.executable} ({own.version})" if own else "none of its own",
        **{verb: shlex.join(argv) for verb, argv in result.programs.items()},
        "time": f"{'made' if result.was_made else 'nothing has changed; looked up'} in {result.duration_s:.1f} s",
    }
    show("\n".join(f"{name:<7} {value}" for name, value in rows.items()))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the engine as JSON.")
def engine(*, as_json: bool) -> None:
    """Find a Docker engine, or install and start one.

    One that already runs is used and left alone. Else, as root on Debian, docker.io is installed and started.
    """
    import json  # noqa: PLC0415 - every import here waits for its verb

    from lyftlearn_image.build.engine import ensure_engine  # noqa: PLC0415

    answering = ensure_engine(lambda line: show(line, err=True))
    host = str(answering.address)
    if as_json:
        click.echo(json.dumps({"host": host, "version": answering.version, "origin": answering.origin}, indent=2))
        return
    origins = {"running": "it was running", "started": "started now", "installed": "installed and started now"}
    click.echo(f"Docker engine {answering.version} at {host}: {origins[answering.origin]}")


def _as_json(result: BuildResult) -> dict[str, object]:
    from dataclasses import asdict  # noqa: PLC0415 - every import here waits for its verb

    return {**asdict(result), "duration_s": round(result.duration_s, 3)}


def _as_text(result: BuildResult) -> str:
    did = "built" if result.was_built else "nothing has changed; looked up"
    rows = {
        "image": ", ".join(result.tags),
        "file": result.file,
        "digest": result.id,
        "size": f"{result.size_bytes / 1e6:.0f} MB",
        "base": f"{result.base.reference} ({result.base.origin})",
        "time": f"{did} in {result.duration_s:.1f} s",
    }
    return "\n".join(f"{name:<7} {value}" for name, value in rows.items())
