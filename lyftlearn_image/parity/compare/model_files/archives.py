"""Models that are zip archives: torch, skops, Keras; of any other the members, by their names."""

from __future__ import annotations

import functools
import io
import itertools
import json
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from lyftlearn_image.parity.compare.model_files.boosters import expand
from lyftlearn_image.parity.compare.model_files.graph import BYTES, Mapping, UnreadableModelError, from_json
from lyftlearn_image.parity.compare.model_files.hdf5 import read_hdf5
from lyftlearn_image.parity.compare.model_files.pickles import read_pickles
from lyftlearn_image.parity.compare.model_files.source import MAX_UNPACKED_BYTES, Reader
from lyftlearn_image.parity.compare.model_files.torch_objects import storages

if TYPE_CHECKING:
    from collections.abc import Mapping as AnyMapping

_MAX_MEMBERS = 100_000
_LOCAL_HEADER = struct.Struct("<26xHH")
# What says when or by whom a file was written, and nothing of the model.
_TORCH_NOTES = {".data/serialization_id", ".format_version", ".storage_alignment"}
# The inputs that a model was traced with: their shapes, and no values.
_TRACED_INPUTS = "traced_inputs"
_KERAS_TIME = "date_saved"
# A memory address (keras/src/saving/serialization_lib.py).
_KERAS_SHARED = "shared_object_id"
# TorchScript writes the constants of a module in the order of a hash table, which changes from process to process.
_CONSTANT = " : Final["


