"""Artifacts: which files there are on each side, and each by its rule."""

from __future__ import annotations

import tempfile
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.parity.compare import archives
from lyftlearn_image.parity.compare.model_files.spark_ml import METADATA, is_spark_ml
from lyftlearn_image.parity.compare.registry import MODEL_COMPARATORS, comparator_for, compare_pair, load_comparator
from lyftlearn_image.parity.compare.rule import Rule
from lyftlearn_image.parity.compare.unreadable import UnreadableError, describe_unreadable
from lyftlearn_image.parity.differences import Comparison, Difference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.parity.compare.comparator import ComparatorContext

OBSERVATION_DIR = ".lyftlearn"
# These take a file as it is; to all others what it holds is given where it is compressed.
_AS_IT_IS = ("archive", "bytes", *MODEL_COMPARATORS)


def compare_artifacts(rules: Mapping[str, Rule], context: ComparatorContext) -> tuple[Comparison, ...]:
    """A comparison for every file of either side, in the order of their names.

    A rule that is applied to no file of either side is a comparison too, with one difference: what was expected to be
    compared is not there, or an earlier rule was applied to it.
    """
    left, right = (fold_spark_models(list_files(side), rules) for side in (context.left, context.right))
    names = sorted(left.keys() | right.keys())
    comparisons = []
    for name in names:
        rule = find_rule(name, rules)
        if name not in left or name not in right:
            only = Difference("", _kind(left.get(name)), _kind(right.get(name)), "the file is on one side only")
            comparisons.append(Comparison(name, rule.compare, (only,), rule.tolerance))
        elif is_spark_ml(left[name]) and is_spark_ml(right[name]):
            rule = rule if rule.compare in MODEL_COMPARATORS else Rule(compare=MODEL_COMPARATORS[0])
            differences = load_comparator(rule.compare).compare(left[name], right[name], rule, context)
            comparisons.append(Comparison(name, rule.compare, differences, rule.tolerance))
        elif left[name].is_dir() or right[name].is_dir():
            comparisons.append(_compare_links(name, left[name], right[name]))
        else:
            comparisons.append(compare_files(name, (left[name], right[name]), rule, context))
    return (*comparisons, *_find_unused(rules, names))


def compare_files(subject: str, files: tuple[Path, Path], rule: Rule, context: ComparatorContext) -> Comparison:
    """What the rule's comparator finds in the two files, or in what they hold where both are compressed."""
    if rule.compare in _AS_IT_IS or not archives.are_compressed(files):
        return Comparison(subject, rule.compare, compare_pair(rule.compare, files, rule, context), rule.tolerance)
    with tempfile.TemporaryDirectory(dir=files[0].parent) as directory:
        try:
            differences = compare_pair(rule.compare, archives.unpack_pair(files, Path(directory)), rule, context)
        except UnreadableError as error:
            differences = (describe_unreadable(*files, "a compressed file that can be read", error),)
    return Comparison(subject, rule.compare, differences, rule.tolerance)


def find_rule(name: str, rules: Mapping[str, Rule]) -> Rule:
    """The first rule whose pattern matches; without one the comparator is chosen by the file's suffix."""
    matching = (rule for pattern, rule in rules.items() if fnmatchcase(name, pattern))
    return next(matching, None) or Rule(compare=comparator_for(name))


def list_files(artifacts: Mapping[str, Path]) -> dict[str, Path]:
    """`<artifact>/<path below it>` → file, or link to a directory, without what the shim itself left."""
    files = {}
    for artifact, top in artifacts.items():
        if artifact == OBSERVATION_DIR.removeprefix("."):
            continue
        for path in sorted(top.rglob("*")):
            below = path.relative_to(top)
            if (path.is_file() or path.is_symlink()) and OBSERVATION_DIR not in below.parts:
                files[f"{artifact}/{below.as_posix()}"] = path
    return files


def fold_spark_models(files: Mapping[str, Path], rules: Mapping[str, Rule]) -> dict[str, Path]:
    """The files, with each directory that Spark ML wrote in place of its files, whose names are random.

    A directory stays as it is where a rule is for files within it.
    """
    found = {name.removesuffix(METADATA): path.parent.parent for name, path in files.items() if name.endswith(METADATA)}
    models: dict[str, Path] = {}
    for name, path in sorted(found.items()):
        is_below = any(name.startswith(f"{other}/") for other in models)
        if not is_below and is_spark_ml(path) and not _is_ruled_within(name, files, rules):
            models[name] = path
    others = {name: path for name, path in files.items() if not any(name.startswith(f"{model}/") for model in models)}
    return others | models


def _is_ruled_within(directory: str, files: Mapping[str, Path], rules: Mapping[str, Rule]) -> bool:
    patterns = [pattern for pattern in rules if not fnmatchcase(directory, pattern)]
    return any(fnmatchcase(name, each) for name in files if name.startswith(f"{directory}/") for each in patterns)


def _find_unused(rules: Mapping[str, Rule], names: list[str]) -> list[Comparison]:
    unused = {pattern: [name for name in names if fnmatchcase(name, pattern)] for pattern in rules}
    for name in names:
        if (first := next((pattern for pattern in rules if fnmatchcase(name, pattern)), None)) in unused:
            del unused[first]
    comparisons = []
    for pattern, matching in unused.items():
        detail = f"never applied: an earlier rule is for {matching[0]}" if matching else "no such file on either side"
        comparisons.append(Comparison(pattern, rules[pattern].compare, (Difference("", None, None, detail),)))
    return comparisons


def _compare_links(name: str, left: Path, right: Path) -> Comparison:
    """A link to a directory is compared by where it leads; the files there are compared where they are."""
    sides = [f"a link to {path.readlink()}" if path.is_symlink() else _kind(path) for path in (left, right)]
    differences = (Difference("", sides[0], sides[1], "what it is"),) if sides[0] != sides[1] else ()
    return Comparison(name, "link", differences)


def _kind(path: Path | None) -> str | None:
    if path is None:
        return None
    return "a link to a directory" if path.is_dir() else "a file"
