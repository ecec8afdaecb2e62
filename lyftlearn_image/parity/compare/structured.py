"""JSON: the same values at the same places, numbers within the tolerance."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from lyftlearn_image.parity.compare.tolerance import bounded, close
from lyftlearn_image.parity.differences import Difference, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.parity.compare.comparator import Tools
    from lyftlearn_image.parity.compare.rule import Rule


def compare(left: Path, right: Path, rule: Rule, tools: Tools) -> tuple[Difference, ...]:  # noqa: ARG001 - the comparators' signature
    """Differences of two JSON files (or JSON lines), each with its JSON pointer."""
    try:
        mine, theirs = _read(left), _read(right)
    except ValueError as error:
        return (Difference("", _beginning(left), _beginning(right), f"not JSON: {error}"),)
    return bounded(compare_values(mine, theirs, rule))


def compare_values(left: Any, right: Any, rule: Rule, pointer: str = "") -> Iterator[Difference]:
    """Differences of two JSON values. 1 and 1.0 are the same number; true is none."""
    if any(fnmatchcase(pointer, pattern) for pattern in rule.ignore):
        return
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted(left.keys() | right.keys()):
            below = f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"
            if key in left and key in right:
                yield from compare_values(left[key], right[key], rule, below)
            elif not any(fnmatchcase(below, pattern) for pattern in rule.ignore):
                yield Difference(below, shown(left[key]) if key in left else None, shown(right[key]) if key in right else None)
    elif isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right):
            yield Difference(pointer, f"{len(left)} items", f"{len(right)} items", "length")
        for position, (mine, theirs) in enumerate(zip(left, right, strict=False)):
            yield from compare_values(mine, theirs, rule, f"{pointer}/{position}")
    elif not _same(left, right, rule):
        yield Difference(pointer, shown(left), shown(right), _distance(left, right))


def _same(left: Any, right: Any, rule: Rule) -> bool:
    if _is_number(left) and _is_number(right):
        return (
            close(float(left), float(right), rule)
            if isinstance(left, float) or isinstance(right, float)
            else _integers(left, right, rule)
        )
    return type(left) is type(right) and bool(left == right)


def _integers(left: int, right: int, rule: Rule) -> bool:
    return left == right or abs(left - right) <= rule.atol + rule.rtol * abs(right)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _distance(left: Any, right: Any) -> str:
    return f"|Δ| {abs(left - right):.3g}" if _is_number(left) and _is_number(right) else ""


def _read(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    try:
        return json.loads(text)
    except ValueError:
        # JSON lines: one document a line. If that is none either, the error of the first line says where.
        return [json.loads(line) for line in text.splitlines() if line.strip()]


def _beginning(path: Path) -> str:
    return shown(path.read_bytes()[:200].decode("utf-8", "backslashreplace"))
