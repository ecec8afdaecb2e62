"""What two runs saw and left, place by place, held against the table of known differences."""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.evidence.local_mode import LOCAL_MODE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# Of the machine, the moment or the run, and of neither side: what no two runs share, and what follows the number of CPUs.
UNCOMPARED = (
    "environment.HOSTNAME",
    "environment.SM_NUM_CPUS",
    "environment.*_NUM_THREADS",
    "environment.*_MAX_THREADS",
    "hostname",
    "files./opt/ml/input/sm_training.env.*",  # v3's driver writes the variables there, and they are compared
)
ABSENT = "(absent)"


@dataclass(frozen=True)
class Outcome:
    """A run: whether it `succeeded`, what its script saw (None for a script that was never started), what it left.

    `said` is all that was printed and told of its end; `names` are what only this run is called.
    """

    succeeded: bool
    seen: Mapping[str, Any] | None
    left: Mapping[str, Any]
    said: str = ""
    names: tuple[str, ...] = ()


def flat(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf with its place; an empty object or list is a leaf. Text that is JSON is looked into."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list) and value and place != "argv":
        for position, inner in enumerate(value):
            yield from flat(inner, f"{place}[{position}]")
    else:
        yield place, value


def differences(here: Outcome, there: Outcome) -> dict[str, tuple[Any, Any]]:
    """Place → what is there in our emulator, and in the other run."""
    sides = [dict(flat(_places(one))) for one in (here, there)]
    found = {}
    for place in sorted({*sides[0], *sides[1]}):
        values = sides[0].get(place, ABSENT), sides[1].get(place, ABSENT)
        if values[0] != values[1] and not any(fnmatch.fnmatchcase(place, one) for one in UNCOMPARED):
            found[place] = values
    return found


def _places(outcome: Outcome) -> Any:
    """All that is compared of a run, in which its own names have a common one."""
    text = json.dumps({"succeeded": outcome.succeeded, **(outcome.seen or {}), "left": outcome.left})
    for name in outcome.names:
        text = text.replace(name, "<own>")
    return json.loads(text)


def check(case: str, found: Mapping[str, tuple[Any, Any]]) -> None:
    """Every difference stands in the table with its reason, and every entry of the table is still a difference."""
    table = {pattern: one.what for one in LOCAL_MODE if case in one.cases for pattern in one.places}
    unknown = {place: values for place, values in found.items() if not any(_matches(place, one) for one in table)}
    vanished = {pattern: what for pattern, what in table.items() if not any(_matches(place, pattern) for place in found)}
    assert not unknown, f"{case}: differences that nobody explained (here, there):\n{json.dumps(unknown, indent=1)}"
    assert not vanished, f"{case}: these differences are gone; take them out of the table:\n{json.dumps(vanished, indent=1)}"


def _matches(place: str, pattern: str) -> bool:
    """`*` is any text; a bracket is itself."""
    return fnmatch.fnmatchcase(place, pattern.replace("[", "[[]"))


def unpacked(directory: Path, into: Path) -> dict[str, Path]:
    """The archives of a training job in a directory, unpacked: `model` and `output`."""
    found = {}
    for name in ("model", "output"):
        with tarfile.open(directory / f"{name}.tar.gz") as opened:
            opened.extractall(into / name, filter="data")
        found[name] = into / name
    return found


def listed(directory: Path) -> dict[str, str]:
    """The files below a directory with a digest of each; what the witness wrote is compared place by place instead."""
    return {
        path.relative_to(directory).as_posix(): "witness"
        if path.name == "witness.json"
        else hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
