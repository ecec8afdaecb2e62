"""Files that appear whole or not at all."""

from __future__ import annotations

import os

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError


def replace(path: str, data: bytes, mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
    """Puts a file with this content in place of whatever is there, in one step, and makes its directories.

    `owner` is a UID and a GID; only root can give a file away.
    """
    directory = os.path.dirname(path)
    temporary = f"{directory}/.{os.path.basename(path)}.{os.getpid()}"
    try:
        descriptor = _create(temporary)
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)
        if owner and owner != (os.geteuid(), os.getegid()):
            os.chown(temporary, *owner)
        os.rename(temporary, path)
    except OSError as error:
        _forget(temporary)
        raise ShimError(
            f"{path} cannot be written: {error.strerror}; mount a writable directory there", contract.EXIT_CONFIG
        ) from None


def is_writable(directory: str) -> bool:
    """Whether a file can be made there, asked of the kernel, which also knows of read-only mounts."""
    return directory != "/" and os.path.isdir(directory) and os.access(directory, os.W_OK | os.X_OK)


def is_in_memory(path: str) -> bool:
    """Whether what is written there reaches no disk: its mount is a tmpfs or a ramfs (proc(5), /proc/pid/mounts)."""
    place = os.path.realpath(path)
    best, kind = "", ""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split(" ")[1:3] for line in file]
    except OSError:
        return False
    for at, type_ in mounts:
        point = at.replace("\\040", " ")
        if (place + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(best):
            best, kind = point, type_
    return kind in {"tmpfs", "ramfs"}


def _create(path: str) -> int:
    """A new file to write to. Nobody else can read it before it has its own mode."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return os.open(path, flags, 0o600)


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
