"""Copies directories of the image into the volumes that will hide them, so that they can be written to on a read-only root.

The program of an init container: `copy_directories.py WORK [SOURCE TARGET]…`. WORK gets the image's own working directory,
below its path. What the user may not read is there as something that he may not read; what he may read he may also write, as
root may on SageMaker. Modes, times and links stay; owners become the user's, for only root can give a file away.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys

_CHUNK_BYTES = 1 << 20
# A file on its way. It gets its name when it is whole.
_PART = ".lyftlearn-copy"


def copy_content(source: str, target: str) -> None:
    """Copies what is in a directory into another, which is there. OSError where the target has no room.

    What has a name there already stays as it is: a kubelet may run an init container again (kubernetes.io/docs "Init
    Containers").
    """
    with os.scandir(source) as entries:
        for entry in entries:
            path, status = os.path.join(target, entry.name), entry.stat(follow_symlinks=False)
            if entry.is_symlink():
                _link(os.readlink(entry.path), path)
            elif entry.is_dir():
                _copy_directory(entry.path, path, status)
            elif entry.is_file():
                _copy_file(entry.path, path, status)
            else:
                _tell(entry.path, "is no file, directory or link, and is left out")


def copy_working_directory(source: str, work: str, copied: tuple[str, ...]) -> None:
    """Copies a working directory to its path below `work`, unless it is in what is copied anyhow."""
    target = work + source.rstrip("/")
    if any((source + "/").startswith(one + "/") for one in copied):
        return
    os.makedirs(target, exist_ok=True)
    if work.startswith(source.rstrip("/") + "/"):
        # `/`, all of the image: everything in it is found by its name, and what is new is written beside that.
        for name in os.listdir(source):
            _link(os.path.join(source, name), os.path.join(target, name))
    else:
        copy_content(source, target)


def main(arguments: list[str]) -> int:
    """1 with a line that says why where something cannot be copied for another reason than its mode."""
    work, sources, targets = arguments[0], arguments[1::2], arguments[2::2]
    try:
        for source, target in zip(sources, targets):  # noqa: B905 - Python 3.8 has no `strict`
            if os.path.isdir(source):
                copy_content(source, target)
        copy_working_directory(os.getcwd(), work, tuple(sources))
    except OSError as error:
        _tell(str(error.filename), f"the image's directories cannot be copied: {error.strerror}")
        return 1
    return 0


def _link(to: str, path: str) -> None:
    if not os.path.lexists(path):
        os.symlink(to, path)


def _copy_directory(source: str, target: str, status: os.stat_result) -> None:
    if not os.path.lexists(target):
        os.mkdir(target, stat.S_IRWXU)
    elif not os.path.isdir(target):
        return
    if not os.access(source, os.R_OK | os.X_OK):
        _close(source, target, status)
        return
    copy_content(source, target)
    _finish(target, status, stat.S_IRWXU)


def _copy_file(source: str, target: str, status: os.stat_result) -> None:
    if os.path.lexists(target):
        return
    part = os.path.join(os.path.dirname(target), _PART)
    if os.path.lexists(part):
        os.remove(part)
    is_readable = os.access(source, os.R_OK)
    with open(part, "xb") as copied:
        if is_readable:
            with open(source, "rb") as file:
                shutil.copyfileobj(file, copied, _CHUNK_BYTES)
    if is_readable:
        _finish(part, status, stat.S_IRUSR | stat.S_IWUSR)
    else:
        _close(source, part, status)
    os.rename(part, target)


def _finish(path: str, status: os.stat_result, of_owner: int) -> None:
    os.chmod(path, stat.S_IMODE(status.st_mode) | of_owner)
    # An interpreter compares the time of a script with what it compiled of it.
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _close(source: str, path: str, status: os.stat_result) -> None:
    mode = stat.S_IMODE(status.st_mode)
    who = f"the user {os.getuid()}:{os.getgid()} may not read it"
    _tell(source, f"{who}: its mode is {mode:04o}, its owner {status.st_uid}:{status.st_gid}")
    os.chmod(path, 0)


def _tell(path: str, what: str) -> None:
    sys.stderr.write(f"{path}: {what}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
