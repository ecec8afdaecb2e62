"""What is known to change from run to run in a text, and what stands in its place before texts are compared."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Iterable

# What the shim logs before it names the identity that it uses. It does so once, when it fetches something for the first
# time; on one platform it has more to fetch than on the other.
AWS_IDENTITY_LINE = "lyftlearn: AWS identity: "

# Name → pattern and replacement. None of them reaches over the end of a line.
NORMALISERS = {
    "timestamps": (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d:?\d\d)?|\b\d\d:\d\d:\d\d([.,]\d+)?\b", "<time>"),
    "durations": (
        r"\b\d+(\.\d+)?[^\S\n]?(ns|us|µs|ms|s|sec|secs|seconds|m|min|minutes|h|hours)\b",
        "<duration>",
    ),
    "addresses": (r"\b0x[0-9a-fA-F]{4,}\b", "<address>"),
    "pids": (r"\b([Pp][Ii][Dd])([ =:]+)\d+\b", r"\1\2<pid>"),
    "temporary-paths": (r"/tmp/[^\s'\":,]+", "<temporary>"),  # noqa: S108 - what is looked for
}


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"expected a regular expression: {error}") from None
    return text


def _normaliser(name: str) -> str:
    if name not in NORMALISERS:
        raise ValueError(f"expected one of {', '.join(NORMALISERS)}, or {{pattern, replace}}")
    return name


RegularExpression = Annotated[str, AfterValidator(_regex)]
NormaliserName = Annotated[str, AfterValidator(_normaliser)]


class Replacement(BaseModel):
    """A normaliser of one's own: every match of `pattern` becomes `replace`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pattern: RegularExpression
    replace: str = "…"


def normalise(text: str, normalisers: Iterable[str | Replacement]) -> str:
    """The text with each normaliser applied, in their order; a text stands for the one of that name."""
    for normaliser in normalisers:
        pattern, replacement = (
            NORMALISERS[normaliser] if isinstance(normaliser, str) else (normaliser.pattern, normaliser.replace)
        )
        text = re.sub(pattern, replacement, text)
    return text
