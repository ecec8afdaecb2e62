"""What comparing takes is bounded, whatever a script leaves: measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

# The harness itself takes some 150 MiB, and has 300.
GROWTH_MIB = 120
PROGRAM = """
import sys
from pathlib import Path
import pyarrow.parquet
from lyftlearn_image.parity.compare.artifacts import compare_files
from lyftlearn_image.parity.compare.rule import Rule

def largest_kib():
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))

before = largest_kib()
found = compare_files("any", (Path(sys.argv[2]), Path(sys.argv[3])), Rule.model_validate_json(sys.argv[1]), None).differences
assert found
print((largest_kib() - before) // 1024)
"""


def _many_objects(path: Path, last: str) -> None:
    path.write_text("[" + "{}," * 1_500_000 + f"{last}]")


def _many_keys(path: Path, last: str) -> None:
    path.write_text("{" + "".join(f'"{number}":[],' for number in range(300_000)) + f'"a":{last}}}')


def _short_rows(path: Path, last: str) -> None:
    path.write_text("a\n" + "".join(f"{number % 1000}\n" for number in range(1_000_000)) + last)


def _long_row(path: Path, last: str) -> None:
    parquet.write_table(pa.table({"c": pa.array([[float(last)] * 2_000_000])}), path)


def _long_text(path: Path, last: str) -> None:
    parquet.write_table(pa.table({"c": pa.array([last * 20_000_000])}), path)


@pytest.mark.parametrize(
    ("name", "rule", "write"),
    [
        ("objects.json", {"compare": "json"}, _many_objects),
        ("keys.json", {"compare": "json"}, _many_keys),
        ("any_order.json", {"compare": "json", "unordered": True}, _many_objects),
        ("rows.csv", {"compare": "table", "unordered": True}, _short_rows),
        ("row.parquet", {"compare": "table"}, _long_row),
        ("text.parquet", {"compare": "table"}, _long_text),
    ],
)
def test_a_file_of_megabytes_takes_a_bounded_memory(
    name: str, rule: dict[str, object], write: Callable[[Path, str], None], tmp_path: Path
) -> None:
    """And its difference is told; or that it cannot be compared, which is one too."""
    files = tmp_path / f"left-{name}", tmp_path / f"right-{name}"
    for path, last in zip(files, "12", strict=True):
        write(path, last)
    command = [sys.executable, "-c", PROGRAM, json.dumps(rule), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= GROWTH_MIB
