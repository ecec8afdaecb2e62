"""CSV tables: rows of cells that are texts first, and numbers only where nothing is lost by it."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lyftlearn_image.parity.compare.cells import CellDifference, cell_comparison, is_number_text
from lyftlearn_image.parity.compare.csv_reader import CsvRows, RowPair, decode_cell, read_pairs
from lyftlearn_image.parity.compare.sorted_texts import SortedTexts
from lyftlearn_image.parity.compare.table_tally import TableTally, compare_names, describe_unsortable, label, numbered
from lyftlearn_image.parity.compare.unreadable import UnreadableError
from lyftlearn_image.parity.differences import Difference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from lyftlearn_image.parity.compare.options import Options

    CellPair = tuple[str | None, str | None]

# Between the cells of a row that is sorted, and in place of one that is not there.
_CELL_END, _ABSENT_CELL = "\0", "\1"
_NO_CELL = "(no cell)"


@dataclass(frozen=True)
class _Columns:
    """The columns of both sides: `pairs` are the positions of those that are compared, `keys` their names.

    `are_aligned`: the first of one side with the first of the other, and so on to the last of the left.
    """

    left_names: list[str]
    right_names: list[str]
    pairs: tuple[tuple[int, int], ...]
    keys: tuple[tuple[str, int], ...]
    has_header: bool
    are_aligned: bool

    def pair_cells(self, pair: RowPair) -> Iterator[CellPair]:
        """The cells of each column side by side, and at last what stands behind the last one; None for no such cell."""
        left, right = pair.left, pair.right
        if self.are_aligned and len(left) == len(right) == len(self.left_names):
            yield from zip(left, right, strict=True)
            return
        for place, other in self.pairs:
            yield left[place] if place < len(left) else None, right[other] if other < len(right) else None
        yield _beyond(left, self.left_names), _beyond(right, self.right_names)


def compare_csv(left: Path, right: Path, options: Options) -> Iterator[Difference]:
    """Differences of two CSV files. UnreadableError when one is none."""
    with left.open("rb") as left_file, right.open("rb") as right_file:
        left_rows = CsvRows(left_file)
        right_rows = CsvRows(right_file, left_rows.delimiter)
        yield from _compare_tables(left_rows, right_rows, options)


def _compare_tables(left: CsvRows, right: CsvRows, options: Options) -> Iterator[Difference]:
    left_first, right_first = left.next_row(), right.next_row()
    columns = _columns(left_first or [], right_first or [], options)
    names = [[name for name in side if name not in options.ignore] for side in (columns.left_names, columns.right_names)]
    yield from compare_names(*names)
    missing = [name for name in options.sort_by if not all(name in side for side in names)]
    tally = _CellTally(columns, options)
    first = RowPair(0, left_first or [], right_first or [])
    if not missing and (options.sort_by or options.unordered):
        tally.add_rows(_sorted_pairs(first, left, right, columns, options))
    elif not missing:
        pairs = read_pairs(left, right) if columns.has_header else itertools.chain([first], read_pairs(left, right))
        tally.add_rows((pair.number, columns.pair_cells(pair)) for pair in pairs)
    for side in (left, right):
        side.skip()
    headers = int(columns.has_header)
    counts = max(0, left.count - headers), max(0, right.count - headers)
    if counts[0] != counts[1]:
        yield Difference("rows", str(counts[0]), str(counts[1]))
    elif missing:
        yield describe_unsortable(names, missing)
    else:
        yield from tally.differences(counts[0], headers)


def _columns(left: list[str], right: list[str], options: Options) -> _Columns:
    """What the first rows say. Where one of their cells is a number they are rows, and columns have numbers for names.

    Unless the rule has a name from there: a table of years has numbers for names too.

    SageMaker's own CSV convention for tabular data has no header.
    """
    sides = [[decode_cell(cell) for cell in row] for row in (left, right)]
    has_header = not any(is_number_text(cell) for side in sides for cell in side) or _are_named(sides, options)
    if not has_header:
        sides = [[str(position) for position in range(len(side))] for side in sides]
    positions = [{key: position for position, key in enumerate(numbered(side))} for side in sides]
    keys = tuple(key for key in positions[0] if key in positions[1] and key[0] not in options.ignore)
    pairs = tuple((positions[0][key], positions[1][key]) for key in keys)
    are_aligned = pairs == tuple((place, place) for place in range(len(sides[0])))
    return _Columns(sides[0], sides[1], pairs, keys, has_header, are_aligned)


def _are_named(first_rows: list[list[str]], options: Options) -> bool:
    """Whether the rule names a column by a cell of both first rows that is not the number of a column."""
    in_rule = {*options.ignore, *options.sort_by, *options.types}
    positions = set(map(str, range(max(map(len, first_rows)))))
    return bool((in_rule - positions).intersection(*first_rows))


class _CellTally:
    """What differs in rows that stand side by side."""

    def __init__(self, columns: _Columns, options: Options) -> None:
        self._columns = columns
        self._tally = TableTally()
        kinds = [options.types.get(name) for name, _ in columns.keys]
        by_kind = {kind: cell_comparison(options, kind) for kind in set(kinds)}
        self._compare: list[Callable[[str, str], CellDifference | None]] = [by_kind[kind] for kind in kinds]

    def add_rows(self, rows: Iterable[tuple[int, Iterable[CellPair]]]) -> None:
        """The cells of rows, with the number of each row."""
        for number, cells in rows:
            if self._tally.is_full:
                return
            for column, (cell, other) in enumerate(cells):
                if cell != other:
                    self._add(column, number, cell, other)

    def _add(self, column: int, row: int, left: str | None, right: str | None) -> None:
        apart = None
        if left is not None and right is not None and column < len(self._compare):
            difference = self._compare[column](left, right)
            if difference is None:
                return
            apart = difference.distance
        self._tally.count(column, 1, apart)
        if self._tally.is_shown(column):
            texts = (_NO_CELL if cell is None else decode_cell(cell) for cell in (left, right))
            self._tally.add(column, row, *texts)

    def differences(self, rows: int, headers: int) -> Iterator[Difference]:
        """What was found, with rows counted from the first one that is no header."""
        labels = [*map(label, self._columns.keys), "behind the last column"]
        yield from self._tally.differences(labels, rows, first_row=headers)


def _beyond(row: list[str], names: list[str]) -> str | None:
    return ",".join(row[len(names) :]) if len(row) > len(names) else None


def _sorted_pairs(
    first: RowPair, left: CsvRows, right: CsvRows, columns: _Columns, options: Options
) -> Iterator[tuple[int, Iterable[CellPair]]]:
    """The rows of both sides by the columns of the rule, and then by all others; in any order, those of both are left out."""
    names = [name for name, _ in columns.keys]
    sort_by = [names.index(name) for name in options.sort_by]
    first_rows = ([], []) if columns.has_header else ([first.left], [first.right])
    with ExitStack() as closing:
        sides = [
            closing.enter_context(SortedTexts(_row_texts(itertools.chain(begin, rows.rest()), columns, side, sort_by)))
            for side, (begin, rows) in enumerate(((first_rows[0], left), (first_rows[1], right)))
        ]
        different = sides if sort_by else [_only_left(*sides), _only_left(*sides[::-1])]
        for number, rows in enumerate(zip(*different, strict=False), start=int(columns.has_header)):
            cells = ([None if cell == _ABSENT_CELL else cell for cell in row.split(_CELL_END)[len(sort_by) :]] for row in rows)
            yield number, zip(*cells, strict=True)


def _only_left(left: Iterable[str], right: Iterable[str]) -> Iterator[str]:
    """What the first of two sorted sides has and the other has not, or more often."""
    others = iter(right)
    other = next(others, None)
    for text in left:
        while other is not None and other < text:
            other = next(others, None)
        if text == other:
            other = next(others, None)
        else:
            yield text


def _row_texts(rows: Iterable[list[str]], columns: _Columns, side: int, sort_by: list[int]) -> Iterator[str]:
    """Each row as one text, which begins with the cells to sort by."""
    names = (columns.left_names, columns.right_names)[side]
    for row in rows:
        cells = [*(row[pair[side]] if pair[side] < len(row) else None for pair in columns.pairs), _beyond(row, names)]
        text = _CELL_END.join(_ABSENT_CELL if cell is None else cell for cell in [*(cells[at] for at in sort_by), *cells])
        if text.count(_CELL_END) != len(cells) + len(sort_by) - 1:
            raise UnreadableError("a cell has a NUL, and cannot be sorted")
        yield text
