"""Measures comparing two logs of 552 MB, of which one line in a thousand or every line differs, and texts hard to align.

The other side is a loop over the lines of both logs that counts those that differ. CPU seconds; memory is the process's
largest, less what it had before.
"""

from __future__ import annotations

import random
import resource
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import Measurement, show
from lyftlearn_image.parity.compare.comparator import ComparatorContext
from lyftlearn_image.parity.compare.registry import compare_pair
from lyftlearn_image.parity.compare.rule import Rule
from lyftlearn_image.parity.compare.text import MAX_ALIGNED_LINES

if TYPE_CHECKING:
    from collections.abc import Callable

    from lyftlearn_image.parity.differences import Difference

LINES = 6_500_000
DIFFERS_EACH = 1000
SLOWEST_PAIR_S = 10.0
MEMORY_MIB = 64.0
CONTEXT = ComparatorContext(None, {}, {})  # type: ignore[arg-type]
RULE = {"compare": "text", "normalise": ["timestamps", "durations"]}


def main() -> None:
    """Writes the texts, compares them, and prints both sides."""
    with tempfile.TemporaryDirectory() as directory:
        logs = Path(directory, "left.log"), Path(directory, "right.log")
        for seed, path in enumerate(logs):
            _write_log(path, seed)
        before = _largest_mib()
        loop = _cpu_seconds(lambda: _count_differing(*logs))
        exact, normalised = (_cpu_seconds(lambda rule=rule: _compare(logs, rule)) for rule in ({"compare": "text"}, RULE))
        for seed, path in enumerate(logs):
            _write_log(path, seed, differs_each=1)
        all_normalised = _cpu_seconds(lambda: _compare(logs, RULE))
        memory = _largest_mib() - before
        letters = Path(directory, "left.txt"), Path(directory, "right.txt")
        for seed, path in enumerate(letters):
            path.write_text("".join(f"{letter}\n" for letter in _random(seed).choices("ab", k=MAX_ALIGNED_LINES)))
        aligned = _cpu_seconds(lambda: _compare(letters, {"compare": "text"}))
    show(
        Measurement("logs of 552 MB, exact", exact, loop, "CPU s", 2, "a loop over their lines"),
        Measurement("logs of 552 MB, normalised", normalised, loop, "CPU s", 2, "a loop over their lines"),
        Measurement("logs of 552 MB, every line normalised", all_normalised, loop, "CPU s", 4, "a loop over their lines"),
        Measurement("memory for them", max(memory, 0.1), MEMORY_MIB, "MiB", 1, "allowed"),
        Measurement(f"{MAX_ALIGNED_LINES:,} lines over two letters", aligned, SLOWEST_PAIR_S, "CPU s", 1, "allowed"),
    )


def _write_log(path: Path, seed: int, differs_each: int = DIFFERS_EACH) -> None:
    jitter = _random(seed)
    with path.open("w", encoding="utf-8") as file:
        for number in range(LINES):
            milliseconds = jitter.randrange(10, 99) if number % differs_each == 0 else 50
            file.write(
                f"2026-11-28 23:12:18,123 INFO step {number} loss {1 / (number + 1):.9f} took {milliseconds} ms on all\n"
            )


def _random(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - the same texts each time


def _compare(files: tuple[Path, Path], rule: dict[str, object]) -> tuple[Difference, ...]:
    return compare_pair("text", files, Rule.model_validate(rule), CONTEXT)


def _count_differing(left: Path, right: Path) -> int:
    with left.open("rb") as left_file, right.open("rb") as right_file:
        return sum(one != other for one, other in zip(left_file, right_file, strict=True))


def _cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _largest_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
