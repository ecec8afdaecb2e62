"""The arrays of .npy and .npz files, read piece by piece. Pickled objects are never loaded."""

from __future__ import annotations

import ast
import math
import mmap
import struct
import zipfile
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from lyftlearn_image.parity.compare.unreadable import UnreadableError, check_expansion, reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np

    Bytes = np.ndarray[Any, np.dtype[np.uint8]]

# https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html: magic, version, length of the header, header.
_MAGIC = b"\x93NUMPY"
_LENGTHS = {1: "<H", 2: "<I", 3: "<I"}
# What numpy itself takes: a longer literal could end the interpreter.
_MAX_HEADER_BYTES = 10_000
_CHUNK_BYTES = 1 << 22
# A value is read whole.
_MAX_ITEM_BYTES = 1 << 24
# https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.7: a member's own header, and the lengths within.
_LOCAL_HEADER_BYTES = 30
_LOCAL_LENGTHS = struct.Struct("<26xHH")
_ENCRYPTED = 0x1


@dataclass(frozen=True)
class StoredArray:
    """One array of a file: what it is, and where its values stand in the file or in the unpacked member `member`."""

    path: Path
    member: zipfile.ZipInfo | None
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    is_fortran: bool
    offset: int

    @property
    def form(self) -> str:
        """Type and shape, in words."""
        return f"{self.dtype}, shape {self.shape}"

    @property
    def size(self) -> int:
        """The number of values."""
        return math.prod(self.shape)

    def read_chunks(self, first: int = 0) -> Iterator[Bytes]:
        """The bytes of its values from the one with this number on, in pieces of whole values."""
        import numpy as np  # noqa: PLC0415 - 100 ms, for suites with arrays

        piece = max(1, _CHUNK_BYTES // self.dtype.itemsize) * self.dtype.itemsize
        begin, end = (self.offset + number * self.dtype.itemsize for number in (first, self.size))
        if self.member is None:
            with self.path.open("rb") as file:
                for start in range(begin, end, piece):
                    # Mapped piece by piece: the whole file would count as memory of this process.
                    base = start - start % mmap.ALLOCATIONGRANULARITY
                    stop = min(start + piece, end)
                    mapped = mmap.mmap(file.fileno(), stop - base, offset=base, access=mmap.ACCESS_READ)
                    yield np.frombuffer(mapped, np.uint8)[start - base :]
            return
        with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
            file.seek(begin)
            for start in range(begin, end, piece):
                yield np.frombuffer(_read_exactly(file, min(piece, end - start)), np.uint8)


def read_arrays(path: Path) -> dict[str, StoredArray]:
    """The arrays of a file by their names, which is empty for the one of a .npy. UnreadableError when it is none."""
    with reading():
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                return {"": _read_form(path, None, file, path.stat().st_size)}
        with zipfile.ZipFile(path) as archive:
            check_expansion(path, sum(info.file_size for info in archive.infolist()))
            return dict(_read_members(path, archive))


def _read_members(path: Path, archive: zipfile.ZipFile) -> Iterator[tuple[str, StoredArray]]:
    seen: Counter[str] = Counter()
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        seen[name] += 1
        # An archive may have a name twice; a reader that takes the last one alone would not see the first.
        named = name if seen[name] == 1 else f"{name} ({seen[name]})"
        is_stored = info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & _ENCRYPTED
        if is_stored and info.compress_size == info.file_size:
            with path.open("rb") as file:
                file.seek(_data_offset(file, info))
                yield named, _read_form(path, None, file, file.tell() + info.file_size)
        else:
            with archive.open(info) as member:
                yield named, _read_form(path, info, member, info.file_size)


def _data_offset(file: BinaryIO, info: zipfile.ZipInfo) -> int:
    file.seek(info.header_offset)
    lengths = _LOCAL_LENGTHS.unpack(_read_exactly(file, _LOCAL_HEADER_BYTES))
    return info.header_offset + _LOCAL_HEADER_BYTES + int(sum(lengths))


def _read_form(path: Path, member: zipfile.ZipInfo | None, file: Any, end: int) -> StoredArray:
    """What the header at the file's position says, if the array ends where it should."""
    from numpy.lib import format as npy_format  # noqa: PLC0415 - see read_chunks

    magic = _read_exactly(file, len(_MAGIC) + 2)
    if magic[: len(_MAGIC)] != _MAGIC or magic[-2] not in _LENGTHS:
        raise UnreadableError("it does not begin as a .npy does")
    length_form = _LENGTHS[magic[-2]]
    (length,) = struct.unpack(length_form, _read_exactly(file, struct.calcsize(length_form)))
    if length > _MAX_HEADER_BYTES:
        raise UnreadableError(f"its header has {length} bytes")
    header = ast.literal_eval(_read_exactly(file, length).decode("utf-8" if magic[-2] == max(_LENGTHS) else "latin-1").strip())
    dtype: np.dtype[Any] = npy_format.descr_to_dtype(header["descr"])
    found = StoredArray(path, member, dtype, header["shape"], header["fortran_order"], file.tell())
    _check_form(found)
    values_end = found.offset + found.size * dtype.itemsize
    if values_end != end:
        raise UnreadableError(f"its values should end at byte {values_end}, and it ends at byte {end}")
    return found


def _check_form(array: StoredArray) -> None:
    if array.dtype.hasobject:
        raise UnreadableError("it holds Python objects, which are never loaded")
    if not isinstance(array.shape, tuple) or not all(isinstance(each, int) and each >= 0 for each in array.shape):
        raise UnreadableError(f"its shape is {array.shape!r}")
    if array.dtype.subdtype or array.dtype.itemsize > _MAX_ITEM_BYTES:
        raise UnreadableError(f"its type is {array.dtype}")


def _read_exactly(file: Any, size: int) -> bytes:
    data: bytes = file.read(size)
    if len(data) != size:
        raise UnreadableError("it ends too early")
    return data
