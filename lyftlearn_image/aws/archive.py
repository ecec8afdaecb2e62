"""Archives of models and outputs (tar.gz): packed, and unpacked so that nothing of them leads out."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import threading
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from lyftlearn_image.errors import RunError
from lyftlearn_runtime.adaptive_gzip import AdaptiveGzip

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from lyftlearn_image.untrusted_tree import Allowance

SUFFIX = ".tar.gz"
# What tarfile raises, at any member, for an archive that is broken or none: ValueError for a name that no file can have,
# RecursionError for headers about headers, the others for fields that are no numbers.
UNREADABLE = (
    tarfile.TarError, OSError, EOFError, ValueError, zlib.error, RecursionError, LookupError, ArithmeticError, TypeError,
)  # fmt: skip
# tarfile reads a member's header at once, and headers of headers; one of an honest archive has a path and little else.
_LONGEST_READ_BYTES = 256 << 10
_BLOCK_BYTES = 1 << 20


class BoundedGzip(gzip.GzipFile):
    """A gzip file of which nobody reads much at once, as a header of gigabytes has tarfile do."""

    def read(self, size: int | None = -1) -> bytes:
        """Up to `size` decompressed bytes. Raises tarfile.ReadError for too many."""
        if size is None or not 0 <= size <= _LONGEST_READ_BYTES:
            raise tarfile.ReadError("it has a header that is too large")
        return super().read(size)


def is_real_directory(path: Path) -> bool:
    """Whether it is a directory itself: a script may put a link to anywhere in its place, or remove it."""
    return path.is_dir() and not path.is_symlink()


def pack(directory: Path, file: IO[bytes]) -> None:
    """Writes a directory's content, without the directory itself."""
    packed: Any = AdaptiveGzip(file)
    with packed, tarfile.TarFile(None, "w", packed, copybufsize=_BLOCK_BYTES) as archive:
        for path in sorted(directory.iterdir()):
            archive.add(path, arcname=path.name)


class PackedStream:
    """An archive of a directory's content that is packed while it is read, by a thread, as far ahead as a pipe goes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        read_fd, self._write_fd = os.pipe()
        self._file = os.fdopen(read_fd, "rb")
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._pack, name="archive", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()  # who still packs has nobody to pack for
        self._thread.join()

    def read(self, size: int = -1) -> bytes:
        """So many bytes, fewer at the end; all for -1. Raises what packing raised: one that is cut is none."""
        data = self._file.read(size)
        if not 0 <= size <= len(data):
            self._thread.join()
            if self._error is not None:
                raise self._error
        return data

    def _pack(self) -> None:
        try:
            with os.fdopen(self._write_fd, "wb", buffering=_BLOCK_BYTES) as file:
                pack(self._directory, file)
        except Exception as error:  # noqa: BLE001 - raised where it is read
            self._error = error


def unpack(archive: tarfile.TarFile, into: Path, allowance: Allowance) -> None:
    """Files and directories first, links last, so that nothing is ever written through a link.

    What is neither a file nor a directory becomes a text file that says what it is: a device, a link that leads out of
    the archive or to nothing. So it can be compared, and nobody reads this machine's files through it. (tarfile's own
    "data" filter came with Python 3.11.4; Debian 12 has 3.11.2.) Raises RunError for a member whose name leads out, for
    a hard link to nothing, and for more than is allowed, before it is unpacked; UNREADABLE for a broken archive.
    """
    links: list[tuple[Path, str]] = []
    for member in archive:
        path = into / member.name
        if member.name.startswith("/") or ".." in PurePosixPath(member.name).parts:
            raise RunError(f"the archive's member {member.name} leads out of it")
        allowance.check_path(member.name)
        allowance.take(member.size, member.name, files=1)
        if member.isdir():
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if member.issym():
            links.append((path, member.linkname))
        elif (content := _content(archive, member)) is not None:
            with path.open("xb") as file:
                # A hard link has no size, and its target's bytes.
                if member.islnk():
                    allowance.take(content.seek(0, os.SEEK_END), member.name)
                    content.seek(0)
                shutil.copyfileobj(content, file)
        else:
            path.write_text(f"special file of tar type {member.type!r}\n", encoding="utf-8")
    for path, target in links:
        path.symlink_to(target)
    # One may lead through another: all are judged before the first is replaced, and again after the last.
    while refused := [link for link in links if link[0].is_symlink() and not _leads_inside(link[0], into)]:
        for path, target in refused:
            path.unlink()
            path.write_text(f"symbolic link to {target}\n", encoding="utf-8", errors="surrogateescape")


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes] | None:
    """A file's bytes; those of its target for a hard link. None for a device."""
    try:
        return archive.extractfile(member)
    except (KeyError, RecursionError):  # it links to what the archive does not have, or round and round
        raise RunError(f"the archive's member {member.name} links to nothing: {member.linkname}") from None


def merge_directories(directories: Sequence[Path], into: Path) -> None:
    """Moves the content of several directories into one; of files with the same name, the first directory's stays."""
    into.mkdir(parents=True, exist_ok=True)
    for directory in directories:
        for path in sorted(directory.iterdir()) if is_real_directory(directory) else ():
            target = into / path.name
            if not (target.exists() or target.is_symlink()):
                path.rename(target)
            elif is_real_directory(path) and is_real_directory(target):
                merge_directories([path], target)


def _leads_inside(link: Path, directory: Path) -> bool:
    try:
        # Python takes `..` off a path as text; to the system it leads nowhere behind what is no directory.
        return link.exists() and link.resolve(strict=True).is_relative_to(directory.resolve())
    except (OSError, RuntimeError):  # it leads to nothing, or round and round
        return False
