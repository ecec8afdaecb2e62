"""What a directory with a Dockerfile of its own brings to a build: its files, and the images that it stands on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from lyftlearn_image.build.own_outputs import ignore_rules
from lyftlearn_image.build.reference import require_reference
from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ARGUMENT = re.compile(r"^\s*ARG\s+(\w+)=(\S+)", re.IGNORECASE)
_FROM = re.compile(r"^\s*FROM\s+(?:--platform=\S+\s+)?(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)


@dataclass(frozen=True)
class TeamContext:
    """Path below the directory → content, with the mode before it; and the text of .dockerignore that leaves just these."""

    files: Mapping[str, bytes]
    ignored: str


def require_dockerfile(directory: Path) -> None:
    """InvalidInputError where there is no Dockerfile in a directory."""
    if not (directory / "Dockerfile").is_file():
        raise InvalidInputError(
            f"there is no Dockerfile in {directory}", hint="Two lines do: FROM lyftlearn:latest, COPY . /opt/ml/code/"
        )


def read_context(directory: Path) -> TeamContext:
    """What a directory brings, less what its .dockerignore names, as Docker reads it, and less the toolkit's own outputs.

    Raises InvalidInputError where there is no Dockerfile.
    """
    require_dockerfile(directory)
    from docker.utils.build import exclude_paths  # noqa: PLC0415 - the docker SDK takes 150 ms

    # One beside the Dockerfile comes first (docs.docker.com/build/concepts/context, "Filename and location").
    beside, usual = directory / "Dockerfile.dockerignore", directory / ".dockerignore"
    path = beside if beside.is_file() else usual
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    rules = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    names = exclude_paths(str(directory), rules, dockerfile="Dockerfile")
    own = list(ignore_rules(directory, {str(parent) for name in names for parent in PurePath(name).parents}))
    if own:
        names = exclude_paths(str(directory), [*rules, *own], dockerfile="Dockerfile")
    files = {}
    for name in sorted(names):
        path = directory / name
        if path.is_symlink():
            files[name] = b"link\0" + str(path.readlink()).encode()
        elif path.is_file():
            files[name] = f"{path.stat().st_mode & 0o777:o}\0".encode() + path.read_bytes()
    return TeamContext(files, "\n".join([*text.splitlines(), *own, ""]))


def base_images(context: Mapping[str, bytes], *, where: str) -> list[str]:
    """The images that the Dockerfile's FROM lines name, in their order; earlier stages are none.

    Raises InvalidInputError where there is no FROM, or one that names no image.
    """
    arguments: dict[str, str] = {}
    stages: set[str] = set()
    found: list[str] = []
    for line in context["Dockerfile"].partition(b"\0")[2].decode("utf-8", "replace").splitlines():
        if argument := _ARGUMENT.match(line):
            arguments[argument[1]] = argument[2].strip("\"'")
        elif stage := _FROM.match(line):
            name = re.sub(r"\$\{?(\w+)\}?", lambda match: arguments.get(match[1], match[0]), stage[1])
            if name not in stages and name != "scratch":
                if "$" not in stage[1]:  # with its arguments the engine alone knows it
                    require_reference(name, where=where)
                found.append(name)
            if stage[2]:
                stages.add(stage[2])
    if not found:
        raise InvalidInputError("the Dockerfile names no image", where=where, hint="Begin it with FROM lyftlearn:latest")
    return found
