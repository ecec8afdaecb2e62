"""scikit-learn models: by class, parameters, fitted attributes and predictions, never by their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.errors import RunError
from lyftlearn_image.parity.compare.structured import compare_values
from lyftlearn_image.parity.compare.tolerance import bounded
from lyftlearn_image.parity.differences import Difference

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lyftlearn_image.parity.compare.comparator import Tools
    from lyftlearn_image.parity.compare.rule import Rule


def compare(left: Path, right: Path, rule: Rule, tools: Tools) -> tuple[Difference, ...]:
    """Differences of two pickled estimators, which are opened in the image that made them."""
    inputs = None
    if rule.inputs:
        rows = _artifact(tools.left, rule.inputs), _artifact(tools.right, rule.inputs)
        if rows[0] is None or rows[1] is None:
            return (Difference("inputs", str(rows[0]), str(rows[1]), f"there is no {rule.inputs} to predict on"),)
        inputs = (rows[0], rows[1])
    try:
        mine, theirs = tools.models.describe((left, right), inputs)
    except RunError as error:
        return (Difference("", left.name, right.name, str(error)),)
    return bounded(compare_values(mine, theirs, rule))


def _artifact(artifacts: Mapping[str, Path], name: str) -> Path | None:
    top, _, below = name.partition("/")
    path = artifacts[top] / below if top in artifacts else None
    return path if path is not None and path.is_file() else None
