"""What a case's runs left below a report's directory, found again after the suite has ended."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from lyftlearn_image.errors import RunError
from lyftlearn_image.nearest import did_you_mean

# pydantic reads the annotations when the class is made.
from lyftlearn_image.parity.compare.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lyftlearn_image.parity.suite import Case
    from lyftlearn_image.run import Run

_FILE = "comparison.json"
_NAME = re.compile(r"[a-z0-9-]{1,40}")
_MAX_BYTES = 1 << 24


class _Side(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    stdout: str
    stderr: str
    artifacts: dict[str, str]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    streams: dict[str, Rule]
    outputs: dict[str, Rule]
    sides: tuple[_Side, _Side]


@dataclass(frozen=True)
class KeptSide:
    """What one target's run left: its streams by name, and its artifacts' directories by name."""

    streams: Mapping[str, Path]
    artifacts: Mapping[str, Path]


@dataclass(frozen=True)
class KeptRuns:
    """Both runs of a case, and the rules by which they were compared."""

    streams: Mapping[str, Rule]
    outputs: Mapping[str, Rule]
    sides: tuple[KeptSide, KeptSide]


def keep(case: Case, runs: Sequence[Run], directory: Path) -> None:
    """Writes into the case's directory where its runs' files are, and by which rules they are compared."""
    sides = [
        {
            "stdout": _below(run.stdout, directory),
            "stderr": _below(run.stderr, directory),
            "artifacts": {name: _below(path, directory) for name, path in run.artifacts.items()},
        }
        for run in runs
    ]
    rules = {
        part: {name: rule.model_dump(mode="json", exclude_unset=True) for name, rule in given.items()}
        for part, given in (("streams", case.streams), ("outputs", case.outputs))
    }
    (directory / _FILE).write_text(json.dumps({**rules, "sides": sides}, indent=2), encoding="utf-8")


def _below(path: Path, directory: Path) -> str:
    return str(path.relative_to(directory) if path.is_relative_to(directory) else path)


def list_kept(report: Path) -> list[str]:
    """The cases whose runs are kept in this report directory."""
    return sorted(path.parent.name for path in (report / "runs").glob(f"*/{_FILE}"))


def find(case: str, report: Path) -> KeptRuns:
    """What is kept of a case's runs in this report directory. RunError where there is nothing, or nothing that can be read."""
    directory = report / "runs" / case
    path = directory / _FILE
    if not _NAME.fullmatch(case) or not path.is_file():
        raise RunError(
            f"no runs of a case {case} are kept",
            where=str(report),
            hint=f"{did_you_mean(case, list_kept(report))}`lyftlearn-image parity run SUITE --report DIRECTORY"
            " --keep-artifacts` keeps them; name it with --report.",
        )
    try:
        with path.open("rb") as file:
            document = _Document.model_validate_json(file.read(_MAX_BYTES))
    except ValidationError:
        raise RunError("what is kept of the case cannot be read", where=str(path), hint="Run the case again.") from None
    return KeptRuns(
        document.streams,
        document.outputs,
        (_side(document.sides[0], directory), _side(document.sides[1], directory)),
    )


def _side(side: _Side, directory: Path) -> KeptSide:
    return KeptSide(
        {"stdout": directory / side.stdout, "stderr": directory / side.stderr},
        {name: directory / path for name, path in side.artifacts.items()},
    )
