"""Archives as clients and jobs put them into S3."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


def tar_gz(files: Mapping[str, str | bytes], executable: Collection[str] = ()) -> bytes:
    """A tar.gz of these files, by name; those that are `executable` may be started."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, content in files.items():
            encoded = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(encoded), 0o755 if name in executable else 0o644
            archive.addfile(member, io.BytesIO(encoded))
    return data.getvalue()
