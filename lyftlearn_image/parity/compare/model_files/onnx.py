"""ONNX models, read from protobuf's wire format (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto)."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from lyftlearn_image.parity.compare.model_files.catboost import VOLATILE
from lyftlearn_image.parity.compare.model_files.graph import Mapping, UnreadableModelError
from lyftlearn_image.parity.compare.model_files.source import Reader

if TYPE_CHECKING:
    from collections.abc import Mapping as AnyMapping

# Of each message the fields that are messages or packed numbers; a type of numpy stands for the latter.
_MESSAGES: AnyMapping[str, AnyMapping[int, tuple[str, str]]] = {
    "Model": {
        7: ("graph", "Graph"), 8: ("opset_import", "Entry"), 14: ("metadata_props", "Entry"), 25: ("functions", "Function"),
    },
    "Graph": {1: ("node", "Node"), 5: ("initializer", "Tensor"), 15: ("sparse_initializer", "Sparse")},
    "Function": {7: ("node", "Node"), 11: ("attribute_proto", "Attribute")},
    "Node": {5: ("attribute", "Attribute")},
    "Attribute": {
        2: ("f", "<f4"), 5: ("t", "Tensor"), 6: ("g", "Graph"), 7: ("floats", "<f4"), 8: ("ints", "varint"),
        10: ("tensors", "Tensor"), 11: ("graphs", "Graph"), 22: ("sparse_tensor", "Sparse"), 23: ("sparse_tensors", "Sparse"),
    },
    "Sparse": {1: ("values", "Tensor"), 2: ("indices", "Tensor"), 3: ("dims", "varint")},
    "Tensor": {
        1: ("dims", "varint"), 4: ("float_data", "<f4"), 5: ("int32_data", "varint"), 7: ("int64_data", "varint"),
        10: ("double_data", "<f8"), 11: ("uint64_data", "varint"),
    },
    "Entry": {},
}  # fmt: skip
_TENSOR_TYPE, _RAW_DATA = 2, 9
_METADATA = 14
_RAW_TYPES = {
    1: "<f4", 2: "|u1", 3: "|i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "|b1", 10: "<f2", 11: "<f8", 12: "<u4", 13: "<u8",
    14: "<c8", 15: "<c16",
}  # fmt: skip
_MAX_DEPTH, _VARINT_BITS = 50, 70


def read_onnx(data: memoryview) -> Mapping:
    """The graph of an ONNX model. Raises UnreadableModelError for what is none."""
    try:
        return _message(data, "Model", 0)
    except (ValueError, struct.error, IndexError) as error:
        raise UnreadableModelError(f"not an ONNX model: {error}") from None


def _message(data: memoryview, kind: str, depth: int) -> Mapping:
    """The fields of a message by name or number, those that come once and those that are repeated alike as lists."""
    if depth > _MAX_DEPTH:
        raise UnreadableModelError("its graphs are too deep")
    reader, fields = Reader(data), dict[int, list[Any]]()
    while reader.position < len(data):
        tag = _varint(reader)
        number, wire = tag >> 3, tag & 7
        _, below = _MESSAGES[kind].get(number, ("", ""))
        fields.setdefault(number, []).extend(_values(reader, wire, below, depth))
    if kind == "Tensor":
        _decode_raw(fields)
    if kind == "Model" and _METADATA in fields:
        fields[_METADATA] = [each for each in fields[_METADATA] if not _is_volatile(each)]
    return Mapping(
        [(_MESSAGES[kind].get(number, (f"field {number}", ""))[0], values) for number, values in sorted(fields.items())]
    )


def _is_volatile(entry: Mapping) -> bool:
    """Whether an entry of the metadata says which training it was, as CatBoost has it."""
    return any(name == "field 1" and value in [[each] for each in VOLATILE] for name, value in entry.pairs)


def _values(reader: Reader, wire: int, below: str, depth: int) -> list[Any]:
    if wire == 0:
        return [_varint(reader)]
    if wire in {1, 5}:
        size = 8 if wire == 1 else 4
        return list(np.frombuffer(reader.take(size), below if below.startswith("<f") else f"<u{size}").tolist())
    if wire != 2:  # noqa: PLR2004 - a length and as many bytes; groups are of no message here
        raise UnreadableModelError(f"it has the wire type {wire}, which ONNX does not use")
    data = reader.take(_varint(reader))
    if below in _MESSAGES:
        return [_message(data, below, depth + 1)]
    return _packed(data, below) if below else [_text(data)]


def _packed(data: memoryview, kind: str) -> list[Any]:
    if kind.startswith("<"):
        return list(np.frombuffer(data, kind).tolist())
    reader, numbers = Reader(data), []
    while reader.position < len(data):
        numbers.append(_varint(reader))
    return numbers


def _text(data: memoryview) -> str | memoryview:
    try:
        return bytes(data).decode()
    except ValueError:
        return data


def _decode_raw(fields: dict[int, list[Any]]) -> None:
    """Puts the raw bytes of a tensor in the form of its type, so that a tolerance applies to its values."""
    types, raw = fields.get(_TENSOR_TYPE), fields.get(_RAW_DATA)
    dtype = _RAW_TYPES.get(types[0]) if types else None
    if dtype and raw:
        data = raw[0].encode() if isinstance(raw[0], str) else raw[0]
        shape = [each for each in fields.get(1, []) if isinstance(each, int)]
        values = np.frombuffer(data, dtype)
        fields[_RAW_DATA] = [values.reshape(shape) if math.prod(shape) == values.size else values]


def _varint(reader: Reader) -> int:
    value = shift = 0
    while True:
        byte = reader.take(1)[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the highest bit says that more follow
            return value
        shift += 7
        if shift >= _VARINT_BITS:
            raise ValueError("a number of more than 64 bits")
