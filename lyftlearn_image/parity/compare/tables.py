"""Tables (CSV, Parquet): columns, types, rows, values within the tolerance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.parity.compare.arrays import compare_arrays
from lyftlearn_image.parity.compare.tolerance import bounded
from lyftlearn_image.parity.differences import Difference, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.parity.compare.comparator import Tools
    from lyftlearn_image.parity.compare.rule import Rule

_SHOWN_ROWS = 3


def compare(left: Path, right: Path, rule: Rule, tools: Tools) -> tuple[Difference, ...]:  # noqa: ARG001 - the comparators' signature
    """Differences of two tables, by column."""
    import pyarrow as pa  # noqa: PLC0415 - 200 ms, for suites with tables

    try:
        mine, theirs = _read(left), _read(right)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        return (Difference("", left.name, right.name, f"not a table that can be read: {error}"),)
    if left.suffix != ".parquet":
        theirs = _with_numbers_as(theirs, mine)
        mine = _with_numbers_as(mine, theirs)
    return bounded(_compare_tables(mine, theirs, rule))


def _with_numbers_as(table: Any, other: Any) -> Any:
    """A CSV's table whose integers are floats where the other side's are: `1` and `1.0` are one number in a text file."""
    import pyarrow as pa  # noqa: PLC0415 - see compare()

    for position, field in enumerate(table.schema):
        index = other.schema.get_field_index(field.name)
        if index >= 0 and pa.types.is_integer(field.type) and pa.types.is_floating(other.schema.field(index).type):
            table = table.set_column(position, field.name, table.column(position).cast(pa.float64()))
    return table


def _compare_tables(left: Any, right: Any, rule: Rule) -> Iterator[Difference]:
    names = [name for name in left.column_names if name not in rule.ignore]
    others = [name for name in right.column_names if name not in rule.ignore]
    if names != others:
        yield Difference("columns", ", ".join(names), ", ".join(others))
    if left.num_rows != right.num_rows:
        yield Difference("rows", str(left.num_rows), str(right.num_rows))
        return
    missing = [name for name in rule.sort_by if name not in names or name not in others]
    if missing:
        yield Difference("sort_by", ", ".join(names), ", ".join(others), f"no column {', '.join(missing)} to sort by")
        return
    if rule.sort_by:
        order = [(name, "ascending") for name in rule.sort_by]
        left, right = left.sort_by(order), right.sort_by(order)
    for name in names:
        if name in others:
            yield from _compare_columns(name, left.column(name), right.column(name), rule)


def _compare_columns(name: str, left: Any, right: Any, rule: Rule) -> Iterator[Difference]:
    import pyarrow as pa  # noqa: PLC0415 - see compare()

    if left.type != right.type:
        yield Difference(f"column {name!r}", str(left.type), str(right.type), "type")
        return
    if left.equals(right):
        return
    if pa.types.is_floating(left.type) and left.null_count == right.null_count == 0:
        difference = compare_arrays(left.to_numpy(), right.to_numpy(), rule, f"column {name!r}, row ")
        if difference:
            yield difference
        return
    yield from _by_value(name, left.to_pylist(), right.to_pylist(), rule)


def _by_value(name: str, left: list[Any], right: list[Any], rule: Rule) -> Iterator[Difference]:
    from lyftlearn_image.parity.compare.tolerance import close  # noqa: PLC0415 - next to its only use

    different = [
        row
        for row, (mine, theirs) in enumerate(zip(left, right, strict=True))
        if not (close(mine, theirs, rule) if isinstance(mine, float) and isinstance(theirs, float) else mine == theirs)
    ]
    for row in different[:_SHOWN_ROWS]:
        detail = f"{len(different)} of {len(left)} rows differ"
        yield Difference(f"column {name!r}, row {row}", shown(left[row]), shown(right[row]), detail)


def _read(path: Path) -> Any:
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq  # noqa: PLC0415 - see compare()

        return pq.ParquetFile(path).read()
    from pyarrow import csv  # noqa: PLC0415 - see compare()

    return csv.read_csv(path)
