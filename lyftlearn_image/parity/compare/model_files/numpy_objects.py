"""numpy's and torch's arrays inside a graph, as arrays: no code but numpy's own is needed to look at their values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lyftlearn_image.parity.compare.model_files.graph import (
    BYTES,
    Call,
    Mapping,
    ObjectArray,
    Record,
    UnreadableModelError,
    name_of,
)

if TYPE_CHECKING:
    from lyftlearn_image.parity.compare.model_files.source import Reader

_BYTEARRAYS = {"builtins.bytearray", "__builtin__.bytearray"}
_CORE = ("numpy.core.", "numpy._core.")
# A dtype's state is (version, byte order, subarray, names, fields, itemsize, alignment, flags[, metadata]).
_STATE_LENGTHS = (8, 9)


def array_from_bytes(reader: Reader, dtype: np.dtype[Any], shape: Any, order: Any) -> np.ndarray[Any, Any]:
    """The array whose bytes come next."""
    if not _is_shape(shape):
        raise UnreadableModelError("an array in it has no shape")
    data = reader.take(math.prod(shape) * dtype.itemsize)
    return _array(data, dtype, shape, is_fortran=order == "F")


def _array(data: BYTES, dtype: np.dtype[Any], shape: tuple[int, ...], *, is_fortran: bool) -> np.ndarray[Any, Any]:
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError("the values are not as many as the shape says")
    flat = np.frombuffer(data, dtype=dtype) if dtype.itemsize and len(data) else np.zeros(math.prod(shape), dtype)
    return flat.reshape(shape, order="F" if is_fortran else "C")


def as_array(node: Call) -> Any:
    """The array, the scalar, the ObjectArray or the dtype that a call makes; None when it makes none of them.

    Arguments that no such call has raise whatever looking at them raises.
    """
    function = name_of(node.function)
    if function is None:
        return None
    if function == "numpy.dtype":
        found = dtype_of(node)
        return None if found is None else Record("numpy.dtype", {"type": _dtype_text(found)})
    if function.startswith(_CORE):
        maker = {"_reconstruct": _reconstructed, "scalar": _scalar, "_frombuffer": _from_buffer}
        made = maker.get(function.rpartition(".")[2])
        return made(node) if made else None
    return None


def _reconstructed(node: Call) -> Any:
    """`_reconstruct(ndarray, (0,), b"b")` with the state (version, shape, dtype, is_fortran, values)."""
    if name_of(node.arguments[0]) != "numpy.ndarray" or len(node.changes) != 1:
        return None
    _, shape, type_node, is_fortran, values = node.changes[0][1]
    dtype = dtype_of(type_node)
    if dtype is None or not _is_shape(shape):
        return None
    if dtype.hasobject:
        return ObjectArray(_dtype_text(dtype), shape, _in_row_order(values, shape) if is_fortran else values)
    return _array(_as_bytes(values), dtype, shape, is_fortran=bool(is_fortran))


def _in_row_order(values: Any, shape: tuple[int, ...]) -> Any:
    """Items that are laid out by columns, by rows; two sides may have laid them out differently."""
    order = np.arange(math.prod(shape)).reshape(shape, order="F")
    return [values[position] for position in order.ravel().tolist()]


def _from_buffer(node: Call) -> Any:
    buffer, type_node, shape, order = node.arguments
    dtype = dtype_of(type_node)
    return None if dtype is None or dtype.hasobject else _array(_as_bytes(buffer), dtype, shape, is_fortran=order == "F")


def _scalar(node: Call) -> Any:
    dtype = dtype_of(node.arguments[0])
    return None if dtype is None or dtype.hasobject else np.frombuffer(_as_bytes(node.arguments[1]), dtype=dtype)[0]


def _as_bytes(node: Any) -> BYTES:
    if isinstance(node, Call) and name_of(node.function) in _BYTEARRAYS and not node.changes:
        node = node.arguments[0]
    # As protocols 0 to 2 write bytes: a text in latin-1.
    if isinstance(node, Call) and name_of(node.function) == "_codecs.encode":
        node = node.arguments[0].encode(node.arguments[1])
    if isinstance(node, str):  # Python 2
        node = node.encode("latin-1")
    if not isinstance(node, BYTES):
        raise TypeError("the values are no bytes")
    return node


def dtype_of(node: Any) -> np.dtype[Any] | None:
    """The dtype that a node stands for, None when it is none."""
    if not isinstance(node, Call) or name_of(node.function) != "numpy.dtype" or not isinstance(node.arguments[0], str):
        return None
    dtype = np.dtype(node.arguments[0])
    states = [state for kind, state in node.changes if kind == "state"]
    if not states:
        return dtype
    if len(states[0]) not in _STATE_LENGTHS:
        return None
    _, order, subarray, names, fields, itemsize, alignment, _, *metadata = states[0]
    if subarray is not None:
        below = dtype_of(subarray[0])
        return None if below is None else np.dtype((below, subarray[1]))
    if names is not None:
        return _structured(names, fields, itemsize, is_aligned=alignment > 1)
    if dtype.kind in "mM" and metadata:
        unit, count = metadata[0][1][0], metadata[0][1][1]
        text = unit if isinstance(unit, str) else bytes(_as_bytes(unit)).decode()
        dtype = np.dtype(f"{dtype.kind}8[{count}{text}]") if text != "generic" else dtype
    return dtype.newbyteorder(order) if order in "<>" else dtype


def _structured(names: Any, fields: Any, itemsize: int, *, is_aligned: bool) -> np.dtype[Any] | None:
    if not isinstance(fields, Mapping):
        return None
    places = {key: value for key, value in fields.pairs if isinstance(key, str)}
    formats = [dtype_of(places[name][0]) for name in names]
    if any(each is None for each in formats):
        return None
    description = {"names": list(names), "formats": formats, "offsets": [places[name][1] for name in names]}
    # An itemsize that is smaller than the fields is refused by numpy.
    described: Any = {**description, "itemsize": itemsize}
    made: np.dtype[Any] = np.dtype(described, align=is_aligned)
    return made


def _dtype_text(dtype: np.dtype[Any]) -> str:
    return str(dtype.descr) if dtype.names else dtype.str


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, tuple) and all(isinstance(each, int) and each >= 0 for each in shape)
