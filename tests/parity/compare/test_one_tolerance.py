"""A tolerance means the same wherever a number stands."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, strategies as st
from pyarrow import parquet

from tests.parity.compare.pairs import compare_written

if TYPE_CHECKING:
    from collections.abc import Callable


def _write_parquet(path: Path, column: Any) -> None:
    parquet.write_table(pa.table({"c": column, "same": [1]}), path)


def _in_json(value: Any) -> Any:
    return [{"a": [value, 1]}]


# Where a number may stand: the file's name, the rule, and what writes the number there.
PLACES: dict[str, tuple[str, dict[str, Any], Callable[[Path, Any], object]]] = {
    "json": ("a.json", {"compare": "json"}, lambda path, value: path.write_text(json.dumps(_in_json(value)))),
    "json in any order": (
        "a.json",
        {"compare": "json", "unordered": True},
        lambda path, value: path.write_text(json.dumps(_in_json(value))),
    ),
    "json lines": ("a.jsonl", {"compare": "json"}, lambda path, value: path.write_text(f"0\n{json.dumps(value)}\n")),
    "array": ("a.npy", {"compare": "array"}, lambda path, value: np.save(path, np.array([1.0, value]))),
    "member": ("a.npz", {"compare": "array"}, lambda path, value: np.savez_compressed(path, m=np.array([[value]]))),
    "big-endian": ("a.npy", {"compare": "array"}, lambda path, value: np.save(path, np.array([value], ">f8"))),
    "record": (
        "a.npy",
        {"compare": "array"},
        lambda path, value: np.save(path, np.array([(1, (0.0, value))], [("id", "i4"), ("v", "f8", (2,))])),
    ),
    "complex": ("a.npy", {"compare": "array"}, lambda path, value: np.save(path, np.array([complex(value, 0)]))),
    "parquet": ("a.parquet", {"compare": "table"}, lambda path, value: _write_parquet(path, [value])),
    "list": ("a.parquet", {"compare": "table"}, lambda path, value: _write_parquet(path, [[0.5, None, value]])),
    "struct": ("a.parquet", {"compare": "table"}, lambda path, value: _write_parquet(path, [{"x": {"y": value}, "z": None}])),
    "map": (
        "a.parquet",
        {"compare": "table"},
        lambda path, value: _write_parquet(path, pa.array([[("k", value)]], pa.map_(pa.string(), pa.float64()))),
    ),
    "dictionary": (
        "a.parquet",
        {"compare": "table"},
        lambda path, value: _write_parquet(path, pa.array([value]).dictionary_encode()),
    ),
    "sorted": ("a.parquet", {"compare": "table", "sort_by": ["same"]}, lambda path, value: _write_parquet(path, [value])),
    "csv": (
        "a.csv",
        {"compare": "table", "types": {"c": "number"}},
        lambda path, value: path.write_text(f"c,same\n{value!r},1\n"),
    ),
}
FLOATS = st.floats() | st.sampled_from([0.0, -0.0, 5e-324, 2.0**-1022, 1.0, 2.0**53, 1.7e308, math.inf, -math.inf, math.nan])
TOLERANCES = st.fixed_dictionaries(
    {},
    optional={
        "atol": st.sampled_from([0.0, 5e-324, 1e-12, 0.5, 1e300]),
        "rtol": st.sampled_from([0.0, 1e-15, 1e-9, 0.5, 2.0]),
        "ulp": st.sampled_from([0, 1, 4, 2**20]),
    },
)


def is_same(place: str, left: Any, right: Any, tolerance: dict[str, Any]) -> bool:
    """Whether two numbers are the same that stand there."""
    name, rule, write = PLACES[place]
    return not compare_written(name, write, (left, right), {**rule, **tolerance})


@st.composite
def pairs(draw: st.DrawFn) -> tuple[float, float]:
    """Two floats, some of them close to each other."""
    left = draw(FLOATS)
    if draw(st.booleans()):
        return left, draw(FLOATS)
    right = left
    for _ in range(draw(st.integers(0, 6))):
        right = math.nextafter(right, math.inf)
    return (left, right) if draw(st.booleans()) else (left, left * (1 + draw(st.sampled_from([1e-16, 1e-10, 1e-3]))))


@given(pairs(), TOLERANCES)
def test_two_numbers_are_the_same_everywhere_or_nowhere(pair: tuple[float, float], tolerance: dict[str, Any]) -> None:
    """In JSON, in arrays of each form, in columns however nested, and in texts that are numbers."""
    verdicts = {
        place: is_same(place, *pair, tolerance) for place in PLACES if not (place == "complex" and tolerance.get("ulp"))
    }
    assert len(set(verdicts.values())) == 1, verdicts


@pytest.mark.parametrize("place", sorted(PLACES))
@pytest.mark.parametrize(
    ("left", "right", "tolerance", "expected"),
    [
        (0.0, -0.0, {}, True),
        (math.nan, math.nan, {}, True),
        (math.nan, 1.0, {"atol": 1e300, "ulp": 2**62}, False),
        (math.inf, 1.7976931348623157e308, {"ulp": 2**62, "rtol": 1}, False),
        (1.0, math.nextafter(1, 2), {}, False),
        (1.0, math.nextafter(1, 2), {"ulp": 1}, True),
        (1.0, 1 + 5 * 2**-52, {"ulp": 4}, False),
        (5e-324, -5e-324, {"ulp": 2}, True),
        (5e-324, -5e-324, {"ulp": 1}, False),
        (5e-324, 0.0, {"atol": 5e-324}, True),
        (1e-310, 2e-310, {"rtol": 0.1}, False),
    ],
)
def test_numbers_at_the_edge(place: str, left: float, right: float, tolerance: dict[str, Any], *, expected: bool) -> None:
    """Zeros of both signs, subnormals, what is next to infinity, and neighbours."""
    assert is_same(place, left, right, tolerance) is expected


@given(
    st.integers(-(2**63), 2**63 - 1), st.integers(0, 100), st.sampled_from([{}, {"atol": 10}, {"rtol": 1e-18}, {"ulp": 200}])
)
def test_integers_are_taken_exactly(left: int, apart: int, tolerance: dict[str, Any]) -> None:
    """Of any size: none is made a float, which would be another number. They have no ulps."""
    right = left + apart
    assume(right < 2**63)
    expected = apart <= tolerance.get("atol", 0) + tolerance.get("rtol", 0) * abs(right)
    array = ("a.npy", np.save, (np.array([left]), np.array([right])), {"compare": "array"})
    table = ("a.parquet", _write_parquet, ([left], [right]), {"compare": "table"})
    nested = ("a.parquet", _write_parquet, ([[[left]]], [[[right]]]), {"compare": "table"})
    text = ("a.json", Path.write_text, (str(left), str(right)), {"compare": "json"})
    for name, write, values, rule in (array, table, nested, text):
        found = compare_written(name, write, values, {**rule, **tolerance})  # type: ignore[arg-type]
        assert (found == ()) is expected


@given(st.decimals(-1000, 1000, places=2), st.decimals(0, 1, places=2), st.sampled_from([0.0, 0.25, 0.5]))
def test_decimals_have_the_tolerance(left: decimal.Decimal, apart: decimal.Decimal, atol: float) -> None:
    """In a column and within a list."""
    kind = pa.decimal128(38, 2)
    for column in (kind, pa.list_(kind)):
        sides = [pa.array([[value] if column != kind else value], column) for value in (left, left + apart)]
        found = compare_written("a.parquet", _write_parquet, (sides[0], sides[1]), {"compare": "table", "atol": atol})
        assert (found == ()) is (apart <= decimal.Decimal(atol))


MOMENTS = [dt.datetime(2026, 1, 1, 12, 0, 0, microsecond) for microsecond in (0, 5000)]  # noqa: DTZ001 - of no zone, as numpy's


@pytest.mark.parametrize(
    ("atol_time", "expected"), [(None, False), ("4999us", False), ("5ms", True), ("1 s", True), ("1d", True)]
)
def test_times_have_a_tolerance_of_their_own(atol_time: str | None, *, expected: bool) -> None:
    """In any unit, whatever unit they are stored in; that of numbers is none for them."""
    for options in ({}, {"atol": 1e9, "rtol": 1}):
        rule = {**options, **({"atol_time": atol_time} if atol_time else {})}
        for unit in ("ms", "us", "ns"):
            array = tuple(np.array([moment, "NaT"], f"M8[{unit}]") for moment in MOMENTS)
            assert (compare_written("a.npy", np.save, array, {"compare": "array", **rule}) == ()) is expected  # type: ignore[arg-type]
            for kind in (pa.timestamp(unit), pa.timestamp(unit, "UTC"), pa.list_(pa.timestamp(unit))):
                values = [pa.array([[each] if pa.types.is_list(kind) else each], kind) for each in MOMENTS]
                found = compare_written("a.parquet", _write_parquet, (values[0], values[1]), {"compare": "table", **rule})
                assert (found == ()) is expected
        apart = tuple(np.array([each], "m8[us]") for each in (7000, 12000))
        assert (compare_written("a.npy", np.save, apart, {"compare": "array", **rule}) == ()) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [(complex(math.nan, 1), complex(math.nan, 1), True), (complex(math.nan, 1), complex(math.nan, 2), False),
     (complex(math.nan, 1), complex(math.nan, 1 + 1e-12), True), (complex(math.inf, 1), complex(math.inf, 1 + 1e-12), True),
     (complex(math.inf, 1), complex(-math.inf, 1), False), (complex(math.nan, 1), complex(1, math.nan), False),
     (complex(3, 4), complex(3, 4 + 1e-12), True)],
)  # fmt: skip
def test_both_parts_of_a_complex_number_count(left: complex, right: complex, *, expected: bool) -> None:
    """Also where the other one is NaN or infinite."""
    for dtype in ("c16", ">c16"):
        sides = np.array([1j, left], dtype), np.array([1j, right], dtype)
        assert (compare_written("a.npy", np.save, sides, {"compare": "array", "rtol": 1e-9}) == ()) is expected
