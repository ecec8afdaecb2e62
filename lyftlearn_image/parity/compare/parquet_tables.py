"""Parquet tables: columns, types and values, some rows at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import compute as pc, parquet as pq

from lyftlearn_image.parity.compare.arrow_values import largest_distance, same_rows
from lyftlearn_image.parity.compare.cells import cell_comparison
from lyftlearn_image.parity.compare.table_tally import TableTally, compare_names, describe_unsortable, label, numbered
from lyftlearn_image.parity.compare.unreadable import UnreadableError, check_expansion, reading
from lyftlearn_image.parity.differences import Difference, format_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lyftlearn_image.parity.compare.options import Options

_BATCH_BYTES = 1 << 22
_MAX_BATCH_ROWS = 1 << 16
# What the texts of a column take in one batch, if each is the longest one.
_MAX_TEXTS_BYTES = 1 << 24
# A table is held whole to be sorted.
_MAX_SORTED_BYTES = 100 << 20
# A row is held whole, with the text of a nested value several times.
_MAX_ROW_BYTES = 1 << 23
_VALUE_BYTES = 8
# A report shows the beginning of a long list.
_SHOWN_ITEMS = 500
# What a file is read in, so that no column of a row group is in memory as a whole.
_BUFFER_BYTES = 1 << 20


def compare_parquet(left: Path, right: Path, options: Options) -> Iterator[Difference]:
    """Differences of two Parquet files. UnreadableError when one is none."""
    with _open(left) as left_file, _open(right) as right_file:
        yield from _ParquetPair((left_file, right_file), (left, right), options).compare()


def _open(path: Path, read_dictionary: Sequence[str] = ()) -> Any:
    with reading():
        return pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False, read_dictionary=read_dictionary)


class _ParquetPair:
    """Two open files, and what their columns are."""

    def __init__(self, files: tuple[Any, Any], paths: tuple[Path, Path], options: Options) -> None:
        self._files = files
        self._paths = paths
        self._options = options
        with reading():
            self._schemas = [file.schema_arrow for file in files]
        self._tally = TableTally()

    def compare(self) -> Iterator[Difference]:
        names = [[name for name in schema.names if name not in self._options.ignore] for schema in self._schemas]
        yield from compare_names(*names)
        rows = [file.metadata.num_rows for file in self._files]
        if rows[0] != rows[1]:
            yield Difference("rows", str(rows[0]), str(rows[1]))
            return
        missing = [name for name in self._options.sort_by if not all(name in side for side in names)]
        if missing:
            yield describe_unsortable(names, missing)
            return
        places = [{key: place for place, key in enumerate(numbered(schema.names))} for schema in self._schemas]
        shared = [key for key in places[0] if key in places[1] and key[0] not in self._options.ignore]
        columns = []
        for key in shared:
            kinds = [schema.field(place[key]).type for schema, place in zip(self._schemas, places, strict=True)]
            if kinds[0] == kinds[1] or key[0] in self._options.types:
                columns.append((key, places[0][key], places[1][key]))
            else:
                yield Difference(label(key), str(kinds[0]), str(kinds[1]), "type")
        if columns:
            self._check_rows()
            self._add_rows(columns, rows[0])
        yield from self._tally.differences([label(key) for key, _, _ in columns], rows[0])

    def _check_rows(self) -> None:
        with reading():
            if any(_largest_mean_row(file.metadata) > _MAX_ROW_BYTES for file in self._files):
                raise UnreadableError(f"its rows have more than {_MAX_ROW_BYTES} bytes each")

    def _add_rows(self, columns: list[tuple[tuple[str, int], int, int]], rows: int) -> None:
        start = 0
        for left, right in self._aligned(rows):
            if not left.equals(right):
                for number, (key, place, other) in enumerate(columns):
                    self._add_column(number, start, key[0], left.column(place), right.column(other))
            start += len(left)
            # Arrow's allocator keeps what it gets back.
            pa.default_memory_pool().release_unused()

    def _add_column(self, column: int, start: int, name: str, left: Any, right: Any) -> None:
        if name in self._options.types:
            same = _same_as_text(left, right, self._options, name)
        elif left.equals(right):
            return
        else:
            with reading():
                same = same_rows(left, right, self._options)
        different = (~same).nonzero()[0]
        if not len(different):
            return
        largest = None
        if left.type == right.type:
            rows = pa.array(different)
            largest = largest_distance(left.take(rows), right.take(rows))
        self._tally.count(column, len(different), largest)
        for row in different.tolist():
            if not self._tally.is_shown(column):
                break
            self._tally.add(column, start + row, _show(left[row]), _show(right[row]))

    def _aligned(self, rows: int) -> Iterator[tuple[Any, Any]]:
        """Batches of the same rows of both files."""
        if self._options.sort_by or self._options.unordered:
            sides = [
                iter(_sorted_batches(file, path, self._options)) for file, path in zip(self._files, self._paths, strict=True)
            ]
        else:
            size = min(_rows_of_a_batch(file, path) for file, path in zip(self._files, self._paths, strict=True))
            sides = [_batches(file, path, size) for file, path in zip(self._files, self._paths, strict=True)]
        pending: list[Any] = [None, None]
        while rows:
            for side, batches in enumerate(sides):
                while pending[side] is None or not len(pending[side]):
                    pending[side] = next(batches, None)
                    if pending[side] is None:
                        raise UnreadableError("it has fewer rows than it says")
            count = min(len(pending[0]), len(pending[1]))
            yield pending[0].slice(0, count), pending[1].slice(0, count)
            pending = [batch.slice(count) for batch in pending]
            rows -= count


def _largest_mean_row(metadata: Any) -> int:
    """The bytes of a row in the row group of the largest ones, with a value that is stored once wherever it is meant."""
    largest = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        values = max((group.column(column).num_values for column in range(group.num_columns)), default=0)
        largest = max(largest, max(group.total_byte_size, values * _VALUE_BYTES) // max(1, group.num_rows))
    return largest


def _rows_of_a_batch(file: Any, path: Path) -> int:
    """As many as take a few megabytes, as far as the file tells, and never more than some dozens."""
    with reading():
        metadata = file.metadata
        size = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
        rows = min(_MAX_BATCH_ROWS, int(_BATCH_BYTES * metadata.num_rows // max(1, size)))
        return max(1, min(rows, _MAX_TEXTS_BYTES // _longest_repeated_text(metadata, path)))


def _longest_repeated_text(metadata: Any, path: Path) -> int:
    """The bytes of the longest text that is stored once and referred to: a file of kilobytes may do so a million times."""
    columns = [metadata.schema.column(number) for number in range(metadata.num_columns)]
    flat = [
        number
        for number, column in enumerate(columns)
        if column.physical_type == "BYTE_ARRAY" and not column.max_repetition_level and column.path == column.name
    ]
    longest = 1
    for group_number in range(metadata.num_row_groups):
        group = metadata.row_group(group_number)
        names = {columns[number].name for number in flat if group.column(number).has_dictionary_page}
        if not names:
            continue
        with _open(path, sorted(names)) as file:
            # With the first row come all texts that others of this row group refer to.
            for batch in file.iter_batches(batch_size=1, row_groups=[group_number], columns=sorted(names), use_threads=False):
                dictionaries = [column.dictionary for column in batch.columns if pa.types.is_dictionary(column.type)]
                lengths = [pc.max(pc.binary_length(each)).as_py() or 1 for each in dictionaries if _is_text(each.type)]
                longest = max([longest, *lengths])
                break
    return longest


def _batches(file: Any, path: Path, size: int) -> Iterator[Any]:
    expanded = 0
    with reading():
        batches = file.iter_batches(batch_size=size, use_threads=False)
    while True:
        with reading():
            batch = next(batches, None)
        if batch is None:
            return
        expanded += batch.nbytes
        check_expansion(path, expanded)
        yield batch


def _sorted_batches(file: Any, path: Path, options: Options) -> Iterator[Any]:
    """The rows by the columns of the rule, and then by all others that can be sorted by."""
    parts = []
    size = 0
    for batch in _batches(file, path, _rows_of_a_batch(file, path)):
        with reading():
            size += batch.nbytes + sum(map(_decoded_bytes, batch.columns))
            if size > _MAX_SORTED_BYTES:
                raise UnreadableError("it is too large to be sorted")
            parts.append(pa.RecordBatch.from_arrays([*map(_decoded, batch.columns)], batch.schema.names))
    with reading():
        table = pa.Table.from_batches(parts, None if parts else file.schema_arrow)
        # A table may have a name several times, which could not be sorted by.
        table = table.rename_columns([f"{name}\0{number}" for name, number in numbered(table.column_names)])
        first = [f"{name}\0{1}" for name in options.sort_by]
        others = [name for name in table.column_names if name not in first and _is_sortable(table.schema.field(name).type)]
        others = [name for name in others if name.rpartition("\0")[0] not in options.ignore]
        order = [(name, "ascending") for name in [*first, *sorted(others)]]
        if order:
            table = table.take(pc.sort_indices(table, order))
        yield from table.combine_chunks().to_batches(_MAX_BATCH_ROWS)


def _decoded_bytes(array: Any) -> int:
    """What the texts of a dictionary's array take when they stand one after the other."""
    if not pa.types.is_dictionary(array.type) or not _is_text(array.type.value_type):
        return 0
    return int(pc.sum(pc.binary_length(array.dictionary).take(array.indices)).as_py() or 0)


