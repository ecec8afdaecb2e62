"""Files of one directory that change together, laid out as Kubernetes lays out a ConfigMap or Secret volume.

`..data` is a link to a directory with a timestamp for its name, and each file a link into it: whoever reads them sees all
of the old or all of the new ones (k8s.io/kubernetes, pkg/volume/util/atomic_writer.go). So a script that knows mounted
configuration finds the same on SageMaker. Directories with a secret in them are kept in memory.
"""

from __future__ import annotations

import hashlib
import os
import time

from lyftlearn_runtime import contract, files
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.frozen import namedtuple
from lyftlearn_runtime.log import log_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_DATA = "..data"
# `owner` is a UID and a GID, or None.
FileProjection = namedtuple("FileProjection", ["path", "data", "mode", "owner", "is_secret"])


def write(projections: Sequence[FileProjection], environ: Mapping[str, str]) -> list[str]:
    """Makes the files be there, directory by directory; the paths of all whose content or mode was another."""
    by_directory: dict[str, list[FileProjection]] = {}
    for one in projections:
        by_directory.setdefault(os.path.dirname(one.path), []).append(one)
    return [path for directory, inside in by_directory.items() for path in _write(directory, inside, environ)]


def _write(directory: str, inside: Sequence[FileProjection], environ: Mapping[str, str]) -> list[str]:
    changed = [one.path for one in inside if not _is_there(one)]
    if not changed:
        return []
    if _has_others(directory, {os.path.basename(one.path) for one in inside}):
        # Somebody else's directory keeps its own look: its files are put beside the others, one by one.
        for one in inside:
            files.replace(one.path, one.data, one.mode, one.owner)
        return changed
    version = _version(_store(directory, inside, environ))
    for one in inside:
        files.replace(f"{version}/{os.path.basename(one.path)}", one.data, one.mode, one.owner)
    try:
        _swap(directory, version, [os.path.basename(one.path) for one in inside])
    except OSError as error:
        raise ShimError(
            f"{directory} cannot be written: {error.strerror}; mount a writable directory there", contract.EXIT_CONFIG
        ) from None
    return changed


def _is_there(one: FileProjection) -> bool:
    try:
        with open(one.path, "rb") as file:
            return file.read() == one.data and bool(os.fstat(file.fileno()).st_mode & 0o7777 == one.mode)
    except OSError:
        return False


def _has_others(directory: str, own: set[str]) -> bool:
    try:
        names = os.listdir(directory)
    except OSError:
        return False
    return any(not name.startswith("..") and not (name in own and os.path.islink(f"{directory}/{name}")) for name in names)


def _store(directory: str, inside: Sequence[FileProjection], environ: Mapping[str, str]) -> str:
    """Where the content goes: to the directory itself, or into memory where there is a secret in it."""
    if not any(one.is_secret for one in inside) or files.is_in_memory(_existing(directory)):
        return directory
    memory = environ.get(contract.MEMORY_DIR) or contract.MEMORY
    if not files.is_in_memory(_existing(memory)) or not files.is_writable(_existing(memory)):
        log_line(f"{directory} has secrets and there is no memory for them at {memory}; they are on its own disk")
        return directory
    return f"{memory}/files/{hashlib.sha256(directory.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"


def _existing(path: str) -> str:
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _version(store: str) -> str:
    """A new directory's path, named as the kubelet names one."""
    now = time.time()
    return f"{store}/..{time.strftime('%Y_%m_%d_%H_%M_%S', time.gmtime(now))}.{int(now % 1 * 1e9):09d}"


def _swap(directory: str, version: str, names: Sequence[str]) -> None:
    os.makedirs(directory, exist_ok=True)
    data = f"{directory}/{_DATA}"
    before = os.readlink(data) if os.path.islink(data) else ""
    target = os.path.basename(version) if os.path.dirname(version) == directory else version
    _link(target, data)
    for name in names:
        _link(f"{_DATA}/{name}", f"{directory}/{name}")
    if before:
        _remove(os.path.join(directory, before))


def _remove(version: str) -> None:
    try:
        for name in os.listdir(version):
            os.unlink(f"{version}/{name}")
        os.rmdir(version)
    except OSError:
        pass  # what a platform has mounted there is the platform's


def _link(target: str, path: str) -> None:
    """A symbolic link in place of what is there, in one step."""
    if os.path.islink(path) and os.readlink(path) == target:
        return
    # A name of its own: two starts in one container may do this at the same time.
    temporary = f"{os.path.dirname(path)}/..{os.path.basename(path)}.{os.getpid()}"
    if os.path.islink(temporary):
        os.unlink(temporary)
    os.symlink(target, temporary)
    os.rename(temporary, path)
