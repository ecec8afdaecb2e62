"""What two models predicted, compared within the tolerance."""

from __future__ import annotations

import base64
import binascii
import math
from typing import TYPE_CHECKING, Any

from lyftlearn_image.parity.compare.arrays import compare_arrays
from lyftlearn_image.parity.compare.model_reply import ArrayResult, ItemsResult
from lyftlearn_image.parity.differences import Difference, format_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.parity.compare.model_reply import ModelPredictions, Reply
    from lyftlearn_image.parity.compare.options import Options


def compare_predictions(left: Reply, right: Reply, options: Options) -> Iterator[Difference]:
    """Differences of two answers: `/predict` is the place of the values of that method."""
    if [each.model for each in left.models] != [each.model for each in right.models]:
        shown = [", ".join(each.model for each in side.models) for side in (left, right)]
        yield Difference("/predictions", shown[0], shown[1], "the models that predict")
        return
    for one, other in zip(left.models, right.models, strict=True):
        if one.rows != other.rows:
            yield Difference(f"{one.model}/predictions", one.rows, other.rows, "the rows to predict on")
        if one.failed != other.failed:
            yield Difference(f"{one.model}/predictions", _failures(one), _failures(other), "methods that failed")
        for method in sorted(one.values.keys() | other.values.keys()):
            yield from _compare(one.values.get(method), other.values.get(method), options, f"{one.model}/{method}")


def methods_that_failed(reply: Reply) -> tuple[str, ...]:
    """`predict_proba: ValueError: …` for each method of which there are no values to compare."""
    return tuple(f"{each.model}{name}: {why}" for each in reply.models for name, why in each.failed.items())


def _failures(side: ModelPredictions) -> str:
    return "; ".join(f"{name}: {why}" for name, why in sorted(side.failed.items())) or "none"


def _compare(left: Any, right: Any, options: Options, place: str) -> Iterator[Difference]:
    if left is None or right is None or left.kind != right.kind:
        yield Difference(place, left and left.kind, right and right.kind)
    elif isinstance(left, ArrayResult):
        try:
            difference = compare_arrays(_array(left), _array(right), options, place)
        except (ValueError, TypeError, binascii.Error) as error:
            difference = Difference(place, left.dtype, right.dtype, f"not comparable: {error}")
        if difference:
            yield difference
    elif left.shape != right.shape:
        yield Difference(place, str(left.shape), str(right.shape), "shape")
    elif isinstance(left, ItemsResult):
        yield from _compare_items(left, right, place)
    else:
        for name in sorted(left.parts.keys() | right.parts.keys()):
            yield from _compare(left.parts.get(name), right.parts.get(name), options, f"{place}/{name}")


def _compare_items(left: ItemsResult, right: ItemsResult, place: str) -> Iterator[Difference]:
    if len(left.items) != len(right.items):
        yield Difference(place, f"{len(left.items)} items", f"{len(right.items)} items", "length")
        return
    different = [index for index, pair in enumerate(zip(left.items, right.items, strict=True)) if pair[0] != pair[1]]
    if different:
        first = different[0]
        detail = f"{len(different)} of {len(left.items)} values differ"
        yield Difference(f"{place}[{first}]", format_value(left.items[first]), format_value(right.items[first]), detail)


def _array(result: ArrayResult) -> Any:
    import numpy as np  # noqa: PLC0415 - 100 ms, for suites with models

    dtype, data = np.dtype(result.dtype), base64.b64decode(result.base64, validate=True)
    if len(data) != math.prod(result.shape) * dtype.itemsize:
        raise ValueError("the values are not as many as the shape says")
    return np.frombuffer(data, dtype).reshape(result.shape) if data else np.zeros(result.shape, dtype)
