"""What the comparators can be asked for; each of them takes some of it."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

# pydantic reads the annotations when the class is made.
from lyftlearn_image.parity.compare.normalisers import NormaliserName, Replacement

# What every comparator of numbers takes.
NUMERIC_OPTIONS = frozenset({"rtol", "atol", "ulp", "equal_nan"})

_NANOSECONDS = {
    "ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9,
}  # fmt: skip
_TIME = re.compile(r"(\d{1,9}) ?(" + "|".join(_NANOSECONDS) + ")")


class ColumnType(StrEnum):
    """What the cells of a column are, where a rule says it."""

    TEXT = "text"
    NULLABLE_TEXT = "nullable-text"
    NUMBER = "number"
    DATETIME = "datetime"


def _time(text: str) -> str:
    if not _TIME.fullmatch(text):
        raise ValueError(f"expected a number and one of {', '.join(_NANOSECONDS)}, such as 5ms")
    return text


class Options(BaseModel):
    """What counts as the same. A number is the same when |a - b| <= atol + rtol * |b|, or within `ulp`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rtol: float = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="How far numbers may be apart, as a part of their size."
    )
    atol: float = Field(default=0.0, ge=0, allow_inf_nan=False, description="How far numbers may be apart.")
    ulp: int = Field(
        default=0,
        ge=0,
        le=2**62,
        description="How many steps two floats may be apart, each to the next float of their type.",
    )
    atol_time: Annotated[str, AfterValidator(_time)] | None = Field(
        default=None, description="How far dates, times and durations may be apart, such as 5ms; atol and rtol are for numbers."
    )
    equal_nan: bool = Field(default=True, description="Whether NaN and NaT equal themselves, in files whose bytes differ.")
    ignore: tuple[str, ...] = Field(default=(), description="JSON pointers (`*` for any part) or column names.")
    sort_by: tuple[str, ...] = Field(default=(), description="Columns to sort both tables by before comparing.")
    unordered: bool = Field(default=False, description="Whether the order of lines, rows or list items does not count.")
    types: dict[str, ColumnType] = Field(
        default_factory=dict,
        description="Column → what its cells are: `text` (never a number), `nullable-text` (NULL, n/a and an empty cell are "
        "one), `number` (however it is written: 007, 1e5) or `datetime` (ISO 8601).",
    )
    normalise: tuple[NormaliserName | Replacement, ...] = Field(
        default=(), description="What is taken out of lines before they are compared: names, or patterns of one's own."
    )
    inputs: str | None = Field(default=None, description="Artifact with rows that a model predicts on, such as output/X.npy.")

    @property
    def has_number_tolerance(self) -> bool:
        """Whether numbers may differ at all."""
        return bool(self.rtol or self.atol or self.ulp)

    @property
    def atol_time_ns(self) -> int:
        """`atol_time` in nanoseconds."""
        match = _TIME.fullmatch(self.atol_time or "")
        return int(match[1]) * _NANOSECONDS[match[2]] if match else 0

    @property
    def tolerance(self) -> str:
        """All that is not exact about it, in words."""
        parts = [f"{name} {value:g}" for name, value in (("rtol", self.rtol), ("atol", self.atol), ("ulp", self.ulp)) if value]
        if self.atol_time:
            parts.append(f"times within {self.atol_time}")
        if self.ignore:
            parts.append(f"without {', '.join(self.ignore)}")
        if self.unordered:
            parts.append("in any order")
        if self.types:
            parts.append(", ".join(f"{name} as {kind}" for name, kind in self.types.items()))
        if self.normalise:
            names = (each if isinstance(each, str) else each.pattern for each in self.normalise)
            parts.append(f"normalised: {', '.join(names)}")
        return "; ".join(parts) or "exact"
