"""How one result is compared, as people write it in a suite file."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticKnownError

from lyftlearn_image.parity.compare.options import Options
from lyftlearn_image.parity.compare.registry import COMPARATORS, load_comparator


def _comparator(name: Any) -> Any:
    if isinstance(name, str) and name in COMPARATORS:
        return name
    *names, last = (repr(each) for each in COMPARATORS)
    raise PydanticKnownError("literal_error", {"expected": f"{', '.join(names)} or {last}"})


def _list_comparators(schema: dict[str, Any]) -> None:
    schema["enum"] = list(COMPARATORS)


class Rule(Options):
    """What counts as the same. A number is the same when |a - b| <= atol + rtol * |b|."""

    compare: Annotated[str, BeforeValidator(_comparator)] = Field(
        description="How the two sides are compared.", json_schema_extra=_list_comparators
    )
    members: dict[str, Rule] = Field(default={}, description="Pattern of an archive's members → rule; first match wins.")

    @property
    def tolerance(self) -> str:
        """All that is not exact about it, in words, with the rules of an archive's members."""
        rules = "; ".join(f"{pattern}: {rule.compare}, {rule.tolerance}" for pattern, rule in self.members.items())
        return f"members {rules}" if rules else super().tolerance

    @model_validator(mode="after")
    def _takes_only_its_options(self) -> Self:
        options = load_comparator(self.compare).OPTIONS
        foreign = sorted(self.model_fields_set - {"compare"} - options)
        if foreign:
            known = ", ".join(sorted(options)) or "no further key"
            raise ValueError(f"{', '.join(foreign)} means nothing to `{self.compare}`, which takes {known}")
        return self
