"""Tables: what is the same is the same, and a change is found in its column and row."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import assume, given, strategies as st
from pyarrow import csv, parquet

from lyftlearn_image.parity.compare import sorted_texts
from lyftlearn_image.parity.compare.tolerance import is_same
from lyftlearn_image.parity.differences import Difference
from tests.examples import examples
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
@examples(30)  # of each type
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
@examples(15)  # of ten comparisons each
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


@pytest.mark.parametrize(
    ("left", "right", "places_of_all"),
    [
        # A step that has read codes as numbers.
        (
            "zip,order,score\n02139,12345678901234567890,0.25\n10001,12345678901234567891,0.5\n",
            "zip,order,score\n2139,12345678901234567168,0.25\n10001,12345678901234567168,0.5\n",
            ["column 'zip', row 0", "column 'order', row 0", "column 'order', row 1"],
        ),
        # A large number beside a fraction in one column.
        ("id\n9007199254740993\n1.5\n", "id\n9007199254740992\n1.5\n", ["column 'id', row 0"]),
        ("code\n1e5\nA17\n", "code\n100000\nA17\n", ["column 'code', row 0"]),
        ("v\nNULL\n", "v\nn/a\n", ["column 'v', row 0"]),
        # Columns of one name, as pandas writes them from two tables side by side.
        ("id,v,id,v\n1,3,1,3\n", "id,v,id,v\n1,3,2,3\n", ["column 'id' (2), row 0"]),
        (",,x\n1,2,3\n", ",,x\n1,4,3\n", ["column '' (2), row 0"]),
        # SageMaker's own convention: no header, the label first.
        ("0,0,1,0.25\n1,3,1,0.5\n", "0,0,1,0.5\n1,3,1,0.5\n", ["column '3', row 0"]),
        ("0,0,1,0.25\n1,3,1,0.5\n", "0,0,1,0.25\n1,3,1,0.75\n", ["column '3', row 1"]),
        ("a,b\n1,2\n3,4,5\n", "a,b\n1,2\n3,4,6\n", ["behind the last column, row 1"]),
        ("a,b\n1,2\n3\n", "a,b\n1,2\n3,\n", ["column 'b', row 1"]),
        ("a\n1\n\n", "a\n1\n", ["rows"]),
        ("", "a\n1\n", ["columns", "rows"]),
        ("a;b\n1;1,5\n", "a;b\n1;1,6\n", ["column 'b', row 0"]),
        ("a\tb\nx\ty\n", "a\tb\nx\tz\n", ["column 'b', row 0"]),
        ("a;b\n1;2\n", "a,b\n1,2\n", ["columns"]),
        ('a\n"x\ny"\nz\n', 'a\n"x\nz"\nz\n', ["column 'a', row 0"]),
        ("a\n" + "1\n" * 700_000 + "A17\n", "a\n" + "1\n" * 700_000 + "A18\n", ["column 'a', row 700000"]),
    ],
)
def test_the_cells_of_a_csv_are_texts(left: str, right: str, places_of_all: list[str]) -> None:
    """What differs in its text is told, unless both are one number; no row or column is left out."""
    assert [difference.place for difference in compare_csv(left, right)] == places_of_all
    reversed_places = [difference.place for difference in compare_csv(right, left)]
    assert len(reversed_places) == len(places_of_all)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("a,b\r\n1,x\r\n", "a,b\n1,x\n"),
        ("\ufeffa,b\n1,x\n", "a,b\n1,x\n"),
        ("a,b\n1,x\n", 'a,b\n"1","x"\n'),
        ("a,b\n1,x", "a,b\n1,x\n"),
        ("a,b\r1,x\r", "a,b\n1,x\n"),
    ],
)
def test_how_a_csv_is_written_does_not_count(left: str, right: str) -> None:
    """Line ends, quotation marks, a byte order mark: the cells are the same."""
    assert compare_csv(left, right) == ()
    assert compare_csv(right, left) == ()


@given(csv_tables(), st.randoms(use_true_random=False), st.booleans())
def test_rows_in_any_order(table: Any, random: Any, to_parquet: bool) -> None:  # noqa: FBT001 - drawn
    """What is the same in another order is the same, and a changed row is found."""
    compare = compare_parquet if to_parquet else compare_csv
    order = list(range(table.num_rows))
    random.shuffle(order)
    shuffled = table.take(order)
    assert compare(table, shuffled, {"unordered": True}) == ()
    changed = shuffled.set_column(0, table.column_names[0], pa.array(["changed"] * table.num_rows))
    assert compare(table, changed, {"unordered": True})
    assert compare(table, shuffled.slice(1), {"unordered": True})[0].place == "rows"


def test_what_cannot_be_sorted_by_is_told() -> None:
    """A column of lists has no order."""
    left, right = pa.table({"c": [[1], [2]]}), pa.table({"c": [[2], [1]]})
    (difference,) = compare_parquet(left, right, {"sort_by": ["c"]})
    assert "not a table that can be read" in difference.detail


def test_a_rule_names_columns_of_years() -> None:
    """A header of numbers is a header where the rule has a name from it; else its numbers are a row."""
    left, right = "id,2019,2020\na,1,2\n", "id,2019,2020\na,1,3\n"
    assert places(compare_csv(left, right)) == ["column '2', row 1"]
    assert places(compare_csv(left, right, {"types": {"2019": "number"}})) == ["column '2020', row 0"]
    assert compare_csv(left, right, {"ignore": ["2020"]}) == ()
    assert compare_csv("0,1\n2,3\n", "0,1\n2,4\n", {"ignore": ["1"]}) == ()


def test_types_of_a_rule_hold_for_parquet_too() -> None:
    """Columns of two types are compared by what the rule says they are."""
    integers, floats = pa.table({"c": [1, None]}), pa.table({"c": [1.0, None]})
    assert places(compare_parquet(integers, floats)) == ["column 'c'"]
    assert compare_parquet(integers, floats, {"types": {"c": "number"}}) == ()
    texts = pa.table({"c": ["1.50", "n/a"]})
    assert places(compare_parquet(floats, texts, {"types": {"c": "number"}})) == ["column 'c', row 0"]
    assert compare_parquet(floats, texts, {"types": {"c": "number"}, "atol": 0.5}) == ()


@pytest.mark.parametrize("options", [{"row_group_size": 3}, {"row_group_size": 7, "use_dictionary": False}, {"version": "1.0"}])
def test_how_a_parquet_file_is_written_does_not_count(options: dict[str, Any]) -> None:
    """Row groups, dictionaries and the writer's own words: the rows are the same."""

    def write(path: Path, side: tuple[Any, dict[str, Any]]) -> None:
        parquet.write_table(side[0], path, **side[1])

    rows = range(20)
    columns = {"n": [float(row) for row in rows], "w": [f"w{row % 3}" for row in rows], "l": [[math.nan, row] for row in rows]}
    table, changed = pa.table(columns), pa.table({**columns, "w": ["x", *columns["w"][1:]]})
    assert compare_written("a.parquet", write, ((table, {}), (table, options)), {"compare": "table"}) == ()
    found = compare_written("a.parquet", write, ((table, {}), (changed, options)), {"compare": "table"})
    assert places(found) == ["column 'w', row 0"]


