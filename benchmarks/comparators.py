"""Measures the comparators: hostile files, the slowest pairs, single changes, and files of a gigabyte.

CPU seconds and peak memory are those of a process of its own for each comparison.
"""

from __future__ import annotations

import csv
import io
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from benchmarks.report import Measurement, show
from lyftlearn_image.parity.compare.artifacts import compare_files
from lyftlearn_image.parity.compare.rule import Rule
from tests.parity.compare.hostile_files import hostile_pair
from tests.parity.compare.large_files import LargePair, large_pairs

if TYPE_CHECKING:
    from collections.abc import Callable

HOSTILE_PAIRS = 10_000
CHANGED_PAIRS = 2_000
LARGE_BYTES = 10_000_000
SLOWEST_S = 10.0
GIB, MIB = 1 << 30, 1 << 20
PROGRAM = """
import json, sys, time
from pathlib import Path
import numpy
from lyftlearn_image.parity.compare.artifacts import compare_files
from lyftlearn_image.parity.compare.rule import Rule
rule = Rule.model_validate_json(sys.argv[1])
started = time.process_time()
found = compare_files("any", (Path(sys.argv[2]), Path(sys.argv[3])), rule, None).differences
seconds = time.process_time() - started
assert found
(peak,) = (int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([seconds, peak * 1024]))
"""
ALLCLOSE = """
import json, sys, time
import numpy
started = time.process_time()
numpy.allclose(numpy.load(sys.argv[2]), numpy.load(sys.argv[3]))
print(json.dumps([time.process_time() - started, 0]))
"""


