"""Compares two model files in a process of its own, whose memory and time are limited: a file may be made to use up both.

Nothing of a model runs in it. `compare_models` starts it; `python -m` this module is it.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from lyftlearn_image.parity.compare.model_files.differences import compare_graphs
from lyftlearn_image.parity.compare.model_files.graph import UnreadableModelError
from lyftlearn_image.parity.compare.model_files.reader import read_model
from lyftlearn_image.parity.compare.options import Options
from lyftlearn_image.parity.compare.tolerance import limit_differences
from lyftlearn_image.parity.differences import Difference

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_COMPARABLE = "not comparable"
_TIMEOUT_S = 300
# What it may allocate; the files are mapped, and do not count.
_MEMORY_BYTES = 2 << 30
# Graphs that differ everywhere are not followed to their ends.
_MAX_FOUND = 1000
_SHOWN_CHARACTERS = 200
_DIFFERENCES = TypeAdapter(tuple[Difference, ...])


def compare_models(left: Path, right: Path, options: Options) -> tuple[Difference, ...]:
    """The differences of two model files; one that says why, where they cannot be compared."""
    command = [
        sys.executable,
        "-I",
        "-m",
        __name__,
        str(left),
        str(right),
        options.model_dump_json(include=set(Options.model_fields)),
    ]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return (not_comparable(left, right, f"reading them takes longer than {_TIMEOUT_S} s"),)
    try:
        return _DIFFERENCES.validate_json(done.stdout)
    except ValidationError:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return (not_comparable(left, right, f"the reader ended with {done.returncode}: {last[:_SHOWN_CHARACTERS]}"),)


def not_comparable(left: Path, right: Path, why: str) -> Difference:
    """The difference that stands for a comparison that could not be made, which is never parity."""
    return Difference("", left.name, right.name, f"{NOT_COMPARABLE}: {why}")


def compare_here(left: Path, right: Path, options: Options) -> tuple[Difference, ...]:
    """As `compare_models`, in this process and without limits."""
    # What numpy or pickletools think of the file's form is nothing that anybody could act on.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            graphs = _read(left), _read(right)
            return limit_differences(_first(compare_graphs(*graphs, options)))
        except UnreadableModelError as error:
            return (not_comparable(left, right, str(error)),)


def _read(path: Path) -> Any:
    try:
        return read_model(path)
    # Whatever the libraries that read the formats raise of a damaged file is why it cannot be looked into.
    except Exception as error:  # noqa: BLE001
        kind = "" if isinstance(error, UnreadableModelError) else f"{type(error).__name__}: "
        raise UnreadableModelError(f"{path.name} cannot be looked into: {kind}{error}") from None


def _first(found: Iterator[Difference]) -> Iterator[Difference]:
    for count, difference in enumerate(found):
        if count == _MAX_FOUND:
            return
        yield difference


def main() -> None:
    """Writes the differences of the files of its arguments, as JSON."""
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    left, right, options = sys.argv[1:]
    found = compare_here(Path(left), Path(right), Options.model_validate_json(options))
    # A lone surrogate of a model's texts is no UTF-8.
    text = [
        {name: value and value.encode("utf-8", "backslashreplace").decode() for name, value in vars(each).items()}
        for each in found
    ]
    json.dump(text, sys.stdout)


if __name__ == "__main__":
    main()
