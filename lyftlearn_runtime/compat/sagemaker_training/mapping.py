"""Mappings as variables, as words of a command line, and split in two."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class SplitResultSpec(NamedTuple):
    """The two parts of a mapping."""

    included: dict[str, Any]
    excluded: dict[str, Any]


def to_env_vars(mapping: Mapping[str, Any]) -> dict[str, str]:
    """SM_NAME → text: a text as it is, nothing for None, else compact JSON with sorted keys."""
    return {f"SM_{str(name).upper()}" if name else "": _text(value) for name, value in mapping.items()}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("latin1")
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def to_cmd_args(mapping: Mapping[str, Any]) -> list[str]:
    """`--name value` for each, sorted by name; `-n` for a name of one letter."""
    words: list[str] = []
    for name in sorted(mapping):
        dashes = "--" if len(str(name)) > 1 else "-"
        words += [f"{dashes}{name}" if name else "", _word(mapping[name])]
    return words


def _word(value: Any) -> str:
    if hasattr(value, "items"):
        return ",".join(f"{key}={one}" for key, one in sorted(value.items()))
    if value is None:
        return ""
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def split_by_criteria(
    dictionary: Mapping[str, Any], keys: Collection[str] | None = None, prefix: str | None = None
) -> SplitResultSpec:
    """What has one of these keys, or one that begins so; and the rest."""
    wanted = {key for key in dictionary if key in (keys or ()) or (prefix and key.startswith(prefix))}
    included = {key: value for key, value in dictionary.items() if key in wanted}
    return SplitResultSpec(included, {key: value for key, value in dictionary.items() if key not in wanted})
