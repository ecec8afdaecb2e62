"""Everything of a workload file that a platform would refuse, at the place where somebody wrote it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from lyftlearn_image import clear_secrets, yamlfile
from lyftlearn_image.errors import LyftlearnError
from lyftlearn_image.platforms import compile as compiler
from lyftlearn_image.platforms.findings import Remark
from lyftlearn_image.platforms.launch import TARGETS
from lyftlearn_image.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lyftlearn_image.platforms.launch import TargetName


@dataclass(frozen=True)
class Finding:
    """A remark with its place. `target` is `file` for what is wrong on both platforms."""

    target: str
    level: str
    file: str
    line: int
    field: str
    what: str
    hint: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: {self.level} [{self.target}] {self.field}: {self.what}"
        return f"{place}\n    try: {self.hint}" if self.hint else place


def lint(text: str, name: str, targets: Sequence[TargetName] = TARGETS) -> tuple[Finding, ...]:
    """Every finding of the file, in the order of its lines. Raises InvalidInputError for what is no mapping of YAML."""
    document = yamlfile.examine(text, Workload, name=name)
    found = [
        Finding("file", "error", name, one.line, one.key, one.what.removeprefix(f"`{one.key}`: "), one.hint)
        for one in document.problems
    ]
    remarks: list[tuple[str, Remark]] = [("file", one) for one in _clear(document.data)]
    model = document.model or _without_mistakes(document)
    if model is not None:
        remarks += [(target, one) for target in targets for one in _of_target(target, model)]
    for target, one in remarks:
        field = ".".join(map(str, one.key)) or "(top level)"
        found.append(Finding(target, one.level, name, document.line(one.key), field, one.what, one.hint))
    return tuple(sorted(set(found), key=lambda one: (one.line, one.target, one.field, one.what)))


def _without_mistakes(document: yamlfile.Document[Workload]) -> Workload | None:
    """The workload without its wrong fields, so that a mistake in one does not hide what is refused of the others."""
    data = copy.deepcopy(dict(document.data))
    for one in document.problems:
        _remove(data, one.path)
    try:
        return Workload.model_validate({"name": "unnamed", "image": "unnamed", **data})
    except ValidationError:
        return None


def _remove(data: Any, path: Sequence[str | int]) -> None:
    """Takes out what stands at a path, or the nearest thing around it that stands there."""
    for end, part in enumerate(path):
        if not isinstance(data, dict) or part not in data:
            return
        if end == len(path) - 1 or not isinstance(data[part], dict) or path[end + 1] not in data[part]:
            del data[part]
            return
        data = data[part]


def _clear(data: Any) -> Iterator[Remark]:
    for path, what in clear_secrets.found_in(data):
        hint = "Put it into a secret store, and its reference under `secrets`: aws-sm://name#key."
        yield Remark(path, f"looks like {what}, in the clear", hint)


def _of_target(target: TargetName, workload: Workload) -> Iterator[Remark]:
    """What the target's own rules say, or the one reason why the workload does not compile for it."""
    launch = compiler.launch_of(workload)
    try:
        compiled = compiler.compile_for(target, workload, launch)
    except LyftlearnError as error:
        yield Remark(("kind",) if "kind:" in error.where else (), error.what, error.hint)
        return
    yield from compiler.remarks(target, workload, compiled)
