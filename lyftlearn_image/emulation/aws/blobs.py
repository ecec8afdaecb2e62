"""The bytes of S3's objects and parts, in files that have no name: they are gone with the process, however it ends.

A blob is a list of extents, so that a completed upload, a copy and a range of one are made without copying a byte.
Small ones share files: a process has few file descriptors, and S3 many small objects.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
import threading
import weakref
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CHUNK_BYTES = 128 << 10
_SMALL_BYTES = 1 << 20
_SHARED_FILE_BYTES = 64 << 20
# What is left of the disk for the rest of the machine.
_SPARED_BYTES = 1 << 30


class _File:
    """A file without a name, closed with the last extent that lies in it."""

    def __init__(self, size: int) -> None:
        """Raises OSError where the disk has no room for so many bytes."""
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - as said above
        self.fd = file.fileno()
        weakref.finalize(self, file.close)
        disk = os.fstatvfs(self.fd)
        if disk.f_bavail * disk.f_frsize < size + _SPARED_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.end = 0


@dataclass(frozen=True)
class _Extent:
    file: _File
    start: int
    length: int

    def chunks(self) -> Iterator[bytes]:
        """Its bytes. Raises OSError when the file is shorter than it was."""
        at, end = self.start, self.start + self.length
        while at < end:
            chunk = os.pread(self.file.fd, min(CHUNK_BYTES, end - at), at)
            if not chunk:
                raise OSError("a stored object has lost its end")
            at += len(chunk)
            yield chunk


@dataclass(frozen=True)
class Checksum:
    """What a client said of a body, and what is true of it: `algorithm` as S3 has it (`CRC32`), the digest in base64."""

    algorithm: str
    value: str


@dataclass(frozen=True, eq=False)
class Blob:
    """Bytes on the disk. `len` and slices are as those of `bytes`, whose place it takes in moto."""

    extents: tuple[_Extent, ...] = ()
    checksum: Checksum | None = field(default=None, repr=False)

    @cached_property
    def size(self) -> int:
        """In bytes."""
        return sum(extent.length for extent in self.extents)

    @cached_property
    def md5(self) -> str:
        """In hex. It is known of what was received, and read of what was put together."""
        digest = hashlib.md5(usedforsecurity=False)
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """All bytes, in pieces of at most CHUNK_BYTES."""
        for extent in self.extents:
            yield from extent.chunks()

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, part: slice) -> Blob:
        start, stop, step = part.indices(self.size)
        if step != 1:
            raise ValueError("a range of bytes has every byte")
        extents, at = list[_Extent](), 0
        for extent in self.extents:
            low, high = max(start - at, 0), min(stop - at, extent.length)
            if low < high:
                extents.append(_Extent(extent.file, extent.start + low, high - low))
            at += extent.length
        return Blob(tuple(extents))

    def with_checksum(self, checksum: Checksum) -> Blob:
        """The same bytes with what is known of them."""
        blob = Blob(self.extents, checksum)
        blob.__dict__["md5"] = self.md5
        return blob

    @staticmethod
    def concat(blobs: Iterable[Blob]) -> Blob:
        """One after the other."""
        return Blob(tuple(extent for blob in blobs for extent in blob.extents))


class BlobStore:
    """Where blobs are written. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shared: _File | None = None

    def write(self, chunks: Iterable[bytes], size: int) -> Blob:
        """A blob of what the chunks hold, which is `size` bytes.

        Raises what the chunks raise, ValueError for another number of bytes, and OSError for a full disk; then nothing is
        kept.
        """
        file, start = self._place(size)
        digest, at = hashlib.md5(usedforsecurity=False), start
        for chunk in chunks:
            if at + len(chunk) > start + size:
                raise ValueError("more bytes than were announced")
            _write(file.fd, chunk, at)
            digest.update(chunk)
            at += len(chunk)
        if at != start + size:
            raise ValueError("fewer bytes than were announced")
        blob = Blob((_Extent(file, start, size),) if size else ())
        blob.__dict__["md5"] = digest.hexdigest()  # what cached_property would read the file for
        return blob

    def _place(self, size: int) -> tuple[_File, int]:
        """A file, and where in it there is room."""
        if size > _SMALL_BYTES:
            return _File(size), 0
        with self._lock:
            if self._shared is None or self._shared.end + size > _SHARED_FILE_BYTES:
                self._shared = _File(size)
            start = self._shared.end
            self._shared.end += size
            return self._shared, start


def _write(fd: int, chunk: bytes, at: int) -> None:
    left = memoryview(chunk)
    while left:
        written = os.pwrite(fd, left, at)
        left, at = left[written:], at + written