def _decoded(array: Any) -> Any:
    return array.dictionary.take(array.indices) if pa.types.is_dictionary(array.type) else array


def _is_text(kind: Any) -> bool:
    return kind in {pa.string(), pa.binary(), pa.large_string(), pa.large_binary()}


def _is_sortable(kind: Any) -> bool:
    return not (
        pa.types.is_nested(kind) or pa.types.is_dictionary(kind) or pa.types.is_null(kind) or isinstance(kind, pa.ExtensionType)
    )


def _same_as_text(left: Any, right: Any, options: Options, name: str) -> Any:
    """Where two columns say the same as cells of the rule's type, whichever types they are stored in."""
    import numpy as np  # noqa: PLC0415 - only here

    compare = cell_comparison(options, options.types[name])
    texts = [["" if not each.is_valid else _show(each) for each in side] for side in (left, right)]
    return np.array([one == other or compare(one, other) is None for one, other in zip(*texts, strict=True)], bool)


def _show(value: Any) -> str:
    """A value as text, also one for which Python has none: a year beyond 9999, a zone that there is not."""
    if isinstance(value, pa.ListScalar | pa.LargeListScalar) and value.is_valid and len(value.values) > _SHOWN_ITEMS:
        return f"{len(value.values)} items: {_show(pa.scalar(value.values.slice(0, _SHOWN_ITEMS), value.type))}"
    try:
        return format_value(value.as_py())
    except Exception:  # noqa: BLE001 - pyarrow raises what zoneinfo, datetime and its own types raise
        try:
            return format_value(f"{value.type}: {value.cast(pa.int64()).as_py()}")
        except pa.ArrowException:
            return f"a {value.type} that cannot be shown"
