"""What a directory with a Dockerfile of its own brings to a build: its files, and the images that it stands on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lyftlearn_image.build.reference import require_reference
from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ARGUMENT = re.compile(r"^\s*ARG\s+(\w+)=(\S+)", re.IGNORECASE)
_FROM = re.compile(r"^\s*FROM\s+(?:--platform=\S+\s+)?(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)


def read_context(directory: Path) -> dict[str, bytes]:
    """Path below the directory → content, with the mode before it; less what .dockerignore names, as Docker reads it.

    Raises InvalidInputError where there is no Dockerfile.
    """
    if not (directory / "Dockerfile").is_file():
        raise InvalidInputError(
            f"there is no Dockerfile in {directory}", hint="Two lines do: FROM lyftlearn:latest, COPY . /opt/ml/code/"
        )
    from docker.utils.build import exclude_paths  # noqa: PLC0415 - the docker SDK takes 150 ms

    ignore = directory / ".dockerignore"
    patterns = ignore.read_text(encoding="utf-8").splitlines() if ignore.is_file() else []
    rules = [line.strip() for line in patterns if line.strip() and not line.startswith("#")]
    files = {}
    for name in sorted(exclude_paths(str(directory), rules, dockerfile="Dockerfile")):
        path = directory / name
        if path.is_symlink():
            files[name] = b"link\0" + str(path.readlink()).encode()
        elif path.is_file():
            files[name] = f"{path.stat().st_mode & 0o777:o}\0".encode() + path.read_bytes()
    return files


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
