"""Directories as archives: model.tar.gz and its like, the same bytes for the same content."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

# Of a member besides its bytes (a header and its padding), and of an archive's end; a long name takes two headers more.
_MEMBER_BYTES = 2048
_END_BYTES = 10240
_BLOCK_BYTES = 1 << 20


def write_archive(directory: str, file: IO[bytes]) -> None:
    """Writes a tar.gz of a directory's content, as model.tar.gz is one."""
    import tarfile  # noqa: PLC0415 - only at the end of a job that uploads

    from lyftlearn_runtime.adaptive_gzip import AdaptiveGzip  # noqa: PLC0415 - see above

    packed: Any = AdaptiveGzip(file)
    with packed, tarfile.TarFile(None, "w", packed, copybufsize=_BLOCK_BYTES) as tar:
        for member in members(directory):
            tar.add(member, os.path.relpath(member, directory), recursive=False, filter=_plain)


def largest_size(directory: str) -> int:
    """What an archive of a directory may come to, in bytes: that of content which cannot be compressed."""
    total = _END_BYTES
    for path in members(directory):
        found = os.lstat(path)
        total += _MEMBER_BYTES + (found.st_size if stat.S_ISREG(found.st_mode) else 0)
    return total


def members(directory: str) -> list[str]:
    """Everything below a directory, directories before their content, in a fixed order. Links are not followed."""
    return sorted(os.path.join(top, name) for top, below, names in os.walk(directory) for name in below + names)


def regular_files(directory: str) -> list[str]:
    """Every file below a directory but links, which SageMaker does not follow either (API reference, ProcessingS3Output)."""
    return [path for path in members(directory) if os.path.isfile(path) and not os.path.islink(path)]


def _plain(member: Any) -> Any:
    """A member without what only says who ran where and when."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member