class Archive:
    """The members of a zip archive. One that is stored as it is, is a view of the archive."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        # zipfile wants a file that can be sought in; this one copies nothing before it is read.
        self._file = zipfile.ZipFile(_ViewFile(data))
        members = [each for each in self._file.infolist() if not each.is_dir()]
        if len(members) > _MAX_MEMBERS or sum(each.file_size for each in members) > MAX_UNPACKED_BYTES + len(data):
            raise UnreadableModelError(f"it unpacks to more than {MAX_UNPACKED_BYTES >> 30} GiB, or is of too many files")
        self.members = {each.filename: each for each in members}
        if len(self.members) < len(members):
            raise UnreadableModelError("two of its files have one name")

    def read(self, name: str) -> BYTES:
        """The bytes of a member. Raises UnreadableModelError where there is none, or it is damaged."""
        member = self.members.get(name)
        if member is None:
            raise UnreadableModelError(f"it has no file {name}")
        if member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1:
            start = member.header_offset + 30 + sum(_LOCAL_HEADER.unpack_from(self._data, member.header_offset))
            return self._data[start : start + member.file_size]
        return self._file.read(member)


class _ViewFile(io.RawIOBase):
    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = max(0, (0, self._position, len(self._data))[whence] + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        end = len(self._data) if size is None or size < 0 else self._position + size
        piece = bytes(self._data[self._position : end])
        self._position += len(piece)
        return piece


def read_archive(data: memoryview) -> Any:
    """The graph of a model that is a zip archive."""
    try:
        archive = Archive(data)
        names = archive.members
        pickled = next((name for name in names if name.endswith("/data.pkl") or name == "data.pkl"), None)
        if pickled:
            return _read_torch(archive, pickled.removesuffix("data.pkl"))
        if "schema.json" in names:
            return _read_skops(archive)
        if "config.json" in names and any(name.endswith(".weights.h5") for name in names):
            return _read_keras(archive)
        return Mapping([(name, _content(archive, name)) for name in sorted(names)])
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UnreadableModelError(f"not a zip archive that can be read: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise UnreadableModelError(f"what is in it is not what its names say: {error}") from None


def _content(archive: Archive, name: str) -> Any:
    """One member, looked into where its name says how."""
    data = archive.read(name)
    if name.endswith(".npy"):
        return _array(data)
    if name.endswith(".npz"):
        return Mapping(
            [(each, _array(inner.read(each))) for inner in (Archive(memoryview(data)),) for each in sorted(inner.members)]
        )
    if name.endswith(".pkl"):
        return read_pickles(Reader(memoryview(data)))
    known = expand(data)
    return data if known is None else known


def _array(data: BYTES) -> Any:
    try:
        return np.load(io.BytesIO(bytes(data)), allow_pickle=False)
    except ValueError:
        return data


def _read_torch(archive: Archive, top: str) -> Any:
    """The objects of `torch.save` or `torch.jit.save`, with the bytes of their storages."""
    pickled = [name.removesuffix(".pkl") for name in archive.members if name.endswith(".pkl")]
    pairs = []
    for name in sorted(archive.members):
        below = name.removeprefix(top)
        # The storages of `<name>.pkl` are in `<name>/`.
        if below in _TORCH_NOTES or below.startswith(_TRACED_INPUTS) or any(name.startswith(f"{each}/") for each in pickled):
            continue
        data = archive.read(name)
        if below.endswith(".pkl"):
            resolve = storages(functools.partial(_read_storage, archive, name.removesuffix(".pkl")))
            pairs.append((below, read_pickles(Reader(memoryview(data)), resolve)))
        else:
            pairs.append((below, _sorted_constants(data) if below.startswith("code/") and below.endswith(".py") else data))
    objects = dict(pairs)
    # The usual case is told without the name of the only file that anybody knows of.
    only_notes = {"data.pkl", "version", "byteorder", ".data/version"}
    if objects.keys() <= only_notes:
        return Mapping([("", objects.pop("data.pkl")), *objects.items()])
    return Mapping(pairs)


def _read_storage(archive: Archive, directory: str, key: str) -> BYTES:
    return archive.read(f"{directory}/{key}")


def _sorted_constants(data: BYTES) -> list[str]:
    """The lines of a program of TorchScript, in which the constants of each module are in the order of their names."""
    lines = bytes(data).decode("utf-8", "surrogateescape").splitlines()
    ordered: list[str] = []
    for is_constant, run in itertools.groupby(lines, lambda line: _CONSTANT in line):
        together = list(run)
        ordered += sorted(together) if is_constant else together
    return ordered


def _read_skops(archive: Archive) -> Any:
    """Its JSON, with the content of each file in place of its name: names and identifiers are memory addresses."""
    numbers: dict[int, int] = {}
    used: set[str] = {"schema.json"}

    def resolve(value: Any) -> Any:
        if isinstance(value, list):
            return [resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        pairs: list[tuple[Any, Any]] = []
        for key, item in value.items():
            if key == "__id__" and isinstance(item, int):
                pairs.append((key, numbers.setdefault(item, len(numbers))))
            elif key == "file" and isinstance(item, str):
                used.add(item)
                pairs.append((key, _content(archive, item)))
            else:
                pairs.append((key, resolve(item)))
        return Mapping(pairs)

    schema = resolve(json.loads(bytes(archive.read("schema.json"))))
    unused = sorted(archive.members.keys() - used)
    return Mapping([("schema.json", schema), *((name, _content(archive, name)) for name in unused)])


def _read_keras(archive: Archive) -> Any:
    pairs = []
    for name in sorted(archive.members):
        data = archive.read(name)
        if name == "metadata.json":
            about: AnyMapping[str, Any] = json.loads(bytes(data))
            pairs.append((name, from_json({key: value for key, value in about.items() if key != _KERAS_TIME})))
        elif name == "config.json":
            pairs.append((name, from_json(_numbered(json.loads(bytes(data)), {}))))
        else:
            pairs.append((name, read_hdf5(io.BytesIO(bytes(data))) if name.endswith(".h5") else _content(archive, name)))
    return Mapping(pairs)


def _numbered(value: Any, numbers: dict[Any, int]) -> Any:
    """A configuration of Keras in which shared objects have numbers, in the order in which they come."""
    if isinstance(value, list):
        return [_numbered(item, numbers) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: numbers.setdefault(item, len(numbers))
        if key == _KERAS_SHARED and isinstance(item, int)
        else _numbered(item, numbers)
        for key, item in value.items()
    }
