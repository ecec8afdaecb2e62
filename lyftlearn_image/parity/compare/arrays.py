"""numpy arrays (.npy, .npz): type, shape and values within the tolerance. Pickled objects are never loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.parity.compare.tolerance import bounded
from lyftlearn_image.parity.differences import Difference, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy as np

    from lyftlearn_image.parity.compare.comparator import Tools
    from lyftlearn_image.parity.compare.rule import Rule

    Array = np.ndarray[Any, np.dtype[Any]]


def compare(left: Path, right: Path, rule: Rule, tools: Tools) -> tuple[Difference, ...]:  # noqa: ARG001 - the comparators' signature
    """Differences of two array files, one an array."""
    try:
        mine, theirs = _read(left), _read(right)
    except (ValueError, OSError, EOFError) as error:
        return (Difference("", left.name, right.name, f"not a numpy file that can be read without pickle: {error}"),)
    return bounded(_compare_all(mine, theirs, rule))


def _compare_all(left: Mapping[str, Array], right: Mapping[str, Array], rule: Rule) -> Iterator[Difference]:
    for name in sorted(left.keys() | right.keys()):
        if name not in left or name not in right:
            yield Difference(name, _form(left[name]) if name in left else None, _form(right[name]) if name in right else None)
        else:
            difference = compare_arrays(left[name], right[name], rule, name)
            if difference:
                yield difference


def compare_arrays(left: Array, right: Array, rule: Rule, place: str = "") -> Difference | None:
    """The difference of two arrays: how many values, the largest, and where it is."""
    import numpy as np  # noqa: PLC0415 - 100 ms, for suites with arrays

    if left.dtype != right.dtype or left.shape != right.shape:
        return Difference(place, _form(left), _form(right), "type or shape")
    if left.dtype.kind in "fc":
        same = np.isclose(left, right, rtol=rule.rtol, atol=rule.atol, equal_nan=rule.equal_nan)
    elif left.dtype.kind in "iu" and (rule.rtol or rule.atol):
        same = np.isclose(left.astype(float), right.astype(float), rtol=rule.rtol, atol=rule.atol)
    else:
        same = left == right
    different = np.count_nonzero(~same)
    if not different:
        return None
    first = tuple(int(index) for index in np.argwhere(~np.atleast_1d(same))[0])
    detail = f"{different} of {left.size} values differ"
    if left.dtype.kind in "fiu":
        gap = np.abs(np.atleast_1d(left).astype(float) - np.atleast_1d(right).astype(float))
        gap = np.where(np.atleast_1d(same) | np.isnan(gap), 0, gap)
        first = tuple(int(index) for index in np.unravel_index(int(gap.argmax()), gap.shape)) if gap.max() > 0 else first
        detail += f", largest |Δ| {gap.max():.3g}"
    where = f"{place}[{', '.join(map(str, first))}]"
    return Difference(where, shown(np.atleast_1d(left)[first].item()), shown(np.atleast_1d(right)[first].item()), detail)


def _read(path: Path) -> dict[str, Array]:
    import numpy as np  # noqa: PLC0415 - see compare_arrays

    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return {"": loaded}
    with loaded:
        return {name: loaded[name] for name in loaded.files}


def _form(array: Array) -> str:
    return f"{array.dtype}, shape {array.shape}"
