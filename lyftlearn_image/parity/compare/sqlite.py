"""SQLite databases: by their schema and rows, not by how their pages lie in the file or how often it was written."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lyftlearn_image.parity.compare import binary
from lyftlearn_image.parity.compare.options import NUMERIC_OPTIONS
from lyftlearn_image.parity.compare.tolerance import MAX_DIFFERENCES, is_same, limit_differences
from lyftlearn_image.parity.compare.unreadable import UnreadableError, describe_unreadable, reading
from lyftlearn_image.parity.differences import Difference, format_value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.parity.compare.comparator import ComparatorContext
    from lyftlearn_image.parity.compare.options import Options

OPTIONS = NUMERIC_OPTIONS | {"ignore"}
SUFFIXES = (".sqlite", ".sqlite3", ".db")
_SIGNATURE = b"SQLite format 3\0"
_MAX_VALUE_BYTES = 1 << 26
# Steps of SQLite's machine for each byte of a file: what takes more was made to take long.
_STEPS_PER_BYTE = 20
_MIN_STEPS = 10_000_000
_STEPS_BETWEEN = 10_000
# Of table_xinfo: columns that are computed from others, by what the schema says.
_GENERATED = (2, 3)
_PRAGMAS = ("user_version", "application_id", "encoding")


def compare(left: Path, right: Path, options: Options, context: ComparatorContext) -> tuple[Difference, ...]:
    """Differences of two databases: of the schema, and of each table's rows in their order. `ignore` takes `table.column`.

    Nothing of the schema is run: neither views, triggers, virtual tables nor computed columns.
    """
    for path in (left, right):
        with path.open("rb") as file:
            if file.read(len(_SIGNATURE)) != _SIGNATURE:
                return binary.compare(left, right, options, context)
    try:
        with reading(), _open(left) as left_database, _open(right) as right_database:
            return limit_differences(_compare_databases(left_database, right_database, options))
    except UnreadableError as error:
        return (describe_unreadable(left, right, "a database that SQLite can read", error),)


@contextlib.contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1", uri=True)) as database:
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
        database.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
        steps = itertools.count(0, _STEPS_BETWEEN)
        allowed = max(_MIN_STEPS, _STEPS_PER_BYTE * path.stat().st_size)
        database.set_progress_handler(lambda: next(steps) > allowed, _STEPS_BETWEEN)
        for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0"):
            database.execute(f"PRAGMA {pragma}")
        yield database


def _compare_databases(left: sqlite3.Connection, right: sqlite3.Connection, options: Options) -> Iterator[Difference]:
    for pragma in _PRAGMAS:
        values = [database.execute(f"PRAGMA {pragma}").fetchone()[0] for database in (left, right)]
        if values[0] != values[1]:
            yield Difference(pragma, *map(str, values))
    schemas = _read_schema(left), _read_schema(right)
    for key in sorted(schemas[0].keys() | schemas[1].keys()):
        one, other = schemas[0].get(key), schemas[1].get(key)
        if one != other:
            yield Difference(f"{key[0]} {_show(key[1])}", one and _show(one), other and _show(other), "schema")
        elif key[0] == "table" and not (one or "").upper().startswith("CREATE VIRTUAL"):
            yield from _compare_tables(key[1], (left, right), options)


def _read_schema(database: sqlite3.Connection) -> dict[tuple[str, str], str]:
    rows = database.execute("SELECT type, name, sql FROM sqlite_schema")
    return {(str(kind), str(name)): str(sql or "") for kind, name, sql in rows}


def _compare_tables(
    table: str, databases: tuple[sqlite3.Connection, sqlite3.Connection], options: Options
) -> Iterator[Difference]:
    columns = _stored_columns(databases[0], table)
    compared = [name for name in columns if not any(fnmatchcase(f"{table}.{name}", pattern) for pattern in options.ignore)]
    if not compared:
        return
    query = f"SELECT {', '.join(map(_quote, compared))} FROM {_quote(table)}"  # noqa: S608 - quoted names
    found = 0
    for number, rows in enumerate(itertools.zip_longest(*(database.execute(query) for database in databases)), start=1):
        one, other = rows
        if one is None or other is None:
            yield Difference(
                f"table {_show(table)}, row {number}", one and _show(one), other and _show(other), "number of rows"
            )
            return
        if one == other and options.equal_nan:
            continue
        for name, left, right in zip(compared, one, other, strict=True):
            if found <= MAX_DIFFERENCES and not is_same(left, right, options):
                found += 1
                yield Difference(f"table {_show(table)}, row {number}, column {_show(name)}", _show(left), _show(right))


def _stored_columns(database: sqlite3.Connection, table: str) -> list[str]:
    rows = database.execute("SELECT name, hidden FROM pragma_table_xinfo(?)", (table,))
    return [name for name, hidden in rows if hidden not in _GENERATED]


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _show(value: Any) -> str:
    return format_value(value).encode("utf-8", "backslashreplace").decode("utf-8")
