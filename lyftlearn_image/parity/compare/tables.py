"""Tables (CSV, Parquet): columns, types, rows, values within the tolerance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.parity.compare.arrays import compare_arrays
from lyftlearn_image.parity.compare.options import NUMERIC_OPTIONS
from lyftlearn_image.parity.compare.tolerance import is_same, limit_differences
from lyftlearn_image.parity.differences import Difference, format_value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.parity.compare.comparator import ComparatorContext
    from lyftlearn_image.parity.compare.options import Options

OPTIONS = NUMERIC_OPTIONS | {"ignore", "sort_by"}
SUFFIXES = (".csv", ".parquet")
_SHOWN_ROWS = 3


def compare(left: Path, right: Path, options: Options, _: ComparatorContext) -> tuple[Difference, ...]:
    """Differences of two tables, by column."""
    import pyarrow as pa  # noqa: PLC0415 - 200 ms, for suites with tables

    try:
        left_table, right_table = _read(left), _read(right)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        return (Difference("", left.name, right.name, f"not a table that can be read: {error}"),)
    if left.suffix != ".parquet":
        right_table = _with_numbers_as(right_table, left_table)
        left_table = _with_numbers_as(left_table, right_table)
    return limit_differences(_compare_tables(left_table, right_table, options))


def _with_numbers_as(table: Any, other: Any) -> Any:
    """A CSV's table whose integers are floats where the other side's are: `1` and `1.0` are one number in a text file."""
    import pyarrow as pa  # noqa: PLC0415 - see compare()

    for position, field in enumerate(table.schema):
        index = other.schema.get_field_index(field.name)
        if index >= 0 and pa.types.is_integer(field.type) and pa.types.is_floating(other.schema.field(index).type):
            table = table.set_column(position, field.name, table.column(position).cast(pa.float64()))
    return table


def _compare_tables(left: Any, right: Any, options: Options) -> Iterator[Difference]:
    left_names = [name for name in left.column_names if name not in options.ignore]
    right_names = [name for name in right.column_names if name not in options.ignore]
    if left_names != right_names:
        yield Difference("columns", ", ".join(left_names), ", ".join(right_names))
    if left.num_rows != right.num_rows:
        yield Difference("rows", str(left.num_rows), str(right.num_rows))
        return
    missing = [name for name in options.sort_by if name not in left_names or name not in right_names]
    if missing:
        detail = f"no column {', '.join(missing)} to sort by"
        yield Difference("sort_by", ", ".join(left_names), ", ".join(right_names), detail)
        return
    if options.sort_by:
        order = [(name, "ascending") for name in options.sort_by]
        left, right = left.sort_by(order), right.sort_by(order)
    for name in left_names:
        if name in right_names:
            yield from _compare_columns(name, left.column(name), right.column(name), options)


def _compare_columns(name: str, left: Any, right: Any, options: Options) -> Iterator[Difference]:
    import pyarrow as pa  # noqa: PLC0415 - see compare()

    if left.type != right.type:
        yield Difference(f"column {name!r}", str(left.type), str(right.type), "type")
        return
    if left.equals(right):
        return
    if pa.types.is_floating(left.type) and left.null_count == right.null_count == 0:
        difference = compare_arrays(left.to_numpy(), right.to_numpy(), options, f"column {name!r}, row ")
        if difference:
            yield difference
        return
    yield from _compare_rows(name, left.to_pylist(), right.to_pylist(), options)


def _compare_rows(name: str, left: list[Any], right: list[Any], options: Options) -> Iterator[Difference]:
    different = [row for row, pair in enumerate(zip(left, right, strict=True)) if not is_same(*pair, options)]
    for row in different[:_SHOWN_ROWS]:
        detail = f"{len(different)} of {len(left)} rows differ"
        yield Difference(f"column {name!r}, row {row}", format_value(left[row]), format_value(right[row]), detail)


def _read(path: Path) -> Any:
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq  # noqa: PLC0415 - see compare()

        return pq.ParquetFile(path).read()
    from pyarrow import csv  # noqa: PLC0415 - see compare()

    return csv.read_csv(path, parse_options=csv.ParseOptions(newlines_in_values=True))
