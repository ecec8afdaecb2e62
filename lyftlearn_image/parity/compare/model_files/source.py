"""The bytes of a model file, mapped into memory instead of read, and unpacked where they are compressed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import mmap
import tempfile
import zlib
from typing import TYPE_CHECKING, Any

from lyftlearn_image.parity.compare.model_files.graph import UnreadableModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

# What a compressed file may unpack to. A model of this size is a bomb, or is saved without compression.
MAX_UNPACKED_BYTES = 2 << 30
_CHUNK_BYTES = 1 << 20
# Pieces below this size are copied, so that they behave as bytes everywhere.
_COPIED_BYTES = 1 << 16
_OPENERS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"\x5d\x00\x00": lzma.open,
}


def map_file(path: Path) -> memoryview:
    """All bytes of a file, unpacked if they are compressed with gzip, zlib, bz2, xz or lzma.

    Raises UnreadableModelError for damaged and endless data.
    """
    with path.open("rb") as file:
        start = file.read(6)
        file.seek(0)
        opener = next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)
        if opener:
            with opener(path) as unpacked:
                return _map_unpacked(iter(lambda: unpacked.read(_CHUNK_BYTES), b""))
        # RFC 1950, 2.2: the two bytes of a zlib header are a multiple of 31.
        if start[:1] == b"\x78" and len(start) > 1 and int.from_bytes(start[:2], "big") % 31 == 0:
            return _map_unpacked(_inflate(file))
        return _map(file)


def _map(file: Any) -> memoryview:
    size = file.seek(0, 2)
    return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)) if size else memoryview(b"")


def _map_unpacked(chunks: Iterator[bytes]) -> memoryview:
    size = 0
    with tempfile.TemporaryFile() as file:
        try:
            for chunk in chunks:
                size += len(chunk)
                if size > MAX_UNPACKED_BYTES:
                    raise UnreadableModelError(f"it unpacks to more than {MAX_UNPACKED_BYTES >> 30} GiB")
                file.write(chunk)
        except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
            raise UnreadableModelError(f"its compressed data is damaged: {error}") from None
        file.flush()
        return _map(file)


def _inflate(file: BinaryIO) -> Iterator[bytes]:
    decompressor = zlib.decompressobj()
    while piece := decompressor.unconsumed_tail or file.read(_CHUNK_BYTES):
        yield decompressor.decompress(piece, _CHUNK_BYTES)
    if not decompressor.eof:
        raise EOFError("it is cut off")


class Reader:
    """Reads a view from its start, as a file would be read; large pieces are views of it and no copies."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self.position = 0

    def read(self, size: int) -> Any:
        """The next bytes, fewer at the end."""
        start, self.position = self.position, min(self.position + max(size, 0), len(self._data))
        piece = self._data[start : self.position]
        return bytes(piece) if len(piece) < _COPIED_BYTES else piece

    def readline(self) -> bytes:
        """The next line with its end."""
        start = self.position
        while True:
            piece = bytes(self._data[self.position : self.position + _COPIED_BYTES])
            end = piece.find(b"\n")
            self.position += end + 1 if end >= 0 else len(piece)
            if end >= 0 or not piece:
                return bytes(self._data[start : self.position])

    def take(self, size: int) -> memoryview:
        """The next bytes as a view; UnreadableModelError where there are fewer."""
        if size < 0 or size > len(self._data) - self.position:
            raise UnreadableModelError("the file is cut off")
        start, self.position = self.position, self.position + size
        return self._data[start : self.position]

    @property
    def rest(self) -> memoryview:
        """All that was not read yet."""
        return self._data[self.position :]
