"""CSV files as rows of text cells, a piece of the file at a time."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lyftlearn_image.parity.compare.unreadable import UnreadableError, reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# A row is held whole: 100,000 columns with 80 characters each fit.
MAX_ROW_BYTES = 1 << 23
_BLOCK_BYTES = 1 << 20
_DELIMITERS = ",;\t|"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class RowPair(NamedTuple):
    """Two rows that are not the same, and their number."""

    number: int
    left: list[str]
    right: list[str]


class CsvRows:
    """The rows of a CSV file. Each character of a cell is a byte of the file: `decode_cell` gives what it says.

    `count` is the number of rows that have been taken.
    """

    def __init__(self, file: BinaryIO, delimiter: str | None = None) -> None:
        self._file = file
        self._partial = file.read(len(_BYTE_ORDER_MARK)).removeprefix(_BYTE_ORDER_MARK)
        self._lines: list[bytes] = []
        self._taken = 0
        self._row_bytes = 0
        self.count = 0
        self.has_quotes = False
        self.fill()
        # With a wrong delimiter rows are single cells, and compared all the same.
        first = self._lines[0].decode("latin-1") if self._lines else ""
        self.delimiter = delimiter or next((each for each in _DELIMITERS if each in first), ",")
        # Python's own limit of a cell, for all of its readers, is lower.
        csv.field_size_limit(MAX_ROW_BYTES)
        # What a quotation mark within a cell means is a matter of taste: nothing is read into it.
        self._reader = csv.reader(iter(self._next_text, ""), delimiter=self.delimiter, strict=True)

    def fill(self) -> int:
        """The number of lines that have been read and not taken; 0 at the end of the file."""
        while self._taken == len(self._lines):
            block = self._file.read(_BLOCK_BYTES)
            if not block and not self._partial:
                self._lines, self._taken = [], 0
                break
            if len(self._partial) > MAX_ROW_BYTES:
                raise UnreadableError(f"a line has more than {MAX_ROW_BYTES} bytes")
            # bytes.splitlines knows \n, \r and \r\n, and no others.
            data = self._partial + block
            self._lines, self._taken = data.splitlines(keepends=True), 0
            # The last line may go on in the next block, also with the \n after a \r.
            self._partial = self._lines.pop() if block else b""
            self.has_quotes = b'"' in data
        return len(self._lines) - self._taken

    def take_rows(self, number: int) -> list[bytes]:
        """The next lines, of which so many are there, where each is a row: none has a quotation mark."""
        self.count += number
        return self._take(number)

    def _take(self, number: int) -> list[bytes]:
        self._taken += number
        return self._lines[self._taken - number : self._taken]

    def split(self, lines: Iterable[bytes]) -> Iterator[list[str]]:
        """The cells of lines without quotation marks."""
        return csv.reader((line.decode("latin-1") for line in lines), delimiter=self.delimiter)

    def next_row(self) -> list[str] | None:
        """The cells of the next row; None at the end."""
        self._row_bytes = 0
        try:
            row: list[str] | None = next(self._reader, None)
        except csv.Error as error:
            raise UnreadableError(str(error)) from error
        if row is not None:
            self.count += 1
        return row

    def skip(self) -> None:
        """Takes all further rows, and only counts them."""
        while count := self.fill():
            if self.has_quotes:
                self.next_row()
            else:
                self.take_rows(count)

    def rest(self) -> Iterator[list[str]]:
        """All further rows."""
        while (row := self.next_row()) is not None:
            yield row

    def _next_text(self) -> str:
        if not self.fill():
            return ""
        (line,) = self._take(1)
        self._row_bytes += len(line)
        if self._row_bytes > MAX_ROW_BYTES:
            raise UnreadableError(f"a row has more than {MAX_ROW_BYTES} bytes")
        return line.decode("latin-1")


def read_pairs(left: CsvRows, right: CsvRows) -> Iterator[RowPair]:
    """The rows that are not the same, side by side, until both sides have no more; with their number on the left."""
    while True:
        number = left.count
        count = min(left.fill(), right.fill())
        if count and not left.has_quotes and not right.has_quotes:
            yield from _differing(left, right, left.take_rows(count), right.take_rows(count), number)
            continue
        left_row, right_row = left.next_row(), right.next_row()
        if left_row is None and right_row is None:
            return
        if left_row is not None and right_row is not None and left_row != right_row:
            yield RowPair(number, left_row, right_row)


def _differing(
    left: CsvRows, right: CsvRows, left_lines: list[bytes], right_lines: list[bytes], number: int
) -> Iterator[RowPair]:
    """Of lines that are rows each, those that differ; most of two large files is the same, and is not taken apart."""
    places = [place for place, (line, other) in enumerate(zip(left_lines, right_lines, strict=True)) if line != other]
    with reading():
        rows = zip(
            places,
            left.split(left_lines[place] for place in places),
            right.split(right_lines[place] for place in places),
            strict=True,
        )
        yield from (RowPair(number + place, row, other) for place, row, other in rows if row != other)


def decode_cell(cell: str) -> str:
    """The text of a cell; a byte that is no UTF-8 as its escape."""
    return cell.encode("latin-1").decode("utf-8", "backslashreplace")