def main() -> None:
    """Prints every figure beside its goal."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        _show_count(f"exceptions over {HOSTILE_PAIRS} hostile pairs", _uncaught(place), 0)
        _show_count(f"pairs that differ in one place and are not told so, of {CHANGED_PAIRS}", _missed(place), 0)
        slowest, seconds = _slowest(place)
        show(Measurement(f"the slowest pair of 10 MB ({slowest})", seconds, SLOWEST_S, "CPU s", 1, "allowed"))
        _show_arrays(place)
        _show_parquet(place)


def _show_count(what: str, found: int, goal: int) -> None:
    print(f"{what}: {found}\n  goal ≤ {goal}: {'reached' if found <= goal else 'NOT reached'}")


def _compare(place: Path, comparator: str, suffix: str, sides: tuple[bytes, bytes], rule: dict[str, Any]) -> int:
    files = place / f"left{suffix}", place / f"right{suffix}"
    for path, data in zip(files, sides, strict=True):
        path.write_bytes(data)
    return len(compare_files("any", files, Rule(compare=comparator, **rule), None).differences)  # type: ignore[arg-type]


def _uncaught(place: Path) -> int:
    count = 0
    for seed in range(HOSTILE_PAIRS):
        comparator, suffix, rule, left, right = hostile_pair(seed)
        try:
            _compare(place, comparator, suffix, (left, right), rule)
        except Exception as error:  # noqa: BLE001 - what is counted
            count += 1
            print(f"  {seed}: {type(error).__name__}: {error}")
    return count


def _missed(place: Path) -> int:
    changes: list[tuple[str, str, Callable[[random.Random], tuple[bytes, bytes]]]] = [
        ("json", ".json", _json_change), ("table", ".csv", _csv_change), ("table", ".parquet", _parquet_change),
        ("array", ".npy", _array_change), ("text", ".txt", _text_change),
    ]  # fmt: skip
    missed = 0
    for seed in range(CHANGED_PAIRS):
        comparator, suffix, change = changes[seed % len(changes)]
        missed += not _compare(place, comparator, suffix, change(random.Random(seed)), {})  # noqa: S311 - to be repeated
    return missed


def _json_change(chance: random.Random) -> tuple[bytes, bytes]:
    values: list[Any] = [{"id": number, "score": chance.random(), "tags": ["x"], "more": {"n": None}} for number in range(50)]
    left = json.dumps(values)
    row = chance.choice(values)
    row[chance.choice(sorted(row))] = chance.choice([chance.random(), "changed", [], {}, True])
    return left.encode(), json.dumps(values).encode()


def _csv_change(chance: random.Random) -> tuple[bytes, bytes]:
    rows: list[list[Any]] = [["id", "zip", "score"], *([number, f"0{number}", chance.random()] for number in range(50))]
    left = _csv(rows)
    row = chance.choice(rows[1:])
    column = chance.randrange(3)
    row[column] = chance.choice(["", "changed", "NULL", f"0{row[column]}", 10**20])
    return left, _csv(rows)


def _csv(rows: list[list[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _parquet_change(chance: random.Random) -> tuple[bytes, bytes]:
    columns: dict[str, list[Any]] = {
        "id": list(range(50)),
        "score": [chance.random() for _ in range(50)],
        "name": [f"n{number}" for number in range(50)],
        "emb": [[chance.random(), float("nan")] for _ in range(50)],
    }
    left = _parquet(pa.table(columns))
    name, row = chance.choice(sorted(columns)), chance.randrange(50)
    columns[name][row] = chance.choice([None, {"id": 99, "score": 2.0, "name": "changed", "emb": [0.5]}[name]])
    return left, _parquet(pa.table(columns))


def _parquet(table: Any) -> bytes:
    file = io.BytesIO()
    parquet.write_table(table, file, row_group_size=20)
    return file.getvalue()


def _array_change(chance: random.Random) -> tuple[bytes, bytes]:
    array = np.array([chance.random() for _ in range(60)]).reshape(3, 4, 5)
    changed = array.copy()
    index = tuple(chance.randrange(side) for side in array.shape)
    changed[index] = chance.choice([np.nan, np.inf, np.nextafter(array[index], 2), -array[index]])
    return _npy(array), _npy(changed)


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _text_change(chance: random.Random) -> tuple[bytes, bytes]:
    lines = [f"epoch {number} loss {chance.random()}" for number in range(50)]
    left = "\n".join(lines)
    lines[chance.randrange(50)] += chance.choice([" ", "!", "\r", "0"])
    return left.encode(), "\n".join(lines).encode()


def _slowest(place: Path) -> tuple[str, float]:
    two_letters = ("\n".join(random.Random(seed).choices("ab", k=5000)).encode() for seed in (1, 2))  # noqa: S311 - to be repeated
    slowest, longest = "", 0.0
    for pair in [LargePair("text, 5,000 lines of two letters", "text", ".txt", *two_letters), *large_pairs(LARGE_BYTES)]:
        started = time.process_time()
        _compare(place, pair.comparator, pair.suffix, (pair.left, pair.right), pair.rule)
        seconds = time.process_time() - started
        if seconds > longest:
            slowest, longest = pair.name, seconds
    return slowest, longest


def _measure(program: str, left: Path, right: Path, rule: dict[str, Any]) -> tuple[float, float]:
    """CPU seconds and peak memory in bytes; with the files in the page cache, as a run has just written them."""
    command = [sys.executable, "-c", program, json.dumps(rule), str(left), str(right)]
    runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(3)]
    seconds, memory = min(runs)
    return seconds, memory


def _show_arrays(place: Path) -> None:
    left, right = place / "left.npy", place / "right.npy"
    array = np.random.default_rng(1).random(GIB // 8)
    np.save(left, array)
    array[-5] += 1
    np.save(right, array)
    del array
    seconds, memory = _measure(PROGRAM, left, right, {"compare": "array", "rtol": 1e-5, "atol": 1e-8})
    instead, _ = _measure(ALLCLOSE, left, right, {})
    show(
        Measurement("two arrays of 1 GiB, one value differs", seconds, instead, "CPU s", 0.2, "numpy.load and allclose"),
        Measurement("peak memory of it", memory / MIB, 64, "MiB", 1, "allowed"),
    )
    for path in (left, right):
        path.unlink()


def _show_parquet(place: Path) -> None:
    left, right = place / "left.parquet", place / "right.parquet"
    for path, changed in ((left, "customer-1"), (right, "changed")):
        chance = np.random.default_rng(1)
        with parquet.ParquetWriter(path, _group(chance, "customer-1").schema, compression="none") as writer:
            for _ in range(16):
                writer.write_table(_group(chance, changed))
    seconds, memory = _measure(PROGRAM, left, right, {"compare": "table"})
    show(
        Measurement(
            f"peak memory over two Parquet files of {left.stat().st_size / GIB:.2f} GiB",
            memory / MIB,
            1024,
            "MiB",
            1,
            "allowed",
        )
    )
    print(f"  {seconds:.2f} CPU s")


def _group(chance: Any, name: str) -> Any:
    rows = 500_000
    columns: dict[str, Any] = {f"f{number}": chance.random(rows) for number in range(15)}
    names = pa.array(chance.integers(10**12, 10**13, rows)).cast(pa.string())
    return pa.table({**columns, "name": pa.concat_arrays([pa.array([name]), names[1:]])})


if __name__ == "__main__":
    main()
