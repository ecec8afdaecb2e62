"""numpy arrays (.npy, .npz): type, shape and values within the tolerance. Pickled objects are never loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.parity.compare.array_values import REAL_KINDS, distance, same_values
from lyftlearn_image.parity.compare.npy import read_arrays
from lyftlearn_image.parity.compare.options import NUMERIC_OPTIONS
from lyftlearn_image.parity.compare.tolerance import limit_differences
from lyftlearn_image.parity.compare.unreadable import UnreadableError, describe_unreadable, reading
from lyftlearn_image.parity.differences import Difference, format_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy as np

    from lyftlearn_image.parity.compare.comparator import ComparatorContext
    from lyftlearn_image.parity.compare.npy import StoredArray
    from lyftlearn_image.parity.compare.options import Options

    Array = np.ndarray[Any, np.dtype[Any]]

OPTIONS = NUMERIC_OPTIONS | {"atol_time"}
SUFFIXES = (".npy", ".npz")
# Arrays of which one is stored by rows and the other by columns are read whole.
_MAX_REORDERED_BYTES = 1 << 26


def compare(left: Path, right: Path, options: Options, context: ComparatorContext) -> tuple[Difference, ...]:
    """Differences of two array files, one an array."""
    try:
        return limit_differences(_compare_members(read_arrays(left), read_arrays(right), options, context.same_bytes))
    except UnreadableError as error:
        return (describe_unreadable(left, right, "a numpy file that can be read without pickle", error),)


def _compare_members(
    left: Mapping[str, StoredArray], right: Mapping[str, StoredArray], options: Options, same_bytes: int
) -> Iterator[Difference]:
    for name in sorted(left.keys() | right.keys()):
        if name not in left or name not in right:
            yield Difference(name, left[name].form if name in left else None, right[name].form if name in right else None)
        elif left[name].dtype != right[name].dtype or left[name].shape != right[name].shape:
            yield Difference(name, left[name].form, right[name].form, "type or shape")
        elif difference := _compare_stored(left[name], right[name], options, name, same_bytes):
            yield difference


def _compare_stored(left: StoredArray, right: StoredArray, options: Options, name: str, same_bytes: int) -> Difference | None:
    """The difference of two stored arrays of one type and shape, of which only pieces are in memory."""
    if not left.size or not left.dtype.itemsize:
        return None
    if left.is_fortran != right.is_fortran and len(left.shape) > 1:
        return compare_arrays(_load(left), _load(right), options, name)
    tally = ArrayTally(options)
    start = 0
    if options.equal_nan and left.member is right.member is None and left.offset == right.offset:
        start = min(max(0, same_bytes - left.offset) // left.dtype.itemsize, left.size)
    left_chunks, right_chunks = left.read_chunks(start), right.read_chunks(start)
    while start < left.size:
        with reading():
            left_bytes, right_bytes = next(left_chunks), next(right_chunks)
        # Where the bytes are the same nothing is computed: most of two arrays that differ is.
        if not _equal_bytes(left_bytes, right_bytes) or not options.equal_nan:
            tally.add(left_bytes.view(left.dtype), right_bytes.view(right.dtype), start)
        start += len(left_bytes) // left.dtype.itemsize
    return tally.difference(name, left.shape, left.size, is_fortran=left.is_fortran)


def _equal_bytes(left: Array, right: Array) -> bool:
    import numpy as np  # noqa: PLC0415 - 100 ms, for suites with arrays

    words = len(left) // 8 * 8
    return bool((left[:words].view(np.uint64) == right[:words].view(np.uint64)).all() and (left[words:] == right[words:]).all())


def _load(array: StoredArray) -> Array:
    import numpy as np  # noqa: PLC0415 - see _equal_bytes

    if array.size * array.dtype.itemsize > _MAX_REORDERED_BYTES:
        raise UnreadableError("one is stored by rows and the other by columns, and they are too large to be reordered")
    with reading():
        flat = np.concatenate(list(array.read_chunks())).view(array.dtype)
        return flat.reshape(array.shape, order="F" if array.is_fortran else "C")


def compare_arrays(left: Array, right: Array, options: Options, name: str = "") -> Difference | None:
    """The difference of two arrays: how many values, and the largest with its index behind `name`."""
    if left.dtype != right.dtype or left.shape != right.shape:
        left_form, right_form = (f"{each.dtype}, shape {each.shape}" for each in (left, right))
        return Difference(name, left_form, right_form, "type or shape")
    tally = ArrayTally(options)
    if left.size:
        tally.add(left.reshape(-1), right.reshape(-1), 0)
    return tally.difference(name, left.shape, left.size)


class ArrayTally:
    """What is found in two arrays while they are gone through piece by piece."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._count = 0
        self._largest: float | None = None
        # The place among all values, and both values there: of the largest distance, or else of the first difference.
        self._worst: tuple[int, str, str] | None = None

    def add(self, left: Array, right: Array, start: int) -> None:
        """Two flat pieces of one type and length, which begin with the value `start` of the whole."""
        import numpy as np  # noqa: PLC0415 - see _equal_bytes

        places = np.flatnonzero(~same_values(left, right, self._options))
        if not len(places):
            return
        self._count += len(places)
        place = int(places[0])
        if left.dtype.kind in REAL_KINDS:
            apart = distance(left[places], right[places])
            # What NaN is away from a number is no distance.
            apart = np.where(np.isnan(apart), 0, apart)
            furthest = int(apart.argmax())
            largest, place = apart[furthest], int(places[furthest])
            if self._largest is not None and largest <= self._largest:
                return
            self._largest = largest
        elif self._worst:
            return
        self._worst = start + place, _show(left, place), _show(right, place)

    def difference(self, name: str, shape: tuple[int, ...], size: int, *, is_fortran: bool = False) -> Difference | None:
        """What was found in arrays of this shape, if anything."""
        if self._worst is None:
            return None
        detail = f"{self._count} of {size} values differ"
        if self._largest is not None:
            detail += f", largest |Δ| {self._largest:.3g}"
        place, left, right = self._worst
        return Difference(f"{name}[{', '.join(map(str, _index(place, shape, is_fortran=is_fortran)))}]", left, right, detail)


def _index(place: int, shape: tuple[int, ...], *, is_fortran: bool) -> list[int]:
    """The index of the value that stands at this place."""
    index = []
    for side in (shape if is_fortran else reversed(shape)) if shape else (1,):
        place, at = divmod(place, side)
        index.append(at)
    return index if is_fortran else index[::-1]


def _show(values: Array, place: int) -> str:
    try:
        return format_value(values[place].item())
    except (ValueError, SystemError):  # a text with what is no character, of which numpy raises either
        return values[place : place + 1].tobytes().hex(" ")
