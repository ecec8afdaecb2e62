"""What is found in two tables while they are gone through: by column, how many rows differ, and the first of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from lyftlearn_image.parity.differences import Difference, format_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SHOWN_ROWS = 3
# Cells that differ are counted up to here: by then nobody asks how many there are.
MAX_COUNTED = 1_000_000


class TableTally:
    """Differences of cells, by the position of their column."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._rows: dict[int, list[tuple[int, str, str]]] = {}
        self._largest: dict[int, float] = {}
        self._total = 0

    @property
    def is_full(self) -> bool:
        """Whether so many cells differ that no more are counted."""
        return self._total >= MAX_COUNTED

    def is_shown(self, column: int) -> bool:
        """Whether one more difference of this column would be listed, and not only counted."""
        return len(self._rows.get(column, ())) < SHOWN_ROWS

    def add(self, column: int, row: int, left: str, right: str) -> None:
        """One cell that differs, as text."""
        self._rows.setdefault(column, []).append((row, format_value(left), format_value(right)))

    def count(self, column: int, number: int = 1, largest: float | None = None) -> None:
        """So many cells of a column differ, and are this far apart at most."""
        self._counts[column] += number
        self._total += number
        if largest is not None:
            self._largest[column] = max(self._largest.get(column, 0.0), largest)

    def differences(self, labels: Sequence[str], rows: int, first_row: int = 0) -> Iterator[Difference]:
        """What was found, in the order of the columns, with rows counted from `first_row` on."""
        for column in sorted(self._counts):
            detail = f"{'at least ' if self.is_full else ''}{self._counts[column]} of {rows} rows differ"
            if column in self._largest:
                detail += f", largest |Δ| {self._largest[column]:.3g}"
            for row, left, right in self._rows[column]:
                yield Difference(f"{labels[column]}, row {row - first_row}", left, right, detail)


def numbered(names: Sequence[str]) -> list[tuple[str, int]]:
    """Each column's name, and which one of that name it is: a table may have a name several times."""
    seen: Counter[str] = Counter()
    keys = []
    for name in names:
        seen[name] += 1
        keys.append((name, seen[name]))
    return keys


def label(key: tuple[str, int]) -> str:
    """How a column is called in a report."""
    name, number = key
    return f"column {name!r}" if number == 1 else f"column {name!r} ({number})"


def compare_names(left: Sequence[str], right: Sequence[str]) -> Iterator[Difference]:
    """The difference of two lists of columns, if there is one."""
    if list(left) != list(right):
        yield Difference("columns", format_value(", ".join(left)), format_value(", ".join(right)))


def describe_unsortable(names: Sequence[Sequence[str]], missing: Sequence[str]) -> Difference:
    """Two tables that cannot be sorted as the rule asks for."""
    left, right = (format_value(", ".join(side)) for side in names)
    return Difference("sort_by", left, right, f"no column {', '.join(missing)} to sort by")
