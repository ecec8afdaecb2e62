"""Artifacts: which files there are on each side, and each by its rule."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from lyftlearn_image.parity.compare.registry import comparator_for, compare_pair
from lyftlearn_image.parity.compare.rule import Rule
from lyftlearn_image.parity.differences import Comparison, Difference

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lyftlearn_image.parity.compare.comparator import ComparatorContext

OBSERVATION_DIR = ".lyftlearn"


def compare_artifacts(rules: Mapping[str, Rule], context: ComparatorContext) -> tuple[Comparison, ...]:
    """A comparison for every file of either side, in the order of their names.

    A rule whose pattern matches no file of either side is a comparison too, with one difference: what was expected to
    be compared is not there.
    """
    left, right = _list_files(context.left), _list_files(context.right)
    names = sorted(left.keys() | right.keys())
    unused = [pattern for pattern in rules if not any(fnmatchcase(name, pattern) for name in names)]
    absent = Difference("", None, None, "no such file on either side")
    comparisons = []
    for name in names:
        rule = _find_rule(name, rules)
        if name in left and name in right:
            comparisons.append(compare_files(name, (left[name], right[name]), rule, context))
        else:
            only = Difference(
                "", "a file" if name in left else None, "a file" if name in right else None, "the file is on one side only"
            )
            comparisons.append(Comparison(name, rule.compare, (only,), rule.tolerance))
    return (*comparisons, *(Comparison(pattern, rules[pattern].compare, (absent,)) for pattern in unused))


def compare_files(subject: str, files: tuple[Path, Path], rule: Rule, context: ComparatorContext) -> Comparison:
    """What the rule's comparator finds in the two files."""
    differences = compare_pair(rule.compare, files, rule, context)
    return Comparison(subject, rule.compare, differences, rule.tolerance)


def _find_rule(name: str, rules: Mapping[str, Rule]) -> Rule:
    matching = (rule for pattern, rule in rules.items() if fnmatchcase(name, pattern))
    return next(matching, None) or Rule(compare=comparator_for(name))


def _list_files(artifacts: Mapping[str, Path]) -> dict[str, Path]:
    """`<artifact>/<path below it>` → file, without what the shim itself left."""
    files = {}
    for artifact, top in artifacts.items():
        if artifact == OBSERVATION_DIR.removeprefix("."):
            continue
        for path in sorted(top.rglob("*")):
            below = path.relative_to(top)
            if path.is_file() and OBSERVATION_DIR not in below.parts:
                files[f"{artifact}/{below.as_posix()}"] = path
    return files
