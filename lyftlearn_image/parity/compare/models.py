"""scikit-learn models: by class, parameters, fitted attributes and predictions, never by their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.errors import RunError
from lyftlearn_image.parity.compare.options import NUMERIC_OPTIONS
from lyftlearn_image.parity.compare.structured import compare_values
from lyftlearn_image.parity.compare.tolerance import limit_differences
from lyftlearn_image.parity.differences import Difference

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lyftlearn_image.parity.compare.comparator import ComparatorContext
    from lyftlearn_image.parity.compare.options import Options

OPTIONS = NUMERIC_OPTIONS | {"inputs", "ignore"}
# A pickle runs code: it is opened only where a rule asks for it.
SUFFIXES: tuple[str, ...] = ()


def compare(left: Path, right: Path, options: Options, context: ComparatorContext) -> tuple[Difference, ...]:
    """Differences of two pickled estimators, which are opened in the image that made them."""
    inputs = None
    if options.inputs:
        rows = _find_file(context.left, options.inputs), _find_file(context.right, options.inputs)
        if rows[0] is None or rows[1] is None:
            return (Difference("inputs", str(rows[0]), str(rows[1]), f"there is no {options.inputs} to predict on"),)
        inputs = (rows[0], rows[1])
    try:
        left_model, right_model = context.models.describe((left, right), inputs)
    except RunError as error:
        return (Difference("", left.name, right.name, str(error)),)
    return limit_differences(compare_values(left_model, right_model, options))


def _find_file(artifacts: Mapping[str, Path], name: str) -> Path | None:
    artifact, _, below = name.partition("/")
    path = artifacts[artifact] / below if artifact in artifacts else None
    return path if path is not None and path.is_file() else None
