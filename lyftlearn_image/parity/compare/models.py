"""Models: by all that is in their files, and by what they predict; never by the order of their bytes.

The files are read as data. Only to predict, and only where a rule asks for it, is a model opened, in the image that made it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from lyftlearn_image.errors import RunError
from lyftlearn_image.parity.compare.model_files.process import NOT_COMPARABLE, compare_models
from lyftlearn_image.parity.compare.model_reader import Rows
from lyftlearn_image.parity.compare.options import NUMERIC_OPTIONS
from lyftlearn_image.parity.compare.predictions import compare_predictions, methods_that_failed
from lyftlearn_image.parity.compare.tolerance import limit_differences
from lyftlearn_image.parity.differences import Difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lyftlearn_image.parity.compare.comparator import ComparatorContext
    from lyftlearn_image.parity.compare.options import Options

OPTIONS = NUMERIC_OPTIONS | {"inputs", "ignore"}
SUFFIXES = (".joblib", ".pkl", ".pickle", ".skops", ".safetensors", ".pt", ".pth", ".ubj", ".onnx", ".keras", ".h5", ".hdf5")
_ROW_SUFFIXES = (".npy", ".npz", ".csv", ".parquet", ".jsonl")
_MAX_FOUND_FILES = 8
_MAX_FOUND_BYTES = 64 << 20


def compare(left: Path, right: Path, options: Options, context: ComparatorContext) -> tuple[Difference, ...]:
    """Differences of two models: of their content, then of their predictions.

    Where no predictions were compared, an accepted difference says so.
    """
    try:
        rows = _rows(options, context)
    except RunError as error:
        return (*compare_models(left, right, options), Difference("inputs", None, None, error.what))
    found = compare_models(left, right, options)
    if any(difference.detail.startswith(NOT_COMPARABLE) for difference in found):
        return found
    return (*found, *limit_differences(_compare_predictions((left, right), rows, options, context)))


def _compare_predictions(
    models: tuple[Path, Path], rows: tuple[Rows, Rows] | None, options: Options, context: ComparatorContext
) -> Iterator[Difference]:
    if models[0].is_dir():
        yield _not_compared("a model of Spark ML needs a session of Spark")
        return
    if rows is None:
        yield _not_compared("no rows to predict on were found")
        return
    left, right = context.models.predict(models, rows)
    if isinstance(left, RunError) or isinstance(right, RunError):
        if isinstance(left, RunError) and isinstance(right, RunError) and not rows[0].is_given:
            yield _not_compared(str(left))
            return
        shown = [str(each) if isinstance(each, RunError) else "it predicts" for each in (left, right)]
        yield Difference("predictions", shown[0], shown[1], f"{NOT_COMPARABLE}: predictions could not be made")
        return
    yield from compare_predictions(left, right, options)
    for failure in methods_that_failed(left):
        yield _not_compared(failure)


def _not_compared(why: str) -> Difference:
    detail = f"predictions were not compared: {why}"
    return Difference("predictions", None, None, detail, accepted="what is in the files was compared; `inputs` names rows")


def _rows(options: Options, context: ComparatorContext) -> tuple[Rows, Rows] | None:
    """The rows for each side: those that the rule names, else files of the channels; None where there are none.

    Raises RunError where those that the rule names are not there.
    """
    if options.inputs is not None:
        found = [_find_file(artifacts, options.inputs) for artifacts in (context.left, context.right)]
        left, right = found
        if left is None or right is None:
            where = " and ".join(side for side, path in zip(("left", "right"), found, strict=True) if path is None)
            raise RunError(f"there is no {options.inputs} to predict on on the {where} side")
        return Rows((left,), is_given=True), Rows((right,), is_given=True)
    paths = tuple(itertools.islice(_channel_files(context.channels), _MAX_FOUND_FILES))
    return (Rows(paths, is_given=False),) * 2 if paths else None


def _find_file(artifacts: Mapping[str, Path], name: str) -> Path | None:
    artifact, _, below = name.partition("/")
    path = artifacts[artifact] / below if artifact in artifacts else None
    return path if path is not None and path.is_file() else None


def _channel_files(channels: Sequence[Path]) -> Iterator[Path]:
    """Files with rows, in the order of their names; both models are asked about the same ones."""
    for channel in channels:
        for path in [channel] if channel.is_file() else sorted(channel.rglob("*")):
            if path.suffix in _ROW_SUFFIXES and path.is_file() and path.stat().st_size <= _MAX_FOUND_BYTES:
                yield path
