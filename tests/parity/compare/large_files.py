"""Pairs of files of up to 10 MB that take a comparator long, or much memory: each differs in many places, or expands."""

from __future__ import annotations

import decimal
import io
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

if TYPE_CHECKING:
    from collections.abc import Iterator


CLOSE = {"arrays, ulps", "JSON, one float of all digits", "Parquet, numbers as the rule calls them"}


@dataclass(frozen=True)
class LargePair:
    """Two files and the rule by which they are compared."""

    name: str
    comparator: str
    suffix: str
    left: bytes
    right: bytes
    rule: dict[str, Any] = field(default_factory=dict)

    @property
    def is_close(self) -> bool:
        """Whether the rule makes the two the same."""
        return "within the tolerance" in self.name or self.name in CLOSE


def large_pairs(size: int) -> Iterator[LargePair]:
    """A pair of each kind, of at most `size` bytes a file."""
    yield from _json_pairs(size)
    yield from _csv_pairs(size)
    yield from _array_pairs(size)
    yield from _parquet_pairs(size)


def _json_pairs(size: int) -> Iterator[LargePair]:
    def pair(name: str, left: str, right: str, **rule: Any) -> LargePair:
        return LargePair(f"JSON, {name}", "json", ".json", left.encode(), right.encode(), rule)

    ones, twos = ("[" + ",".join(digit * (size // 2 - 1)) + "]" for digit in "12")
    yield pair("one list of other numbers", ones, twos)
    yield pair("one list of other numbers, each ignored", ones, twos, ignore=["/*/*", "/x/**"])
    yield pair("lists in any order", "[" + "[1,2]," * (size // 7) + "0]", "[" + "[2,3]," * (size // 7) + "0]", unordered=True)
    deep = size // 400
    yield pair("900 levels", *("[" * 900 + ",".join(digit * (size // 2 - 1000)) + "]" * 900 for digit in "12"), ignore=["/1*"])
    yield pair(
        "900 levels in any order",
        *("[" * 900 + ",".join(digit * (size // 2 - 1000)) + "]" * 900 for digit in "12"),
        unordered=True,
    )
    yield pair("deeper than can be read", "[" * deep + "]" * deep, "[" * deep + "1" + "]" * deep)
    yield pair("integers of 4,000 digits", *("[" + ",".join([digit * 4000] * (size // 4001)) + "]" for digit in "12"), rtol=0.1)
    yield pair("one integer of all digits", "1" * size, "1" * (size - 1) + "2", rtol=0.1)
    yield pair("one float of all digits", *("0." + "1" * (size - 3) + digit for digit in "12"), rtol=0.1)
    yield pair("a key again and again", *("{" + ",".join([f'"a":{digit}'] * (size // 6 - 1)) + "}" for digit in "12"))
    yield pair("an object within the other", *('{"a":' * 900 + digit + "}" * 900 for digit in "12"), ignore=["*[a/]*[a/]*1"])


def _csv_pairs(size: int) -> Iterator[LargePair]:
    def pair(name: str, left: str, right: str, **rule: Any) -> LargePair:
        return LargePair(f"CSV, {name}", "table", ".csv", left.encode(), right.encode(), rule)

    rows = size // 2 - 1
    yield pair("a cell a row", "a\n" + "1\n" * rows, "a\n" + "2\n" * rows, rtol=0.1)
    yield pair("a quoted cell a row", "a\n" + '"1"\n' * (size // 4 - 1), "a\n" + '"2"\n' * (size // 4 - 1))
    floats = [f"{number / 7:.12f}" for number in range(size // 30)]
    others = [f"{number / 7 + 1e-9:.12f}" for number in range(size // 30)]
    yield pair(
        "floats within the tolerance",
        *("a,b\n" + "".join(f"{each},{each}\n" for each in side) for side in (floats, others)),
        atol=1e-6,
    )
    width = min(100_000, size // 8)
    header = ",".join(f"c{number}" for number in range(width))
    yield pair(
        "100,000 columns", *(f"{header}\n" + (",".join([digit] * width) + "\n") * (size // width // 3) for digit in "12")
    )
    yield pair("in any order", "a\n" + "x\n" * (size // 4), "a\n" + "y\n" * (size // 4), unordered=True)
    yield pair(
        "sorted",
        *("a,b\n" + "".join(f"{number},{more}\n" for number in range(size // 12, 0, -1)) for more in "xy"),
        sort_by=["a"],
    )
    yield pair("a quotation that never ends", 'a\n"' + "x\n" * (size // 3), 'a\n"' + "y\n" * (size // 3))
    yield pair("one row", "x," * (size // 2), "y," * (size // 2))


def _array_pairs(size: int) -> Iterator[LargePair]:
    def pair(name: str, left: Any, right: Any, **rule: Any) -> LargePair:
        return LargePair(f"arrays, {name}", "array", ".npy", _npy(left), _npy(right), rule)

    values = np.random.default_rng(1).random(size // 8 - 20)
    yield pair("ulps", values, np.nextafter(values, 2), ulp=4)
    yield pair("halves", values.astype("f2").repeat(4), (values + 1).astype("f2").repeat(4), ulp=4, rtol=1e-9)
    yield pair("complex", values[::2] + 1j, values[::2] + 2j, atol=0.1)
    yield pair("texts", np.full(size // 40, "x" * 8), np.full(size // 40, "y" * 8))
    record = np.dtype([(f"f{number}", "i1") for number in range(100)])
    yield pair("records of 100 fields", np.zeros(size // 110, record), np.ones(size // 110, record), atol=0.5)
    bombs = []
    for last in (0, 1):
        zeros = np.zeros(size * 100, "u1")
        zeros[-1] = last
        file = io.BytesIO()
        np.savez_compressed(file, a=zeros)
        bombs.append(file.getvalue())
    yield LargePair("arrays, a hundred times their size", "array", ".npz", *bombs)
    members = []
    for last in (0, 1):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for number in range(size // 400):
                archive.writestr(f"{number}.npy", _npy(np.array([last, number])))
        members.append(file.getvalue())
    yield LargePair("arrays, many of them", "array", ".npz", *members)


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _parquet_pairs(size: int) -> Iterator[LargePair]:
    def pair(name: str, left: Any, right: Any, **rule: Any) -> LargePair:
        return LargePair(f"Parquet, {name}", "table", ".parquet", _parquet(left), _parquet(right), rule)

    values = np.random.default_rng(1).random(size // 9)
    lists, others = (
        pa.FixedSizeListArray.from_arrays(pa.array(each), 1).cast(pa.list_(pa.float64())) for each in (values, values + 1e-9)
    )
    yield pair("lists within the tolerance", lists, others, atol=1e-6)
    cents = [decimal.Decimal(number).scaleb(-2) for number in range(size // 20)]
    yield pair(
        "decimals within the tolerance",
        *(pa.array(each, pa.decimal128(12, 2)) for each in (cents, [c + 1 for c in cents])),
        atol=2,
    )
    yield pair("other texts", *(pa.array([f"{digit}{number}" for number in range(size // 12)]) for digit in "xy"))
    yield pair("one value a hundred times its size", *(pa.array(np.full(size * 12, each)) for each in (1.0, 2.0)))
    yield pair("a long text again and again", *(pa.array([each * 60_000] * (size // 600)) for each in "xy"))
    columns = min(10_000, size // 1000)
    tables = [pa.table({f"c{number}": [each] for number in range(columns)}) for each in (1, 2)]
    yield LargePair("Parquet, many columns", "table", ".parquet", *map(_write, tables))
    numbers = [pa.array([each] * (size // 10)) for each in (1, 2)]
    yield pair("numbers as the rule calls them", *numbers, types={"c": "number"}, atol=2)
    nested = [pa.array([[[each]]] * (size // 40)) for each in (1.0, 2.0)]
    yield pair("in any order", *nested, unordered=True)


def _parquet(column: Any) -> bytes:
    return _write(pa.table({"c": column}))


def _write(table: Any) -> bytes:
    file = io.BytesIO()
    parquet.write_table(table, file)
    return file.getvalue()
