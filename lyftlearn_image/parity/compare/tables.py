"""Tables (CSV, Parquet): columns, types, rows, values within the tolerance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.parity.compare.csv_tables import compare_csv
from lyftlearn_image.parity.compare.options import NUMERIC_OPTIONS
from lyftlearn_image.parity.compare.tolerance import limit_differences
from lyftlearn_image.parity.compare.unreadable import UnreadableError, describe_unreadable

if TYPE_CHECKING:
    from pathlib import Path

    from lyftlearn_image.parity.compare.comparator import ComparatorContext
    from lyftlearn_image.parity.compare.options import Options
    from lyftlearn_image.parity.differences import Difference

OPTIONS = NUMERIC_OPTIONS | {"atol_time", "ignore", "sort_by", "types", "unordered"}
SUFFIXES = (".csv", ".tsv", ".parquet")
_PARQUET = b"PAR1"


def compare(left: Path, right: Path, options: Options, _: ComparatorContext) -> tuple[Difference, ...]:
    """Differences of two tables, by column."""
    try:
        if left.suffix.lower() == ".parquet" or _begins_as_parquet(left):
            from lyftlearn_image.parity.compare.parquet_tables import compare_parquet  # noqa: PLC0415 - Arrow takes 200 ms

            return limit_differences(compare_parquet(left, right, options))
        return limit_differences(compare_csv(left, right, options))
    except UnreadableError as error:
        return (describe_unreadable(left, right, "a table that can be read", error),)


def _begins_as_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_PARQUET)) == _PARQUET