def test_what_a_writer_says_of_itself_does_not_count() -> None:
    """Metadata of a Parquet file, its compression and its row groups: the same rows are the same."""

    def write(path: Path, how: tuple[dict[str, str], str, int]) -> None:
        metadata, compression, rows = how
        table = pa.table({"a": [1, 2, 3]}).replace_schema_metadata(metadata)
        parquet.write_table(table, path, compression=compression, row_group_size=rows)

    sides = ({"created": "2000"}, "snappy", 3), ({"created": "2026"}, "gzip", 1)
    assert compare_written("a.parquet", write, sides, {"compare": "table"}) == ()


@given(st.lists(st.text("a\n\x02nm\x01\xff\0", max_size=6)))
def test_texts_are_sorted_also_where_few_of_them_are_in_memory(texts: list[str]) -> None:
    """With line breaks and whatever else a cell may have; and again when they are gone through again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_texts, "_RUN_BYTES", 300)
        with sorted_texts.SortedTexts(texts) as found:
            assert list(found) == sorted(texts)
            assert list(found) == sorted(texts)


def test_of_a_long_list_the_beginning_is_shown() -> None:
    """And how long it is."""
    left, right = (pa.array([[float(last)] * 2000]) for last in "12")

    def write(path: Path, column: Any) -> None:
        parquet.write_table(pa.table({"c": column}), path)

    (found,) = compare_written("a.parquet", write, (left, right), {"compare": "table"})
    assert (found.left or "").startswith("2000 items: [1.0, 1.0")
