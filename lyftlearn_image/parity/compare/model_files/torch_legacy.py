"""What torch wrote before 1.6, and writes with `_use_new_zipfile_serialization=False`: five pickles, then the storages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lyftlearn_image.parity.compare.model_files.graph import Mapping, Record, UnreadableModelError
from lyftlearn_image.parity.compare.model_files.pickles import read_pickle
from lyftlearn_image.parity.compare.model_files.torch_objects import storages

if TYPE_CHECKING:
    from lyftlearn_image.parity.compare.model_files.source import Reader

# torch/serialization.py: MAGIC_NUMBER, pickled with protocol 2.
_MAGIC = b"\x80\x02\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little") + b"."
_ITEM_BYTES = {
    "Double": 8,
    "Float": 4,
    "Half": 2,
    "Long": 8,
    "Int": 4,
    "Short": 2,
    "BFloat16": 2,
    "ComplexFloat": 8,
    "ComplexDouble": 16,
}


def is_legacy_torch(start: bytes) -> bool:
    """Whether a file begins so."""
    return start.startswith(_MAGIC)


def read_legacy_torch(reader: Reader) -> Any:
    """Its object, with the bytes of its storages. Their keys are memory addresses, and so is their order in the file."""
    content: dict[str, bytearray] = {}
    records: dict[str, Record] = {}
    resolve = storages(lambda key: content.setdefault(key, bytearray()))

    def remember(identifier: Any) -> Record:
        record = resolve(identifier)
        if "bytes" in record.parts:
            records[identifier[2]] = record
        return record

    for _ in range(3):  # magic number, protocol, facts of the machine
        read_pickle(reader)
    document = read_pickle(reader, remember)
    keys = read_pickle(reader).value
    if not isinstance(keys, list) or set(keys) != set(records):
        raise UnreadableModelError("its storages are not those that its objects name")
    for key in keys:
        count = int(np.frombuffer(reader.take(8), "<i8")[0])
        size = _ITEM_BYTES.get(str(records[key].parts["type"]).removesuffix("Storage"), 1)
        content[key].extend(reader.take(count * size))
    return Mapping([("", document), ("rest", bytes(reader.rest))])
