"""How one result is compared, as people write it in a suite file."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Comparator = Literal["text", "bytes", "json", "table", "array", "sklearn-model"]
NAMED_NORMALISERS = ("timestamps", "durations", "addresses", "pids", "temporary-paths")

# Which keys mean something to which comparator; any other combination is a mistake that must be told.
_NUMERIC = {"rtol", "atol", "equal_nan"}
_KEYS: dict[str, set[str]] = {
    "text": {"normalise"},
    "bytes": set(),
    "json": _NUMERIC | {"ignore"},
    "table": _NUMERIC | {"ignore", "sort_by"},
    "array": _NUMERIC,
    "sklearn-model": _NUMERIC | {"inputs", "ignore"},
}


def _normaliser(name: str) -> str:
    if name not in NAMED_NORMALISERS:
        raise ValueError(f"expected one of {', '.join(NAMED_NORMALISERS)}, or {{pattern, replace}}")
    return name


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"expected a regular expression: {error}") from None
    return text


class Replacement(BaseModel):
    """A normaliser of one's own: every match of `pattern` becomes `replace`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pattern: Annotated[str, AfterValidator(_regex)]
    replace: str = "…"


class Rule(BaseModel):
    """What counts as the same. A number is the same when |a - b| <= atol + rtol * |b|."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    compare: Comparator
    rtol: float = Field(default=0.0, ge=0)
    atol: float = Field(default=0.0, ge=0)
    equal_nan: bool = True
    ignore: tuple[str, ...] = Field(default=(), description="JSON pointers (`*` for any part) or column names.")
    sort_by: tuple[str, ...] = Field(default=(), description="Columns to sort both tables by before comparing.")
    normalise: tuple[Annotated[str, AfterValidator(_normaliser)] | Replacement, ...] = ()
    inputs: str | None = Field(default=None, description="Artifact with rows that a model predicts on, such as output/X.npy.")

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        foreign = sorted(self.model_fields_set - {"compare"} - _KEYS[self.compare])
        if foreign:
            known = ", ".join(sorted(_KEYS[self.compare])) or "no further key"
            raise ValueError(f"{', '.join(foreign)} means nothing to `{self.compare}`, which takes {known}")
        return self

    @property
    def tolerance(self) -> str:
        """The rule's tolerance in words."""
        parts = [f"{name} {value:g}" for name, value in (("rtol", self.rtol), ("atol", self.atol)) if value]
        if self.ignore:
            parts.append(f"without {', '.join(self.ignore)}")
        if self.normalise:
            parts.append(f"normalised: {', '.join(one if isinstance(one, str) else one.pattern for one in self.normalise)}")
        return "; ".join(parts) or "exact"
