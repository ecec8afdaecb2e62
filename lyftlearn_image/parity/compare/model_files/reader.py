"""Any model file as a graph, by what it holds and not by its name."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from lyftlearn_image.parity.compare.model_files.archives import read_archive
from lyftlearn_image.parity.compare.model_files.boosters import expand
from lyftlearn_image.parity.compare.model_files.catboost import CBM, read_cbm
from lyftlearn_image.parity.compare.model_files.graph import Mapping, UnreadableModelError, from_json
from lyftlearn_image.parity.compare.model_files.hdf5 import read_hdf5
from lyftlearn_image.parity.compare.model_files.onnx import read_onnx
from lyftlearn_image.parity.compare.model_files.pickles import read_pickles
from lyftlearn_image.parity.compare.model_files.source import Reader, map_file
from lyftlearn_image.parity.compare.model_files.spark_ml import read_spark_ml
from lyftlearn_image.parity.compare.model_files.torch_legacy import is_legacy_torch, read_legacy_torch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ZIP, _HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"
# safetensors (its README): types and their numpy names; numpy has neither bfloat16 nor the 8-bit floats.
_SAFETENSORS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
_MAX_HEADER_BYTES = 100 << 20


def read_model(path: Path) -> Any:
    """The graph of a model file, or of a directory that Spark ML wrote.

    Raises UnreadableModelError for what cannot be looked into.
    """
    if path.is_dir():
        return read_spark_ml(path)
    data = map_file(path)
    start = bytes(data[:64])
    for is_format, read in _FORMATS:
        if is_format(start, path):
            return read(data, path)
    if _is_safetensors(data):
        return _read_safetensors(data)
    known = _read_text(data)
    return read_pickles(Reader(data)) if known is None else known


# What a file begins with, or is called where it says nothing at its beginning, and what reads it.
_FORMATS: tuple[tuple[Callable[[bytes, Path], bool], Callable[[memoryview, Path], Any]], ...] = (
    (lambda start, _: start.startswith(_ZIP), lambda data, _: read_archive(data)),
    (lambda start, _: start.startswith(_HDF5), lambda _, path: read_hdf5(path)),
    (lambda start, _: is_legacy_torch(start), lambda data, _: read_legacy_torch(Reader(data))),
    (lambda start, _: start.startswith(CBM), lambda data, _: read_cbm(bytes(data))),
    (lambda _, path: path.suffix == ".onnx", lambda data, _: read_onnx(data)),
)


def _read_text(data: memoryview) -> Any:
    """What a booster wrote as text or UBJSON; None for anything else."""
    start = bytes(data[:5])
    if start == b"tree\n":
        try:
            return expand(bytes(data).decode())
        except ValueError:
            return None
    # An opening brace is no opcode of a pickle.
    return expand(data) if start[:1] == b"{" else None


def _is_safetensors(data: memoryview) -> bool:
    """8 bytes with the length of a JSON object, and that object."""
    return len(data) > 8 and bytes(data[8:9]) == b"{" and struct.unpack("<Q", data[:8])[0] <= min(len(data), _MAX_HEADER_BYTES)  # noqa: PLR2004


def _read_safetensors(data: memoryview) -> Mapping:
    length = struct.unpack("<Q", data[:8])[0]
    try:
        header, body = json.loads(bytes(data[8 : 8 + length])), data[8 + length :]
        pairs = []
        for name, about in header.items():
            if name == "__metadata__":
                pairs.append((name, from_json(about)))
                continue
            begin, end = about["data_offsets"]
            dtype = _SAFETENSORS.get(about["dtype"])
            values: Any = body[begin:end]
            if dtype:
                values = np.frombuffer(values, dtype).reshape(about["shape"])
            if about["dtype"] == "BF16":
                values = (values.astype("<u4") << 16).view("<f4")
            pairs.append((name, Mapping([("type", about["dtype"]), ("shape", list(about["shape"])), ("values", values)])))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableModelError(f"not a safetensors file: {error}") from None
    return Mapping(pairs)
