"""Where two Arrow arrays of one type and length have the same values, nested ones too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc

from lyftlearn_image.parity.compare.array_values import distance, same_values
from lyftlearn_image.parity.compare.tolerance import is_same

if TYPE_CHECKING:
    from lyftlearn_image.parity.compare.options import Options

# Arrow's type → the numpy type that its values are, bit by bit.
_TIME_TYPES = {pa.date32(): ("i4", "m8[D]"), pa.date64(): ("i8", "m8[ms]")}
_MASK = np.ndarray[Any, np.dtype[np.bool_]]


def same_rows(left: Any, right: Any, options: Options) -> Any:
    """Where two arrays of one type and length have the same value: an array of truth values."""
    if left.equals(right):
        # What Arrow calls equal has no NaN in it.
        return np.ones(len(left), bool)
    valid, other_valid = _valid(left), _valid(right)
    both = valid & other_valid
    same = valid == other_valid
    if both.any():
        mask = pa.array(both)
        same[both] = _same_valid(left.filter(mask), right.filter(mask), options)
    return same


def largest_distance(left: Any, right: Any) -> float | None:
    """How far the numbers of two arrays are apart at most; None for what has no distance."""
    if not (pa.types.is_integer(left.type) or pa.types.is_floating(left.type)):
        return None
    both = pa.array(_valid(left) & _valid(right))
    apart = distance(_numbers(left.filter(both)), _numbers(right.filter(both)))
    apart = apart[np.isfinite(apart)]
    return float(apart.max()) if len(apart) else None


def _valid(array: Any) -> Any:
    return array.is_valid().to_numpy(zero_copy_only=False)


def _same_valid(left: Any, right: Any, options: Options) -> Any:
    """Of arrays without missing values."""
    kind = left.type
    numbers = _numbers(left)
    if numbers is not None:
        return same_values(numbers, _numbers(right), options)
    if pa.types.is_struct(kind):
        fields = zip(left.flatten(), right.flatten(), strict=True)
        return np.logical_and.reduce([np.ones(len(left), bool), *(same_rows(*pair, options) for pair in fields)])
    if _is_list(kind):
        return _same_lists(left, right, options)
    if pa.types.is_dictionary(kind) and _is_text(kind.value_type):
        return _same_references(left, right)
    if pa.types.is_dictionary(kind) or isinstance(left, pa.ExtensionArray):
        return same_rows(_stored(left), _stored(right), options)
    return _same_objects(left, right, options)


def _numbers(array: Any) -> Any:
    """The values of an array without missing ones as numpy's, where there is a type for them; else None."""
    kind = array.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return array.to_numpy(zero_copy_only=False)
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind) or pa.types.is_time64(kind):
        # As a distance from the epoch: no calendar, which ends, and no zone, which need not exist.
        return array.cast(pa.int64()).to_numpy(zero_copy_only=False).view(f"m8[{kind.unit}]")
    if kind in _TIME_TYPES or pa.types.is_time32(kind):
        stored, unit = _TIME_TYPES.get(kind, ("i4", "m8[s]"))
        unit = f"m8[{kind.unit}]" if pa.types.is_time32(kind) else unit
        integers = array.cast(pa.int64() if stored == "i8" else pa.int32()).to_numpy(zero_copy_only=False)
        return integers.astype(np.int64).view(unit)
    return None


def _is_list(kind: Any) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind) or pa.types.is_map(kind)
    )


def _same_lists(left: Any, right: Any, options: Options) -> Any:
    """By their lengths, and then by all of their items at once."""
    if pa.types.is_map(left.type):
        items = pa.list_(pa.struct([("key", left.type.key_type), ("value", left.type.item_type)]))
        left, right = (_map_as_list(each, items) for each in (left, right))
    lengths, other_lengths = (pc.list_value_length(each).to_numpy(zero_copy_only=False) for each in (left, right))
    same = lengths == other_lengths
    mask = pa.array(same)
    left, right = left.filter(mask), right.filter(mask)
    items_same = same_rows(left.flatten(), right.flatten(), options)
    rows = np.repeat(np.arange(len(left)), lengths[same])
    inner = np.ones(len(left), bool)
    inner[rows[~items_same]] = False
    same[same] = inner
    return same


def _map_as_list(array: Any, kind: Any) -> Any:
    entries = pa.StructArray.from_arrays([array.keys, array.items], fields=list(kind.value_type))
    # Of a map that is a slice of another one, the offsets begin behind the entries that it does not have.
    offsets = pc.subtract(array.offsets, array.offsets[0])
    return pa.ListArray.from_arrays(offsets, entries.slice(0, offsets[-1].as_py()), type=kind)


def _same_references(left: Any, right: Any) -> Any:
    """Of texts that are stored once and referred to, by which of the left side's texts is meant; none is repeated for it."""
    known = left.dictionary
    codes = (pc.index_in(each.dictionary, known).fill_null(-1).take(each.indices) for each in (left, right))
    return np.equal(*(each.to_numpy(zero_copy_only=False) for each in codes))


def _stored(array: Any) -> Any:
    """The values of a dictionary's array, or of one whose type is an extension of another type."""
    return array.storage if isinstance(array, pa.ExtensionArray) else array.dictionary.take(array.indices)


def _close_decimals(left: Any, right: Any, options: Options) -> Any:
    """Where decimals are the same by the rule's tolerance; None where their difference is no decimal of Arrow's."""
    try:
        apart = pc.abs(pc.subtract(left, right)).cast(pa.float64()).to_numpy(zero_copy_only=False)
        size = np.abs(right.cast(pa.float64()).to_numpy(zero_copy_only=False))
    except pa.ArrowException:
        return None
    return apart <= options.atol + options.rtol * size


def _same_objects(left: Any, right: Any, options: Options) -> Any:
    """Texts, decimals and whatever else: all at once where Arrow can, and one by one what it has not found equal."""
    if pa.types.is_decimal(left.type) and (options.rtol or options.atol):
        close = _close_decimals(left, right, options)
        if close is not None:
            return close
    try:
        same = pc.equal(left, right).to_numpy(zero_copy_only=False)
    except pa.ArrowNotImplementedError:
        same = np.zeros(len(left), bool)
    if not _is_text(left.type):
        for row in np.flatnonzero(~same):
            try:
                same[row] = is_same(left[int(row)].as_py(), right[int(row)].as_py(), options)
            except (ValueError, OverflowError, ArithmeticError):  # what Python has no value for, and is not equal
                continue
    return same


def _is_text(kind: Any) -> bool:
    return kind in {
        pa.string(),
        pa.large_string(),
        pa.binary(),
        pa.large_binary(),
        pa.bool_(),
    } or pa.types.is_fixed_size_binary(kind)
