"""What `init` writes for a directory, and what it says of it: a plan, of which nothing is written yet."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from lyftlearn_image import yamlfile
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.scaffold import workloads
from lyftlearn_image.scaffold.dockerfile import CODE, dockerfile, dockerignore, last_base
from lyftlearn_image.scaffold.names import image_of, name_of
from lyftlearn_image.scaffold.suite_text import SuiteCase, SuiteText
from lyftlearn_image.workload import Job, Workload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lyftlearn_image.platforms.kubernetes.importer.fields import Left
    from lyftlearn_image.scaffold.directory import Directory
    from lyftlearn_image.scaffold.workloads import Made

SUITE = "suite.yaml"
# In a printed command, in the place of what nobody knows here. It is a valid one: what is compiled is a whole request.
_ROLE = "arn:aws:iam::111122223333:role/YOUR-ROLE"
_PATH = re.compile(r"/[A-Za-z0-9._/@+-]+")


@dataclass(frozen=True)
class File:
    """A file, relative to the directory; `schema` is what it is an instance of, for editors."""

    name: str
    text: str
    schema: str | None = None


@dataclass(frozen=True)
class Plan:
    """What was found, the files to write, those that stay as they are, and what to know and to do next."""

    found: tuple[str, ...]
    files: tuple[File, ...]
    kept: tuple[str, ...]
    left: tuple[Left, ...]
    notes: tuple[str, ...]
    commands: tuple[str, ...]


def make_plan(found: Directory, *, base: str, script: str | None) -> Plan:
    """The plan. `base` is the LyftLearn image to stand on, `script` what was chosen to run.

    Raises InvalidInputError where several things could be run, and nobody has said which.
    """
    name, image = name_of(found.path), image_of(found.path)
    notes: list[str] = []
    made = _workloads(found, image, name, script, notes)
    named = list(zip(_file_names(found, made), made, strict=True))
    cases = [(file, one) for file, one in named if workloads.is_case(one.workload)]
    others = [(file, one) for file, one in named if not workloads.is_case(one.workload)]
    notes += [f"{file} is a {one.workload.kind} workload, which no suite runs" for file, one in others]
    notes += [
        f"{file} names the image {one.workload.image}: before it is submitted, push {image} and name that instead"
        for file, one in named
        if one.workload.image != image
    ]
    data = _data(found, [one for _, one in cases])
    source, programs = _code(found, made)
    notes += programs
    is_example = made[0].origin.startswith(f"{workloads.EXAMPLE}: an example")
    files = [File(workloads.EXAMPLE, workloads.EXAMPLE_TEXT)] if is_example else []
    requirements = _requirements(found, source)
    files += [
        File("Dockerfile", dockerfile(base, requirements=requirements, source=source, places=_places(found, made, source))),
        File(".dockerignore", dockerignore([SUITE, *(file for file, _ in named), *dict.fromkeys(data.values())])),
        *(File(file, one.text, "workload") for file, one in named),
    ]
    if cases:
        suite = SuiteText(name, image, ".", [SuiteCase(file, one.workload) for file, one in cases], data)
        files.append(File(SUITE, suite.text(f"lyftlearn-image parity run {_shown(found, SUITE)}"), "suite"))
    kept = tuple(file.name for file in files if os.path.lexists(found.path / file.name))
    notes += _about_kept(found, kept, base, [file for file, _ in cases])
    return Plan(
        found=_found(found, made),
        files=tuple(file for file in files if file.name not in kept),
        kept=kept,
        left=tuple(left for one in made for left in one.left),
        notes=tuple(notes),
        commands=tuple(_commands(found, base, cases, data)),
    )


def _workloads(found: Directory, image: str, name: str, script: str | None, notes: list[str]) -> list[Made]:
    made = [*workloads.from_manifests(found, image, script, notes), *workloads.from_launchers(found, image, notes)]
    if made:
        return made
    if not (found.scripts or found.packages or found.notebooks or script):
        return [workloads.from_nothing(image, name)]
    return [workloads.from_script(found, image, name, script)]


def _file_names(found: Directory, made: Sequence[Made]) -> Iterator[str]:
    """A file for each workload: one that holds a workload already is it, and no other file is in the way."""
    taken = {found.relative(manifest.path) for manifest in found.manifests} | {SUITE}
    for one in made:
        name = one.workload.name
        names = (f"{name}.yaml", f"{name}.workload.yaml", *(f"{name}-{number}.yaml" for number in range(2, 1000)))
        file = next(file for file in names if file not in taken and _is_free(found, file))
        taken.add(file)
        yield file


def _is_free(found: Directory, file: str) -> bool:
    path = found.path / file
    if not os.path.lexists(path):
        return True
    try:
        yamlfile.load(path, Workload)
    except InvalidInputError:
        return False
    return True


def _data(found: Directory, made: Sequence[Made]) -> dict[str, str]:
    """S3 URI → where a copy of it lies, or is to be put."""
    copies = {}
    for one in made:
        channels = one.workload.channels if isinstance(one.workload, Job) else {}
        for channel, source in channels.items():
            if source.startswith("s3://"):
                copies[source] = workloads.data_of(found, channel, len(channels))
    return copies


def _code(found: Directory, made: Sequence[Made]) -> tuple[str, list[str]]:
    """The directory that goes to /opt/ml/code, and what is to be known of programs that are not in it."""
    places = {one.source_dir or "." for one in made}
    source = PurePosixPath(places.pop()).as_posix() if len(places) == 1 else "."
    inside = (found.path / source).is_dir() and ".." not in PurePosixPath(source).parts
    notes = [] if inside else [f"{source}, an estimator's `source_dir`, is not in this directory"]
    source = source if inside else "."
    for one in made:
        program = getattr(one.workload, "program", None)
        if one.source_dir and PurePosixPath(one.source_dir).as_posix() != source:
            notes.append(f"{one.origin} has its code in {one.source_dir}; set its `program` to {one.source_dir}/{program}")
        elif program and program != workloads.EXAMPLE and not (found.path / source / program).exists():
            notes.append(f"{one.origin} runs {program}, which is not in {source}")
    return source, notes


def _requirements(found: Directory, source: str) -> str | None:
    """The requirements of the code: in its own directory, as the SDK takes them, or in this one."""
    if source != "." and (found.path / source / "requirements.txt").is_file():
        return f"{source}/requirements.txt"
    return "requirements.txt" if found.requirements else None


def _places(found: Directory, made: Sequence[Made], source: str) -> list[str]:
    """Other places than /opt/ml/code where commands expect files of the code: /app/ for /app/train.py."""
    places = []
    for one in made:
        for word in getattr(one.workload, "command", None) or ():
            for path in _PATH.findall(word):
                parts = PurePosixPath(path).parts[1:]
                begin = next((n for n in range(1, len(parts)) if (found.path / source).joinpath(*parts[n:]).is_file()), None)
                if begin is not None:
                    places.append(f"/{'/'.join(parts[:begin])}/")
    return [place for place in dict.fromkeys(places) if place != CODE]


def _about_kept(found: Directory, kept: Sequence[str], base: str, cases: Sequence[str]) -> Iterator[str]:
    if "Dockerfile" in kept:
        stands_on = last_base((found.path / "Dockerfile").read_text(encoding="utf-8", errors="replace"))
        if stands_on != base and "lyftlearn" not in stands_on:
            what = f"Dockerfile stands on {stands_on or 'no image'}: make it `FROM {base}`, with the code in {CODE}"
            yield f"{what}, or give the image that it builds the shim: lyftlearn-image adopt IMAGE"
    if SUITE in kept:
        yield f"{SUITE} is as it was; its `cases` may take: {', '.join(f'workload: {file}' for file in cases)}"


def _found(found: Directory, made: Sequence[Made]) -> tuple[str, ...]:
    lines = [one.origin for one in made]
    used = {str(getattr(one.workload, "program", "")) for one in made}
    lines += [f"{name}: a script" for one in found.scripts if (name := found.relative(one.path)) not in used]
    lines += [f"{found.relative(path)}: a notebook, which no job runs" for path in found.notebooks]
    lines += [f"{found.relative(path)}/: a package" for path in found.packages]
    return (*lines, *(["requirements.txt: packages"] if found.requirements else []))


def _commands(found: Directory, base: str, cases: Sequence[tuple[str, Made]], data: dict[str, str]) -> Iterator[str]:
    """What to run next, each as it is; data that is only in an account, and nowhere here, comes first."""
    for uri, place in data.items():
        if not (found.path / place).exists():
            yield f"aws s3 cp --recursive {uri} {_shown(found, place)}"
    if base == "lyftlearn:latest":
        yield "lyftlearn-image build lyftlearn"
    if cases:
        yield f"lyftlearn-image parity run {_shown(found, SUITE)}"
    for file, one in cases:
        prefix = "" if one.workload.output else f" --s3-prefix s3://{workloads.BUCKET}/{one.workload.name}"
        role = "" if one.workload.role_arn else f" --role-arn {_ROLE}"
        yield f"lyftlearn-image compile {_shown(found, file)} --target sagemaker{prefix}{role}"


def _shown(found: Directory, name: str) -> str:
    """A path as it is given on the command line, from where `init` was called."""
    path = (PurePosixPath(found.path.as_posix()) / name).as_posix()
    return shlex.quote(f"{path}/" if name.endswith("/") else path)
