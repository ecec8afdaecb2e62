"""What an archive holds: tar and zip files, and single files that gzip, bzip2 or xz has compressed.

Nothing is ever written where a member's name says, and nothing is read whole: not a member, nor the list of them, nor a
header of a gigabyte.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, cast

from lyftlearn_image.parity.compare.unreadable import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

MAX_MEMBERS = 1 << 16
# The longest stretch that a reader of archives may ask for at once: a zip file's directory, a tar file's extended header.
_MAX_READ_BYTES = 1 << 23
_TAR_BLOCK_BYTES = 512
# Two of zeros end a tar file (POSIX.1, pax, "ustar Interchange Format").
_END_BLOCKS = 2
_MAGIC_BYTES = 6
_COMPRESSED: Mapping[bytes, tuple[str, Callable[[IO[bytes]], IO[bytes]]]] = {
    b"\x1f\x8b": ("gzip", lambda file: cast("IO[bytes]", gzip.GzipFile(fileobj=file))),
    b"BZh": ("bzip2", bz2.BZ2File),
    b"\xfd7zXZ\x00": ("xz", lzma.LZMAFile),
}
# What zipfile decompresses in pieces of the size that is asked for; of other methods it expands all that it has read.
_PIECEWISE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class Member:
    """What stands under a name in an archive. `kind` says what it is, with the target of a link."""

    kind: str
    # How much may be read from it at once.
    chunk_bytes: int = 1 << 16
    open: Callable[[], IO[bytes]] = field(default=io.BytesIO, compare=False)


@dataclass(frozen=True)
class Archive:
    """`format` names it; `members` is in the archive's order, names that are there again with a number behind them."""

    format: str
    members: Mapping[str, Member]


def find_compression(path: Path) -> str | None:
    """`gzip`, `bzip2`, `xz`, by the first bytes; None for another file."""
    return next((name for magic, (name, _) in _COMPRESSED.items() if _beginning(path).startswith(magic)), None)


@contextlib.contextmanager
def open_compressed(path: Path) -> Iterator[IO[bytes]]:
    """What a compressed file holds, to be read piece by piece."""
    beginning = _beginning(path)
    decompress = next(opener for magic, (_, opener) in _COMPRESSED.items() if beginning.startswith(magic))
    with path.open("rb") as file, decompress(file) as content:
        yield content


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[Archive | None]:
    """The tar or zip file at this path; None when it is neither. What the library raises comes through when it is broken."""
    with path.open("rb") as raw:
        if zipfile.is_zipfile(raw):
            with zipfile.ZipFile(_SmallReads(raw)) as zip_file:
                yield Archive("zip", _number(_zip_members(zip_file)))
        elif _is_tar(path):
            raw.seek(0)
            with tarfile.open(fileobj=_SmallReads(raw), mode="r:") as tar_file:
                yield Archive("tar", _number(_tar_members(tar_file, raw)))
        else:
            yield None


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAGIC_BYTES)


def _is_tar(path: Path) -> bool:
    with path.open("rb") as file:
        block = file.read(_TAR_BLOCK_BYTES)
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        # Of nothing at all: only the blocks that end it.
        return len(block) == _TAR_BLOCK_BYTES and not block.strip(b"\0")
    return True


class _SmallReads(io.RawIOBase, IO[bytes]):
    """A file of which nobody reads very much at once: UnreadableError for what only a hostile archive makes one ask for."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0 or size > _MAX_READ_BYTES:
            content = self._file.read(_MAX_READ_BYTES + 1)
            if len(content) > _MAX_READ_BYTES:
                raise UnreadableError(f"a header or directory in it is larger than {_MAX_READ_BYTES} bytes")
            return content
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def _number(members: Iterator[tuple[str, Member]]) -> dict[str, Member]:
    """The members by their names; a name that is there again gets a number, for the later one need not be the same."""
    seen: Counter[str] = Counter()
    numbered: dict[str, Member] = {}
    for name, member in members:
        seen[name] += 1
        if len(numbered) >= MAX_MEMBERS:
            raise UnreadableError(f"it has more than {MAX_MEMBERS} members")
        numbered[name if seen[name] == 1 else f"{name} (again, {seen[name]})"] = member
    return numbered


def _zip_members(archive: zipfile.ZipFile) -> Iterator[tuple[str, Member]]:
    entries = archive.infolist()
    if archive.comment:
        yield "(comment)", Member("comment", open=lambda: io.BytesIO(archive.comment))
    if entries and (before := min(entry.header_offset for entry in entries)):
        yield "(before the first member)", Member("bytes", open=lambda: _stretch(archive.fp, 0, before))
    for entry in entries:
        if entry.flag_bits & 1:
            raise UnreadableError(f"its member {entry.filename!r} is encrypted")
        kind = "directory" if entry.is_dir() else "symbolic link" if stat.S_ISLNK(entry.external_attr >> 16) else "file"
        chunk_bytes = 1 << 16 if entry.compress_type in _PIECEWISE else 1 << 12
        yield entry.filename, Member(kind, chunk_bytes, lambda entry=entry: archive.open(entry))  # type: ignore[misc]


def _tar_members(archive: tarfile.TarFile, raw: IO[bytes]) -> Iterator[tuple[str, Member]]:
    for entry in archive:
        if entry.isfile():
            yield entry.name, Member("file", open=lambda entry=entry: _extract(archive, entry))  # type: ignore[misc]
        elif entry.issym() or entry.islnk():
            yield entry.name, Member(f"{'symbolic' if entry.issym() else 'hard'} link to {entry.linkname}")
        else:
            kind = "directory" if entry.isdir() else f"tar type {entry.type!r}, device {entry.devmajor}, {entry.devminor}"
            yield entry.name, Member(kind)
    size = raw.seek(0, io.SEEK_END)
    if size < archive.offset + _END_BLOCKS * _TAR_BLOCK_BYTES:
        raise UnreadableError("it is cut: the blocks that end it are missing")
    # tarfile takes a broken header for the end: what stands behind it is compared, and is nothing in a whole archive.
    raw.seek(archive.offset)
    while (block := raw.read(1 << 16)) and not block.strip(b"\0"):
        pass
    if block:
        raise UnreadableError("it is broken, or goes on behind its end")


def _extract(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(entry)
    if content is None:
        raise UnreadableError(f"its member {entry.name!r} cannot be read")
    return content


def _stretch(file: IO[bytes] | None, start: int, length: int) -> IO[bytes]:
    if file is None or length > _MAX_READ_BYTES:
        raise UnreadableError("there is too much before its first member")
    file.seek(start)
    return io.BytesIO(file.read(length))
