"""SQLite databases are the same by their rows, not by how often or in which order they were written."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from tests.examples import examples
from tests.parity.compare.pairs import compare_written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lyftlearn_image.parity.differences import Difference

VALUES = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text("aé\0'", max_size=5)
    | st.binary(max_size=5)
)
ROWS = st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=8)
SCHEMA = 'CREATE TABLE "a ""b" (x, y, z AS (hex(zeroblob(9)))); CREATE VIEW v AS SELECT randomblob(9) FROM "a ""b";'


def write(path: Path, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
    """A database in which these statements were run."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        for statement, values in statements:
            database.execute(statement, values)
        database.commit()


def fill(rows: Sequence[Sequence[Any]], *more: str, detours: int = 0) -> list[tuple[str, Sequence[Any]]]:
    """Statements that make a table of these rows, by way of others that are not there in the end."""
    other = [("CREATE TABLE t (x)", ()), ("INSERT INTO t VALUES (zeroblob(9000))", ()), ("DROP TABLE t", ())]
    inserts = [('INSERT INTO "a ""b" VALUES (?, ?)', row) for row in rows]
    return [*other * detours, *((each, ()) for each in SCHEMA.split("; ")), *inserts, *((each, ()) for each in more)]


def compare(left: Any, right: Any, **options: Any) -> tuple[Difference, ...]:
    """What is found in two databases."""
    return compare_written("a.db", write, (left, right), {"compare": "sqlite", **options})


@examples(25)
@given(ROWS)
def test_the_same_rows_are_the_same(rows: list[tuple[Any, Any]]) -> None:
    """However often the file was written before."""
    assert compare(fill(rows), fill(rows, detours=2)) == ()


@examples(25)
@given(ROWS, st.data())
def test_another_value_is_told_with_its_row_and_column(rows: list[tuple[Any, Any]], data: st.DataObject) -> None:
    """And a row more; a column may be left out by rule."""
    row = data.draw(st.integers(0, len(rows) - 1))
    changed = [*rows[:row], (rows[row][0], "changed"), *rows[row + 1 :]]
    assert [each.place for each in compare(fill(rows), fill(changed))] == [f'table a "b, row {row + 1}, column y']
    assert compare(fill(rows), fill(changed), ignore=['a "b.y']) == ()
    assert [each.detail for each in compare(fill(rows), fill([*rows, (1, 2)]))] == ["number of rows"]
    assert [each.detail for each in compare(fill([*rows, (1, 2)]), fill(rows))] == ["number of rows"]


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ("CREATE TABLE more (x)", "table more"),
        ('CREATE INDEX i ON "a ""b" (x)', "index i"),
        ("DROP VIEW v", "view v"),
        ("PRAGMA user_version = 7", "user_version"),
    ],
)  # fmt: skip
def test_another_schema_is_told(statement: str, place: str) -> None:
    """Tables, indexes, views, and the numbers that a program keeps in the header."""
    assert [each.place for each in compare(fill([(1, 2)]), fill([(1, 2)], statement))] == [place]


def test_numbers_have_their_tolerance() -> None:
    """As everywhere."""
    assert compare(fill([(1.0, 2)]), fill([(1.0001, 2)]), rtol=1e-3) == ()
    assert compare(fill([(1.0, 2)]), fill([(1.01, 2)]), rtol=1e-3)


@examples(40)
@given(data=st.data())
def test_a_broken_database_is_told_and_ends(data: st.DataObject) -> None:
    """Cut, with other bytes in it, or none at all: never an exception."""

    def spoil(path: Path, how: tuple[int, bytes] | None) -> None:
        write(path, fill([("a" * 50, 1)] * 200, detours=0 if how else 1))
        if how:
            content = path.read_bytes()
            path.write_bytes(content[: how[0]] + how[1] + content[how[0] + len(how[1]) :] if how[1] else content[: how[0]])

    at = data.draw(st.integers(0, 8000))
    found = compare_written("a.db", spoil, (None, (at, b"")), {"compare": "sqlite"})
    assert found
    compare_written("a.db", spoil, (None, (at, data.draw(st.binary(min_size=1, max_size=20)))), {"compare": "sqlite"})
