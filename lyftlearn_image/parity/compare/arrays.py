"""numpy arrays (.npy, .npz): type, shape and values within the tolerance. Pickled objects are never loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.parity.compare.options import NUMERIC_OPTIONS
from lyftlearn_image.parity.compare.tolerance import limit_differences
from lyftlearn_image.parity.differences import Difference, format_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy as np

    from lyftlearn_image.parity.compare.comparator import ComparatorContext
    from lyftlearn_image.parity.compare.options import Options

    Array = np.ndarray[Any, np.dtype[Any]]

OPTIONS = NUMERIC_OPTIONS
SUFFIXES = (".npy", ".npz")


def compare(left: Path, right: Path, options: Options, _: ComparatorContext) -> tuple[Difference, ...]:
    """Differences of two array files, one an array."""
    try:
        left_arrays, right_arrays = _read(left), _read(right)
    except (ValueError, OSError, EOFError) as error:
        return (Difference("", left.name, right.name, f"not a numpy file that can be read without pickle: {error}"),)
    return limit_differences(_compare_members(left_arrays, right_arrays, options))


def _compare_members(left: Mapping[str, Array], right: Mapping[str, Array], options: Options) -> Iterator[Difference]:
    for name in sorted(left.keys() | right.keys()):
        if name not in left or name not in right:
            yield Difference(name, _form(left[name]) if name in left else None, _form(right[name]) if name in right else None)
        else:
            difference = compare_arrays(left[name], right[name], options, name)
            if difference:
                yield difference


def compare_arrays(left: Array, right: Array, options: Options, name: str = "") -> Difference | None:
    """The difference of two arrays: how many values, and the largest with its index behind `name`."""
    import numpy as np  # noqa: PLC0415 - 100 ms, for suites with arrays

    if left.dtype != right.dtype or left.shape != right.shape:
        return Difference(name, _form(left), _form(right), "type or shape")
    left, right = np.atleast_1d(left), np.atleast_1d(right)
    is_different = ~_same_values(left, right, options)
    count = np.count_nonzero(is_different)
    if not count:
        return None
    detail = f"{count} of {left.size} values differ"
    index = np.argwhere(is_different)[0]
    if left.dtype.kind in "fiu":
        distance = np.where(is_different, _distance(left, right), 0)
        # What NaN is away from a number is no distance.
        distance = np.where(np.isnan(distance), 0, distance)
        if distance.max() > 0:
            index = np.unravel_index(int(distance.argmax()), distance.shape)
        detail += f", largest |Δ| {distance.max():.3g}"
    place = tuple(int(each) for each in index)
    shown = format_value(left[place].item()), format_value(right[place].item())
    return Difference(f"{name}[{', '.join(map(str, place))}]", *shown, detail)


def _same_values(left: Array, right: Array, options: Options) -> Any:
    """Where two arrays of one type and shape have the same value."""
    import numpy as np  # noqa: PLC0415 - see compare_arrays

    if left.dtype.names:
        same = [_same_values(left[name], right[name], options) for name in left.dtype.names]
        # A field of a record may be an array itself: its own axes come last.
        return np.logical_and.reduce([each.all(axis=tuple(range(left.ndim, each.ndim))) for each in same])
    with np.errstate(all="ignore"):
        if left.dtype.kind in "fc":
            return np.isclose(left, right, rtol=options.rtol, atol=options.atol, equal_nan=options.equal_nan)
        if left.dtype.kind in "iu" and (options.rtol or options.atol):
            return _distance(left, right) <= options.atol + options.rtol * np.abs(right.astype(float))
        same = left == right
        if left.dtype.kind in "mM" and options.equal_nan:
            same |= np.isnat(left) & np.isnat(right)
        return same


def _distance(left: Array, right: Array) -> Any:
    """|left - right|, exact for integers of any size."""
    import numpy as np  # noqa: PLC0415 - see compare_arrays

    with np.errstate(all="ignore"):
        if left.dtype.kind == "f":
            wide = np.result_type(left, np.float64)
            return np.abs(left.astype(wide) - right.astype(wide))
        # Modulo 2**64, in which the larger one less the smaller one is always in range.
        larger, smaller = np.maximum(left, right), np.minimum(left, right)
        return larger.astype(np.uint64) - smaller.astype(np.uint64)


def _read(path: Path) -> dict[str, Array]:
    import numpy as np  # noqa: PLC0415 - see compare_arrays

    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return {"": loaded}
    with loaded:
        return {name: loaded[name] for name in loaded.files}


def _form(array: Array) -> str:
    return f"{array.dtype}, shape {array.shape}"
