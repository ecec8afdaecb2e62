"""The last known value of a reference that asks for it: kept in memory, for the next start of this container.

Files on a tmpfs alone: a value on a disk would outlive the container in clear. `/dev/shm` is one in every container; on
Kubernetes a container's own is gone with it, so a pod whose restarts should find the values mounts an `emptyDir` with
`medium: Memory` there, or elsewhere and names it in LYFTLEARN_MEMORY_DIR.
"""

from __future__ import annotations

import hashlib

from lyftlearn_runtime import contract, files
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.log import log_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_MODE = 0o400


def save(text: str, value: str, environ: Mapping[str, str]) -> None:
    """Remembers the value of a reference. Where that cannot be done in memory it is not done, and a line says so."""
    directory = environ.get(contract.MEMORY_DIR) or contract.MEMORY
    if not files.is_in_memory(directory):
        log_line(f"{text}: {directory} is not in memory, so its last known value is not kept; mount a tmpfs there")
        return
    try:
        files.replace(_path(directory, text), value.encode("utf-8", "surrogateescape"), _MODE)
    except ShimError as error:
        log_line(f"{text}: its last known value is not kept: {error.message}")


def load(text: str, environ: Mapping[str, str]) -> str | None:
    """The value that was kept, None where there is none."""
    try:
        with open(_path(environ.get(contract.MEMORY_DIR) or contract.MEMORY, text), "rb") as file:
            return file.read().decode("utf-8", "surrogateescape")
    except OSError:
        return None


def _path(directory: str, text: str) -> str:
    return f"{directory}/known/{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()}"
