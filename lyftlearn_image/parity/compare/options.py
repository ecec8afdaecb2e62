"""What the comparators can be asked for; each of them takes some of it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

# pydantic reads the annotations when the class is made.
from lyftlearn_image.parity.compare.normalisers import NormaliserName, Replacement

# What every comparator of numbers takes.
NUMERIC_OPTIONS = frozenset({"rtol", "atol", "equal_nan"})


class Options(BaseModel):
    """What counts as the same. A number is the same when |a - b| <= atol + rtol * |b|."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rtol: float = Field(default=0.0, ge=0)
    atol: float = Field(default=0.0, ge=0)
    equal_nan: bool = True
    ignore: tuple[str, ...] = Field(default=(), description="JSON pointers (`*` for any part) or column names.")
    sort_by: tuple[str, ...] = Field(default=(), description="Columns to sort both tables by before comparing.")
    unordered: bool = Field(default=False, description="Whether the order of lines, rows or list items does not count.")
    normalise: tuple[NormaliserName | Replacement, ...] = ()
    inputs: str | None = Field(default=None, description="Artifact with rows that a model predicts on, such as output/X.npy.")

    @property
    def tolerance(self) -> str:
        """All that is not exact about it, in words."""
        parts = [f"{name} {value:g}" for name, value in (("rtol", self.rtol), ("atol", self.atol)) if value]
        if self.ignore:
            parts.append(f"without {', '.join(self.ignore)}")
        if self.unordered:
            parts.append("in any order")
        if self.normalise:
            names = (each if isinstance(each, str) else each.pattern for each in self.normalise)
            parts.append(f"normalised: {', '.join(names)}")
        return "; ".join(parts) or "exact"
