"""Everything of a workload file that a platform would refuse, at the place where somebody wrote it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from lyftlearn_image import clear_secrets, yamlfile
from lyftlearn_image.errors import LyftlearnError
from lyftlearn_image.platforms.compile import compile_for, launch_for, lint_compiled
from lyftlearn_image.platforms.findings import Finding
from lyftlearn_image.platforms.launch import TARGETS
from lyftlearn_image.platforms.sagemaker.image_source import lint_image
from lyftlearn_image.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lyftlearn_image.platforms.launch import TargetName


@dataclass(frozen=True)
class FileFinding:
    """A finding with its place in a file. `target` is `file` for what is wrong on both platforms."""

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


def lint(text: str, name: str, targets: Sequence[TargetName] = TARGETS) -> tuple[FileFinding, ...]:
    """Every finding of the file, in the order of its lines. Raises InvalidInputError for what is no mapping of YAML."""
    document = yamlfile.examine(text, Workload, name=name)
    findings = [
        FileFinding("file", "error", name, one.line, one.key, one.what.removeprefix(f"`{one.key}`: "), one.hint)
        for one in document.problems
    ]
    if document.omitted:
        findings.append(FileFinding("file", "error", name, 1, "(top level)", f"{document.omitted:,} more errors", ""))
    by_target: list[tuple[str, Finding]] = [("file", finding) for finding in _clear_secrets(document.data)]
    workload = document.model or _without_mistakes(document)
    if workload is not None:
        by_target += [(target, finding) for target in targets for finding in _lint_target(target, workload)]
    for target, finding in by_target:
        field = ".".join(map(str, finding.field)) or "(top level)"
        line = document.line(finding.field)
        findings.append(FileFinding(target, finding.level, name, line, field, finding.what, finding.hint))
    return tuple(sorted(set(findings), key=lambda finding: (finding.line, finding.target, finding.field, finding.what)))


def _without_mistakes(document: yamlfile.Document[Workload]) -> Workload | None:
    """The workload without its wrong fields, so that a mistake in one does not hide what is refused of the others."""
    data = copy.deepcopy(dict(document.data))
    for problem in document.problems:
        _remove(data, problem.path)
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


def _clear_secrets(data: Any) -> Iterator[Finding]:
    for path, what in clear_secrets.find_secrets(data):
        hint = "Put it into a secret store, and its reference under `secrets`: aws-sm://name#key."
        yield Finding(path, f"looks like {what}, in the clear", hint)


def _lint_target(target: TargetName, workload: Workload) -> Iterator[Finding]:
    """What the target's own rules say, or the one reason why the workload does not compile for it."""
    try:
        compiled = compile_for(target, workload, launch_for(workload))
    except LyftlearnError as error:
        yield Finding((), error.what, error.hint)
        return
    yield from lint_compiled(target, workload, compiled)
    if target == "sagemaker":
        yield from lint_image(workload)
