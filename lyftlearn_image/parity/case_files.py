"""Cases whose workload stands in a file of its own: `workload: churn.yaml`, or a list of such files, a case for each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image import yaml_loader, yamlfile
from lyftlearn_image.services.staging import local_path
from lyftlearn_image.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_LONGEST_NAME = 40
# How much of a file's path tells it from another: nothing, its own name, its directory too, all of it.
_LEVELS = 4


@dataclass(frozen=True)
class WorkloadFile:
    """A file that was read: the name of its workload, and its fields as they stand in it."""

    path: Path
    name: str
    fields: Mapping[str, Any]


def is_files(workload: Any) -> bool:
    """Whether a case names a file, or a list of them, in the place of a workload."""
    return isinstance(workload, str) or (isinstance(workload, list) and all(isinstance(one, str) for one in workload))


def read(files: str | Sequence[str], directory: Path) -> tuple[WorkloadFile, ...]:
    """The workloads of one file or of several, by paths relative to `directory`.

    Raises ValueError for a path where no file is and for an empty list, InvalidInputError with its own place for a mistake
    in a file.
    """
    if not files:
        raise ValueError("expected a workload, a file with one, or a list of such files")
    return tuple(_read(name, directory / name) for name in ([files] if isinstance(files, str) else files))


def _read(name: str, path: Path) -> WorkloadFile:
    if not path.exists():
        raise ValueError(f"there is no file {name} with a workload; expected a path relative to this file")
    document = yamlfile.examine(yaml_loader.read_text(path), Workload, name=str(path))
    if document.model is None:
        raise yamlfile.invalid(document)
    fields = dict(document.data)
    if isinstance(channels := fields.get("channels"), dict):
        fields["channels"] = {key: _absolute(source, path.parent) for key, source in channels.items()}
    return WorkloadFile(path, document.model.name, fields)


def _absolute(source: str, directory: Path) -> str:
    """A channel's source: a path is relative to the file that it stands in."""
    if "://" in source or source.startswith("package:"):
        return source
    return str(local_path(source, relative_to=directory))


def name_cases(cases: Sequence[Any], files: Sequence[WorkloadFile | None]) -> list[Any]:
    """The cases, each with a name of its own: the case's, that of its workload, and of its file where two are the same.

    `files` has the file of each case, None for one whose workload stands in the suite.
    """
    names = [_names(case, file) for case, file in zip(cases, files, strict=True)]
    level = [0] * len(cases)
    for _ in range(1, _LEVELS):
        chosen = [each[at] for each, at in zip(names, level, strict=True)]
        longer = [file is not None and chosen.count(name) > 1 for file, name in zip(files, chosen, strict=True)]
        level = [at + is_longer for at, is_longer in zip(level, longer, strict=True)]
    return [
        {**case, "name": each[at]} if file else case for case, file, each, at in zip(cases, files, names, level, strict=True)
    ]


def _names(case: Any, file: WorkloadFile | None) -> tuple[Any, ...]:
    """Names for a case, each longer than the one before."""
    if file is None:
        return ((case.get("name") if isinstance(case, dict) else None),) * _LEVELS
    first = case["name"] if isinstance(case.get("name"), str) else file.name
    parts = file.path.with_suffix("").parts
    return (first, *(_fit(f"{first}-{'-'.join(parts[-depth:])}") for depth in (1, 2, len(parts))))


def _fit(text: str) -> str:
    """A text as the name of a case."""
    return re.sub(r"-+", "-", re.sub(r"[^a-z0-9]", "-", text.lower()))[:_LONGEST_NAME].strip("-")


def for_each_file(case: Mapping[str, Any], files: Sequence[WorkloadFile]) -> list[dict[str, Any]]:
    """A case for each file. A name of their own stands before that of each workload, where there are several."""
    own = case.get("name")
    if len(files) == 1 or not isinstance(own, str):
        return [dict(case)] * len(files)
    return [{**case, "name": _fit(f"{own}-{file.name}")} for file in files]
