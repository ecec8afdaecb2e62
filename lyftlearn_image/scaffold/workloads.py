"""The workloads of a directory: one for each manifest and each estimator, or one for the script."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from lyftlearn_image import yaml_loader
from lyftlearn_image.emulation.sagemaker.instances import instance_size
from lyftlearn_image.errors import InvalidInputError, LyftlearnError, UnsupportedError
from lyftlearn_image.platforms.estimators import reader as estimators
from lyftlearn_image.platforms.kubernetes.importer import workload_file
from lyftlearn_image.scaffold.scripts import Script, read_script
from lyftlearn_image.workload import Job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.platforms.kubernetes.importer.fields import Left
    from lyftlearn_image.platforms.kubernetes.importer.workload_file import Imported
    from lyftlearn_image.scaffold.directory import Directory
    from lyftlearn_image.workload import Workload

_MIB = 1 << 20
# In the place of one that nobody knows here; the name is a valid one.
BUCKET = "your-bucket"
EXAMPLE = "train.py"
EXAMPLE_TEXT = '''\
"""A first script, to be replaced by yours. It knows nothing of SageMaker or Kubernetes."""

import argparse
import json
import os

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=10)
steps = parser.parse_args().steps

weight = 0.0
for _ in range(steps):
    weight += 0.5 * (3.0 - weight)

with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.json"), "w") as file:
    json.dump({"weight": weight}, file)
print(f"weight={weight}")
'''


@dataclass(frozen=True)
class Made:
    """A workload, its text, and where it comes from. `source_dir` is where an estimator has its code."""

    origin: str
    workload: Workload
    text: str
    left: tuple[Left, ...] = ()
    source_dir: str | None = None


def size_of(instance_type: str) -> tuple[float, int] | None:
    """CPUs and MiB of an instance type, None where nobody knows them here."""
    try:
        cpus, memory_bytes = instance_size(instance_type)
    except UnsupportedError:
        return None
    return cpus, memory_bytes // _MIB


def read_source(path: Path, *, image: str, name: str | None = None, kind: str = "training") -> tuple[Imported, str | None]:
    """The workload of a manifest or, of a Python file, of an estimator; and the directory of an estimator's code.

    `image` is what an estimator runs that names none of its own. Raises InvalidInputError for what is neither.
    """
    text = yaml_loader.read_text(path)
    if path.suffix == ".py":
        found = estimators.read(text, str(path), image=image, main_name=name, size_of=size_of)
        return found.imported, found.source_dir
    return workload_file.read(text, str(path), main_name=name, kind=kind), None


def from_manifests(found: Directory, image: str, script: str | None, problems: list[str]) -> Iterator[Made]:
    """One workload a manifest; what none can be made of is a problem, and the others are made."""
    for manifest in found.manifests:
        place = found.relative(manifest.path)
        try:
            imported, _ = read_source(manifest.path, image=image, name=manifest.name)
        except LyftlearnError as error:
            problems.append(f"{place}, {manifest.kind} {manifest.name}: {error.what}")
            continue
        text, workload = imported.text, imported.workload
        if getattr(workload, "command", None) == ("train",) and not getattr(workload, "program", None):
            # It starts the image's own program, whatever that was.
            program = script or _only_script(found)
            fields: dict[str, Any] = yaml.safe_load(text)
            del fields["command"]
            imported = workload_file.imported_workload({**fields, **program_fields(found, program)}, list(imported.left), place)
            text, workload = imported.text, imported.workload
        yield Made(f"{place}: {manifest.kind} {manifest.name}", workload, text, imported.left)


def from_launchers(found: Directory, image: str, problems: list[str]) -> Iterator[Made]:
    """One workload an estimator."""
    for launcher in found.launchers:
        place = found.relative(launcher.path)
        for name in dict.fromkeys(launcher.estimators):
            try:
                imported, source_dir = read_source(launcher.path, image=image, name=name or None)
            except LyftlearnError as error:
                problems.append(f"{place}: {error.what}")
                continue
            yield Made(f"{place}: estimator {name}".rstrip(), imported.workload, imported.text, imported.left, source_dir)


def from_script(found: Directory, image: str, name: str, script: str | None) -> Made:
    """The workload of the one script, or of that which was chosen; its channels are those that it reads."""
    chosen = script or _only_script(found)
    read = read_script(found.path / chosen) if chosen.endswith(".py") else None
    # Where a service will read them; the suite says where a copy lies.
    channels = {channel: f"s3://{BUCKET}/{name}/{channel}/" for channel in read.channels} if read else {}
    fields = {"name": name, "kind": "training", "image": image, **program_fields(found, chosen), "channels": channels}
    imported = workload_file.imported_workload({**fields, "cpus": 2, "memory_mib": 8192}, [], chosen)
    return Made(f"{chosen}: a script", imported.workload, imported.text)


def from_nothing(image: str, name: str) -> Made:
    """The workload of the example that is written where there is nothing to run."""
    fields = {"name": name, "kind": "training", "image": image, "program": EXAMPLE, "cpus": 2, "memory_mib": 8192}
    imported = workload_file.imported_workload(fields, [], EXAMPLE)
    return Made(f"{EXAMPLE}: an example", imported.workload, imported.text)


def program_fields(found: Directory, script: str) -> dict[str, Any]:
    """What runs a script below the directory, or a package with a `__main__.py`."""
    path = found.path / script
    if PurePosixPath(script).is_absolute() or ".." in PurePosixPath(script).parts or not path.exists():
        raise InvalidInputError(f"there is no script {script} in {found.path}", hint="Name a path relative to the directory.")
    if path.is_dir():
        if not (path / "__main__.py").is_file():
            raise InvalidInputError(f"the package {script} has no __main__.py to run", hint="Name a script in it.")
        return {"command": ["python", "-m", script.strip("/").replace("/", ".")]}
    if path.suffix == ".ipynb":
        raise InvalidInputError(
            f"{script} is a notebook, which no job runs",
            hint=f"Make a script of it first: jupyter nbconvert --to script {script}",
        )
    return {"program": script} if path.suffix in {".py", ".sh"} else {"command": [f"./{script}"]}


def data_of(found: Directory, channel: str, count: int) -> str:
    """Where a channel's data lies, or is to be put: a directory of its name, or `data`."""
    places = (channel, f"data/{channel}", *(("data",) if count == 1 else ()))
    return next((f"{place}/" for place in places if (found.path / place).is_dir()), f"data/{channel}/")


def _only_script(found: Directory) -> str:
    """The one script or package. Raises InvalidInputError with the choice where there are several, or none."""
    choice = [*map(_path_of, found.scripts), *found.packages]
    if len(choice) == 1:
        return found.relative(choice[0])
    names = [found.relative(path) for path in choice]
    if not names:
        names = [found.relative(path) for path in found.notebooks]
        what = f"has no script, but {', '.join(names)}, which no job runs" if names else "has no script"
        make = f"jupyter nbconvert --to script {names[0]}" if names else "Name one with --script."
        raise InvalidInputError(f"{found.path} {what}", hint=f"Make a script of it first: {make}" if names else make)
    raise InvalidInputError(
        f"{found.path} has several things to run: {', '.join(names)}",
        hint=f"Say which one: {shlex.join(['lyftlearn-image', 'init', str(found.path), '--script', names[0]])}",
    )


def _path_of(script: Script) -> Path:
    return script.path


def is_case(workload: Workload) -> bool:
    """Whether a suite runs such a workload."""
    return isinstance(workload, Job)
