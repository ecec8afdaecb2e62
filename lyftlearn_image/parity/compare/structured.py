"""JSON: the same values at the same places, numbers within the tolerance."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from lyftlearn_image.parity.compare.options import NUMERIC_OPTIONS
from lyftlearn_image.parity.compare.tolerance import is_number, is_same, limit_differences
from lyftlearn_image.parity.differences import Difference, format_value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.parity.compare.comparator import ComparatorContext
    from lyftlearn_image.parity.compare.options import Options

OPTIONS = NUMERIC_OPTIONS | {"ignore"}
SUFFIXES = (".json", ".jsonl")
_ABSENT = object()


def compare(left: Path, right: Path, options: Options, _: ComparatorContext) -> tuple[Difference, ...]:
    """Differences of two JSON files (or JSON lines), each with its JSON pointer."""
    try:
        left_documents, right_documents = _read(left), _read(right)
    except ValueError as error:
        return (Difference("", _beginning(left), _beginning(right), f"not JSON: {error}"),)
    if len(left_documents) == len(right_documents) == 1:
        return limit_differences(compare_values(left_documents[0], right_documents[0], options))
    return limit_differences(compare_values(left_documents, right_documents, options))


def compare_values(left: Any, right: Any, options: Options, pointer: str = "") -> Iterator[Difference]:
    """Differences of two JSON values. 1 and 1.0 are the same number; true is none."""
    if any(fnmatchcase(pointer, pattern) for pattern in options.ignore):
        return
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted(left.keys() | right.keys()):
            below = f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"
            yield from compare_values(left.get(key, _ABSENT), right.get(key, _ABSENT), options, below)
    elif isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right):
            yield Difference(pointer, f"{len(left)} items", f"{len(right)} items", "length")
        for position, pair in enumerate(zip(left, right, strict=False)):
            yield from compare_values(*pair, options, f"{pointer}/{position}")
    elif not is_same(left, right, options):
        yield Difference(pointer, _format(left), _format(right), _distance(left, right))


def _format(value: Any) -> str | None:
    return None if value is _ABSENT else format_value(value)


def _distance(left: Any, right: Any) -> str:
    if not (is_number(left) and is_number(right)):
        return ""
    try:
        return f"|Δ| {abs(left - right):.3g}"
    except OverflowError:  # an int of more than 308 digits
        return ""


def _read(path: Path) -> list[Any]:
    """The documents of a file: one, or one a line (JSON lines)."""
    text = path.read_text(encoding="utf-8")
    try:
        return [json.loads(text)]
    except ValueError:
        # If these are no JSON lines either, the error of the first line says where.
        return [json.loads(line) for line in text.split("\n") if line.strip()]


def _beginning(path: Path) -> str:
    return format_value(path.read_bytes()[:200].decode("utf-8", "backslashreplace"))
