"""torch's tensors inside a graph, as numpy arrays; without torch, and so without any code of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lyftlearn_image.parity.compare.model_files.graph import Call, Global, Record, UnreadableModelError, name_of

if TYPE_CHECKING:
    from collections.abc import Callable

# Storage classes (torch/storage.py) and their numpy types; bfloat16, which numpy has not, is widened to float32.
_DTYPES = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "LongStorage": "<i8", "IntStorage": "<i4",
    "ShortStorage": "<i2", "CharStorage": "|i1", "ByteStorage": "|u1", "BoolStorage": "|b1", "BFloat16Storage": "<u2",
    "ComplexFloatStorage": "<c8", "ComplexDoubleStorage": "<c16",
}  # fmt: skip
_STORAGE = "torch storage"
_TENSORS = {"torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor"}
_STORAGE_ID_LENGTH = 5


def storages(read: Callable[[str], Any]) -> Callable[[Any], Record]:
    """What resolves the persistent ids of a torch file; `read` gives the bytes of a storage by its key."""
    known: dict[str, Record] = {}

    def resolve(identifier: Any) -> Record:
        if not isinstance(identifier, tuple) or len(identifier) < _STORAGE_ID_LENGTH or identifier[0] != "storage":
            return Record("persistent id", {"id": identifier})
        _, kind, key, location, size = identifier[:_STORAGE_ID_LENGTH]
        if not isinstance(kind, Global) or not isinstance(key, str):
            raise UnreadableModelError("a tensor's storage in it has no type")
        if key not in known:
            known[key] = Record(_STORAGE, {"type": kind.name, "location": location, "items": size, "bytes": read(key)})
        return known[key]

    return resolve


def as_tensor(node: Call) -> Any:
    """The values of the tensor that a call makes, as an array that is told apart by its torch type; None for all else."""
    if name_of(node.function) not in _TENSORS or node.changes or not isinstance(node.arguments, tuple):
        return None
    storage, offset, size, stride, *rest = node.arguments
    if not isinstance(storage, Record) or storage.kind != _STORAGE or storage.parts["type"] not in _DTYPES:
        return None
    dtype = np.dtype(_DTYPES[storage.parts["type"]])
    flat = np.frombuffer(storage.parts["bytes"], dtype) if len(storage.parts["bytes"]) else np.zeros(0, dtype)
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or not all(isinstance(each, int) and each >= 0 for each in numbers):
        return None
    end = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if 0 in size:
        values: Any = np.zeros(size, dtype)
    elif end >= len(flat):
        raise UnreadableModelError("a tensor in it reaches beyond its storage")
    else:
        values = np.lib.stride_tricks.as_strided(
            flat[offset:], size, [step * dtype.itemsize for step in stride], writeable=False
        )
    if storage.parts["type"] == "BFloat16Storage":
        values = (values.astype("<u4") << 16).view("<f4")
    parts = {"values": values, "type": storage.parts["type"], "location": storage.parts["location"], "further": tuple(rest)}
    return Record("tensor", parts)
