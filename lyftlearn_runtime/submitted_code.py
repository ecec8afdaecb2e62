"""The code that a client has sent along with a job: from S3 or a directory into `/opt/ml/code`, once.

The rules are those of aws/sagemaker-training-toolkit (src/sagemaker_training/files.py, `download_and_extract`): a directory
that has something in it stays as it is, and no member of an archive leaves it.
"""

from __future__ import annotations

import os

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.log import log_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from tarfile import TarFile, TarInfo
    from typing import IO

# What is on its way in: a start that died leaves it, and the next one begins again.
_PART = ".lyftlearn-part"
_MODES = 0o777
_GZIP = b"\x1f\x8b"


def bring(source: str, environ: Mapping[str, str], code_dir: str = contract.CODE_DIR) -> None:
    """Puts what `source` names into the code's directory: an archive in S3 or here, a directory, or one file.

    Raises ShimError for a source that is not there or is no archive, and for a directory that cannot be written.
    """
    if os.path.realpath(source) == os.path.realpath(code_dir):
        return
    part = os.path.join(code_dir, _PART)
    try:
        os.makedirs(code_dir, exist_ok=True)
        if os.listdir(code_dir) and not os.path.isdir(part):
            log_line(f"{code_dir} has code in it, so {source} is left where it is")
            return
        _begin(part)
        _place(source, part, environ)
        _move(part, code_dir)
    except OSError as error:
        reason = f"{error.filename or code_dir}: {error.strerror or error}"
        raise ShimError(f"the code of {source} cannot be placed in {code_dir}: {reason}", contract.EXIT_CONFIG) from None


def _begin(part: str) -> None:
    if os.path.isdir(part):
        import shutil  # noqa: PLC0415 - only after a start that died

        shutil.rmtree(part)
    os.mkdir(part)


def _place(source: str, part: str, environ: Mapping[str, str]) -> None:
    if source.startswith("s3://"):
        _download(source, part, environ)
    elif os.path.isdir(source):
        import shutil  # noqa: PLC0415 - only where there is such a directory

        shutil.copytree(source, part, symlinks=True, dirs_exist_ok=True)
    elif os.path.isfile(source):
        _unpack_or_copy(source, part)
    else:
        raise ShimError(
            f"there is no {source}; expected sagemaker_submit_directory to be an archive in S3 or a directory of the container",
            contract.EXIT_CONFIG,
        )


def _download(uri: str, part: str, environ: Mapping[str, str]) -> None:
    from io import BytesIO  # noqa: PLC0415 - as below

    from lyftlearn_runtime.aws.s3 import S3, split_uri  # noqa: PLC0415 - network modules only where something is fetched

    # The object alone, as the toolkit asks for it: a role that may not list is enough.
    bucket, key = split_uri(uri)
    if not key or key.endswith("/"):
        raise ShimError(f"{uri} is no archive; expected the tar.gz that an estimator has uploaded", contract.EXIT_CONFIG)
    unpack(BytesIO(S3(environ).get(bucket, key)), part, uri)


def _unpack_or_copy(path: str, part: str) -> None:
    import tarfile  # noqa: PLC0415 - only where there is such a file

    with open(path, "rb") as file:
        is_packed = file.read(len(_GZIP)) == _GZIP or tarfile.is_tarfile(path)
        file.seek(0)
        if is_packed:
            unpack(file, part, path)
            return
    import shutil  # noqa: PLC0415 - as above

    shutil.copy2(path, part)


def unpack(file: IO[bytes], directory: str, name: str) -> None:
    """Unpacks an archive, and nothing that leads out of the directory. `name` stands in what ShimError says of it."""
    import tarfile  # noqa: PLC0415 - 10 ms that a start without an archive saves
    import zlib  # noqa: PLC0415 - tarfile has it already

    try:
        with tarfile.open(fileobj=file, mode="r:*") as archive:
            _extract(archive, os.path.realpath(directory), name)
    # The last three: a hard link to what is not there, a name that is none, a link to itself.
    except (tarfile.TarError, EOFError, zlib.error, KeyError, ValueError, RecursionError) as error:
        raise ShimError(f"{name} is not an archive that can be read: {error}", contract.EXIT_CONFIG) from None


def _extract(archive: TarFile, directory: str, name: str) -> None:
    directories = []
    for member in archive:
        member.name = _inside(member.name)
        if not member.name or not _stays_inside(member, directory):
            if member.name:
                log_line(f"{name}: {member.name!r} is left out; it is a device, or leads out of the code's directory")
            continue
        if member.isdir():
            directories.append((member.name, member.mode))
        # Owner and time as they come: whoever runs the script has it. No file of a client's is anybody else's.
        member.mode = (member.mode & _MODES) | (0o700 if member.isdir() else 0o400)
        member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
        archive.extract(member, directory)
    for below, mode in reversed(directories):
        os.chmod(os.path.join(directory, below), (mode & _MODES) | 0o700)


def _inside(name: str) -> str:
    """A member's name without what would lead out of the directory, as the toolkit has it."""
    return "/".join(part for part in name.replace("\\", "/").split("/") if part not in ("", ".", ".."))


def _stays_inside(member: TarInfo, directory: str) -> bool:
    """Whether it and what it links to lie in the directory. A link that an earlier member has planted counts."""
    target = os.path.join(directory, member.name)
    places = [os.path.realpath(os.path.dirname(target))]
    if member.issym():
        # realpath takes what follows an empty part for a path of its own where a link leads to itself.
        while "//" in member.linkname:
            member.linkname = member.linkname.replace("//", "/")
        places.append(os.path.realpath(os.path.join(os.path.dirname(target), member.linkname)))
    elif member.islnk():
        member.linkname = _inside(member.linkname)
        linked = os.path.join(directory, member.linkname)
        places.append(os.path.realpath(linked))
        # Of one that was left out, tarfile would make this one instead.
        if os.path.islink(linked) or not os.path.isfile(linked):
            return False
    elif not member.isfile() and not member.isdir():
        return False
    return all((place + "/").startswith(directory + "/") for place in places)


def _move(part: str, code_dir: str) -> None:
    for name in os.listdir(part):
        os.replace(os.path.join(part, name), os.path.join(code_dir, name))
    os.rmdir(part)
