"""Tables: what is the same is the same, and a change is found in its column and row."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings, strategies as st
from pyarrow import csv, parquet

from lyftlearn_image.parity.compare.tolerance import is_same
from lyftlearn_image.parity.differences import Difference
from tests.parity.compare.pairs import EXACT, compare_written

WORDS = st.text("abcxyz", min_size=1, max_size=5)
DOUBLES = st.floats()
FLOATS = st.floats(width=32)
# Arrow's timestamps of microseconds hold them all.
MOMENTS = dt.datetime(1970, 1, 2), dt.datetime(2100, 1, 1)  # noqa: DTZ001 - of no zone, as the column
# Column type → its values.
TYPES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.int8(): st.integers(-128, 127),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float32(): FLOATS,
    pa.float64(): DOUBLES,
    pa.bool_(): st.booleans(),
    pa.string(): st.text(max_size=4),
    pa.binary(): st.binary(max_size=4),
    pa.date32(): st.dates(),
    pa.timestamp("us"): st.datetimes(*MOMENTS),
    pa.duration("us"): st.timedeltas(dt.timedelta(0), dt.timedelta(999)),
    pa.decimal128(12, 2): st.integers(-(10**9), 10**9).map(lambda cents: decimal.Decimal(cents) / 100),
    pa.list_(pa.float64()): st.lists(DOUBLES, max_size=3),
    pa.struct([("x", pa.float64()), ("y", pa.string())]): st.fixed_dictionaries({"x": DOUBLES, "y": WORDS}),
}


def compare_parquet(left: Any, right: Any, rule: dict[str, Any] | None = None) -> tuple[Difference, ...]:
    """What is found in two Parquet files."""

    def write(path: Path, table: Any) -> None:
        parquet.write_table(table, path)

    return compare_written("a.parquet", write, (left, right), {"compare": "table", **(rule or {})})


def compare_csv(left: Any, right: Any, rule: dict[str, Any] | None = None) -> tuple[Difference, ...]:
    """What is found in two CSV files; a text is written as it is."""

    def write(path: Path, table: Any) -> None:
        path.write_bytes(table.encode()) if isinstance(table, str) else csv.write_csv(table, path)

    return compare_written("a.csv", write, (left, right), {"compare": "table", **(rule or {})})


@st.composite
def tables(draw: st.DrawFn, min_rows: int = 0) -> Any:
    """A table with columns of any types, with and without missing values."""
    rows = draw(st.integers(min_rows, 5))
    kinds = draw(st.lists(st.sampled_from(sorted(TYPES, key=str)), min_size=1, max_size=4))
    columns = {}
    for number, kind in enumerate(kinds):
        values = TYPES[kind] | st.none() if draw(st.booleans()) else TYPES[kind]
        columns[f"c{number}"] = pa.array(draw(st.lists(values, min_size=rows, max_size=rows)), kind)
    return pa.table(columns)


@st.composite
def csv_tables(draw: st.DrawFn) -> Any:
    """A table whose columns keep their types in a CSV file."""
    rows = draw(st.integers(1, 5))
    kinds = draw(st.lists(st.sampled_from([pa.int64(), pa.float64(), pa.string()]), min_size=1, max_size=4))
    columns = {f"c{number}": pa.array(draw(_cells(kind, rows)), kind) for number, kind in enumerate(kinds)}
    return pa.table(columns)


def _cells(kind: Any, rows: int) -> st.SearchStrategy[list[Any]]:
    # A fraction keeps a column of floats one; a word of these letters is no number, no date and no missing value.
    values = {
        pa.int64(): st.integers(-(2**53), 2**53),
        pa.float64(): st.integers(-(2**40), 2**40).map(lambda number: number + 0.25),
        pa.string(): st.builds("{}{}".format, st.sampled_from(["w", 'x"', "y,", "z\n", "é "]), WORDS),
    }
    return st.lists(values[kind], min_size=rows, max_size=rows)


def places(differences: tuple[Difference, ...]) -> list[str]:
    """Where they are; of a float the row stands in brackets, as in an array."""
    return [difference.place.replace("[", "").replace("]", "") for difference in differences]


@given(tables())
def test_a_table_is_the_same_as_itself(table: Any) -> None:
    """Columns of every type, missing values and NaN at every depth."""
    assert compare_parquet(table, table) == ()


@given(csv_tables())
def test_a_csv_is_the_same_as_itself(table: Any) -> None:
    """Also with line breaks, quotes and commas in its cells."""
    assert compare_csv(table, table) == ()


@pytest.mark.parametrize("kind", sorted(TYPES, key=str), ids=str)
@settings(max_examples=30)  # of each type
@given(st.data())
def test_a_changed_value_is_told_with_its_column_and_row(kind: Any, data: st.DataObject) -> None:
    """For every type of column, and no other place is told."""
    left = data.draw(st.lists(TYPES[kind] | st.none(), min_size=1, max_size=5))
    row = data.draw(st.integers(0, len(left) - 1))
    right = [*left[:row], data.draw(TYPES[kind] | st.none()), *left[row + 1 :]]
    assume(not is_same(left[row], right[row], EXACT))
    sides = [pa.table({"before": list(range(len(side))), "c": pa.array(side, kind)}) for side in (left, right)]
    found = compare_parquet(*sides)
    assert places(found) == [f"column 'c', row {row}"]
    assert found[0].detail.startswith(f"1 of {len(left)} ")


@given(csv_tables(), st.data())
def test_a_changed_cell_of_a_csv_is_told(left: Any, data: st.DataObject) -> None:
    """With its column and row."""
    number, row = data.draw(st.integers(0, left.num_columns - 1)), data.draw(st.integers(0, left.num_rows - 1))
    kind, name = left.schema.field(number).type, left.column_names[number]
    cells = left.column(number).to_pylist()
    (new,) = data.draw(_cells(kind, 1))
    assume(new != cells[row])
    right = left.set_column(number, name, pa.array([*cells[:row], new, *cells[row + 1 :]], kind))
    assert places(compare_csv(left, right)) == [f"column {name!r}, row {row}"]


@pytest.mark.parametrize("compare", [compare_parquet, compare_csv])
@settings(max_examples=15)  # of ten comparisons each
@given(csv_tables(), st.data())
def test_another_form_is_told(compare: Any, left: Any, data: st.DataObject) -> None:
    """A column more, less, of another name, in another place, of another type; a row more or less."""
    number = data.draw(st.integers(0, left.num_columns - 1))
    name, names = left.column_names[number], left.column_names
    more = left.append_column("more", pa.array(range(left.num_rows)))
    assert compare(left, more) == (Difference("columns", ", ".join(names), ", ".join([*names, "more"])),)
    assert compare(more, left) == (Difference("columns", ", ".join([*names, "more"]), ", ".join(names)),)
    renamed = left.rename_columns([each if each != name else "renamed" for each in names])
    assert compare(left, renamed)[0] == Difference("columns", ", ".join(names), ", ".join(renamed.column_names))
    assert places(compare(more, more.select(more.column_names[::-1]))) == ["columns"]
    assert compare(left, left.slice(1)) == (Difference("rows", str(left.num_rows), str(left.num_rows - 1)),)
    assert compare(pa.concat_tables([left, left]), left) == (Difference("rows", str(2 * left.num_rows), str(left.num_rows)),)
    typed = left.set_column(number, name, pa.array([dt.date(2026, 11, 23)] * left.num_rows))
    # In a text a column has no type: each of its cells is another one.
    expected = (
        [f"column {name!r}"] if compare is compare_parquet else [f"column {name!r}, row {row}" for row in range(left.num_rows)]
    )
    assert places(compare(left, typed)) == expected[:3]
    assert compare(left, typed, {"ignore": [name]}) == ()
    assert compare(left, renamed, {"ignore": [name, "renamed"]}) == ()


@pytest.mark.parametrize("kinds", [("int32", "int64"), ("float32", "float64"), ("int64", "float64"), ("string", "binary")])
def test_another_type_of_a_column_is_told(kinds: tuple[str, str]) -> None:
    """Also where its values are the same."""
    left, right = (pa.table({"c": pa.array([], kind)}) for kind in kinds)
    names = [{"float32": "float", "float64": "double"}.get(kind, kind) for kind in kinds]
    assert compare_parquet(left, right) == (Difference("column 'c'", *names, "type"),)


@given(st.lists(st.tuples(st.integers(0, 3), WORDS), min_size=2, max_size=6, unique=True), st.randoms(use_true_random=False))
def test_the_order_of_rows_counts_unless_they_are_sorted(rows: list[tuple[int, str]], random: Any) -> None:
    """By the columns of the rule, one after the other."""
    shuffled = rows.copy()
    random.shuffle(shuffled)
    left, right = (pa.table({"n": [n for n, _ in side], "w": [w for _, w in side]}) for side in (rows, shuffled))
    assert bool(compare_parquet(left, right)) == (rows != shuffled)
    assert compare_parquet(left, right, {"sort_by": ["n", "w"]}) == ()
    changed = pa.table({"n": [n for n, _ in shuffled], "w": [w for _, w in shuffled[1:]] + ["changed"]})
    assert compare_parquet(left, changed, {"sort_by": ["n", "w"]})


def test_a_column_to_sort_by_that_is_not_there_is_told() -> None:
    """On either side, also where the rule ignores it."""
    left, right = pa.table({"a": [1], "b": [1]}), pa.table({"a": [1]})
    detail = "no column b to sort by"
    assert compare_parquet(left, right, {"sort_by": ["a", "b"]})[1] == Difference("sort_by", "a, b", "a", detail)
    assert compare_parquet(right, left, {"sort_by": ["a", "b"]})[1] == Difference("sort_by", "a", "a, b", detail)
    (difference,) = compare_parquet(left, left.slice(0, 1).set_column(0, "a", [[2]]), {"sort_by": ["b"], "ignore": ["b"]})
    assert difference == Difference("sort_by", "a", "a", detail)


@pytest.mark.parametrize(
    ("left", "right", "rule", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.5], {"atol": 0.5}, []),
        ([1.0, None], [1.5, None], {"atol": 0.5}, []),
        ([1.0, None], [1.5, None], {"atol": 0.4}, ["column 'c', row 0"]),
        ([1, 2], [1, 3], {"atol": 1}, []),
        ([1, 2], [1, 4], {"atol": 1}, ["column 'c', row 1"]),
        ([[1.0]], [[1.5]], {"atol": 0.5}, []),
        ([math.nan, 1.0], [math.nan, 2.0], {"equal_nan": False, "atol": 1}, ["column 'c', row 0"]),
        ([math.nan, None, 1.0], [math.nan, None, 2.0], {"equal_nan": False, "atol": 1}, ["column 'c', row 0"]),
    ],
)
def test_the_tolerance_of_the_rule(left: list[Any], right: list[Any], rule: dict[str, Any], expected: list[str]) -> None:
    """For floats, integers and lists of them, beside missing values too."""
    assert places(compare_parquet(pa.table({"c": left}), pa.table({"c": right}), rule)) == expected


def test_many_rows_are_counted_and_the_first_are_shown() -> None:
    """Three of each column, each with how many there are."""
    left, right = pa.table({"c": list("abcde")}), pa.table({"c": list("aBCDE")})
    detail = "4 of 5 rows differ"
    assert compare_parquet(left, right) == tuple(
        Difference(f"column 'c', row {row}", "abcde"[row], "aBCDE"[row], detail) for row in (1, 2, 3)
    )


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("a\n1\n2\n", "a\n1.0\n2.0\n", []),
        ("a\n1\n2\n", "a\n1.0\n2.5\n", ["column 'a', row 1"]),
        ("b,a\nx,1\n", "b,a\nx,1.5\n", ["column 'a', row 0"]),
        ("a\n1\n", "b\n1.0\n", ["columns"]),
        ("a\n1\n", "a\nx\n", ["column 'a', row 0"]),
    ],
)
def test_in_a_text_1_and_10_are_one_number(left: str, right: str, expected: list[str]) -> None:
    """A CSV has no types: integers are floats where the other side has floats, on whichever side they are."""
    assert places(compare_csv(left, right)) == expected
    assert places(compare_csv(right, left)) == expected


def test_a_line_break_within_a_cell_is_no_end_of_a_row() -> None:
    """Also in a CSV that is read in several pieces, a megabyte each."""
    table = pa.table({"c": ["x" * 1000 + "\n" + "y" * 1000] * 1500})
    assert compare_csv(table, table) == ()


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_what_is_no_table_is_told(name: str) -> None:
    """With the files' names and the reason, never as a traceback."""
    (difference,) = compare_written(name, Path.write_bytes, (b'a,b\n"1\n2,3,4', b"a"), {"compare": "table"})
    assert (difference.place, difference.left, difference.right) == ("", f"left-{name}", f"right-{name}")
    assert difference.detail.startswith("not a table that can be read: ")
