"""Artifacts: which files there are on each side, and each by its rule."""

from __future__ import annotations

import importlib
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from lyftlearn_image.parity.compare.rule import Rule
from lyftlearn_image.parity.differences import Comparison, Difference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lyftlearn_image.parity.compare.comparator import Tools
    from lyftlearn_image.parity.compare.rule import Comparator

    Compare = Callable[[Path, Path, Rule, Tools], tuple[Difference, ...]]

# Comparator → its module; imported when a file of its kind is compared.
COMPARATORS: Mapping[Comparator, str] = {
    "text": "lyftlearn_image.parity.compare.text",
    "bytes": "lyftlearn_image.parity.compare.binary",
    "json": "lyftlearn_image.parity.compare.structured",
    "table": "lyftlearn_image.parity.compare.tables",
    "array": "lyftlearn_image.parity.compare.arrays",
    "sklearn-model": "lyftlearn_image.parity.compare.models",
}
# What a file is compared as where no rule names it.
BY_SUFFIX: Mapping[str, Comparator] = {
    ".json": "json", ".jsonl": "json", ".csv": "table", ".parquet": "table", ".npy": "array", ".npz": "array",
    ".txt": "text", ".log": "text", ".md": "text", ".yaml": "text",
}  # fmt: skip
OBSERVATION_DIR = ".lyftlearn"


def compare_artifacts(rules: Mapping[str, Rule], tools: Tools) -> tuple[Comparison, ...]:
    """A comparison for every file of either side, in the order of their names.

    A rule whose pattern matches no file of either side is a comparison too, with one difference: what was expected to
    be compared is not there.
    """
    left, right = _files(tools.left), _files(tools.right)
    names = sorted(left.keys() | right.keys())
    comparisons = [_compare_file(name, left.get(name), right.get(name), rules, tools) for name in names]
    unused = [pattern for pattern in rules if not any(fnmatchcase(name, pattern) for name in names)]
    missing = [
        Comparison(pattern, rules[pattern].compare, (Difference("", None, None, "no such file on either side"),))
        for pattern in unused
    ]
    return (*comparisons, *missing)


def comparator(name: Comparator) -> Compare:
    """The function of a comparator."""
    found: Compare = importlib.import_module(COMPARATORS[name]).compare
    return found


def _compare_file(name: str, left: Path | None, right: Path | None, rules: Mapping[str, Rule], tools: Tools) -> Comparison:
    rule = _rule(name, rules)
    if left is None or right is None:
        only = Difference("", "a file" if left else None, "a file" if right else None, "the file is on one side only")
        return Comparison(name, rule.compare, (only,), rule.tolerance)
    return Comparison(name, rule.compare, comparator(rule.compare)(left, right, rule, tools), rule.tolerance)


def _rule(name: str, rules: Mapping[str, Rule]) -> Rule:
    for pattern, rule in rules.items():
        if fnmatchcase(name, pattern):
            return rule
    return Rule(compare=BY_SUFFIX.get("." + name.rpartition(".")[2], "bytes"))


def _files(artifacts: Mapping[str, Path]) -> dict[str, Path]:
    """`<artifact>/<path below it>` → file, without what the shim itself left."""
    found = {}
    for artifact, top in artifacts.items():
        if artifact == OBSERVATION_DIR.removeprefix("."):
            continue
        for path in sorted(top.rglob("*")):
            below = path.relative_to(top)
            if path.is_file() and OBSERVATION_DIR not in below.parts:
                found[f"{artifact}/{below.as_posix()}"] = path
    return found
