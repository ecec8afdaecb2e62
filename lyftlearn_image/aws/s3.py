"""S3 as both emulators use it: prefixes down, directories up, archives packed and safely unpacked."""

from __future__ import annotations

import contextlib
import re
import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from lyftlearn_image.aws.errors import translated
from lyftlearn_image.errors import InvalidInputError, RunError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from mypy_boto3_s3 import S3Client

# The most that S3 lists at a time.
_PAGE_KEYS = 1000
_ARCHIVE = ".tar.gz"


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of an S3 URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise InvalidInputError(f"{uri} is no S3 URI", hint="Write it as s3://bucket/key")
    return bucket, key


def put(s3: S3Client, contents: Mapping[str, bytes]) -> None:
    """Writes objects: S3 URI → bytes."""
    for uri, data in contents.items():
        bucket, key = split(uri)
        with translated(f"writing {uri}", "s3:PutObject"):
            s3.put_object(Bucket=bucket, Key=key, Body=data)


def remove(s3: S3Client, uris: Iterable[str]) -> None:
    """Removes objects that were put in vain, as far as it can; the error that it is done for is the one to tell."""
    for uri in uris:
        bucket, key = split(uri)
        with contextlib.suppress(Exception):
            s3.delete_object(Bucket=bucket, Key=key)


def keys_below(s3: S3Client, uri: str) -> list[str]:
    """Every key that begins with the prefix, in S3's order."""
    bucket, prefix = split(uri)
    with translated(f"listing {uri}"):
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": _PAGE_KEYS}
        )
        return [item["Key"] for page in pages for item in page.get("Contents", [])]


def download_prefix(s3: S3Client, uri: str, into: Path, keys: Collection[str] | None = None) -> int:
    """Copies every object below a prefix into a directory, or only those with these `keys`; the number of files.

    A key that ends in `/` is a folder's marker and no file. Raises InvalidInputError for keys that cannot be files side
    by side (`a` and `a/b`) or that lead out of the directory.
    """
    bucket, prefix = split(uri)
    into.mkdir(parents=True, exist_ok=True)
    files = [key for key in (keys_below(s3, uri) if keys is None else keys) if not key.endswith("/")]
    for key in files:
        name = key.removeprefix(prefix).lstrip("/") or key.rpartition("/")[2]
        if ".." in PurePosixPath(name).parts:
            raise InvalidInputError(f"the object {key} leads out of its directory", where=uri, hint="Rename the object.")
        try:
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            with translated(f"reading s3://{bucket}/{key}"), (into / name).open("xb") as file:
                shutil.copyfileobj(s3.get_object(Bucket=bucket, Key=key)["Body"], file)
        except OSError as error:
            raise InvalidInputError(
                f"the object {key} cannot be written as a file: {error.strerror}",
                where=uri,
                hint="Of two keys such as `a` and `a/b`, only one can be a file.",
            ) from None
    return len(files)


def upload_directory(s3: S3Client, directory: Path, uri: str) -> None:
    """Copies every regular file of a directory below a prefix. Links are not followed, as SageMaker has it."""
    sync_directory(s3, directory, uri.rstrip("/") + "/", {})


def snapshot(directory: Path) -> dict[str, tuple[int, int]]:
    """Every regular file of a directory: its name from there → time of its last change in nanoseconds, and size in bytes."""
    found = {}
    for path in directory.rglob("*") if _is_directory(directory) else ():
        if path.is_file() and not path.is_symlink():
            stat = path.stat()
            found[path.relative_to(directory).as_posix()] = (stat.st_mtime_ns, stat.st_size)
    return found


def sync_directory(s3: S3Client, directory: Path, uri: str, known: Mapping[str, tuple[int, int]]) -> None:
    """Uploads what has changed in a directory since the snapshot `known`, and deletes below the prefix what is gone."""
    bucket, prefix = split(uri)
    now = snapshot(directory)
    for name in sorted(name for name, seen in now.items() if known.get(name) != seen):
        with (directory / name).open("rb") as file, translated(f"writing {uri}{name}"):
            s3.put_object(Bucket=bucket, Key=prefix + name, Body=file)
    for name in sorted(known.keys() - now.keys()):
        with translated(f"deleting {uri}{name}"):
            s3.delete_object(Bucket=bucket, Key=prefix + name)


def merge(directories: Sequence[Path], into: Path) -> None:
    """Moves the content of several directories into one; of files with the same name, the first directory's stays."""
    into.mkdir(parents=True, exist_ok=True)
    for directory in directories:
        for path in sorted(directory.iterdir()) if _is_directory(directory) else ():
            target = into / path.name
            if not (target.exists() or target.is_symlink()):
                path.rename(target)
            elif _is_directory(path) and _is_directory(target):
                merge([path], target)


def upload_archive(s3: S3Client, directory: Path, uri: str) -> None:
    """Packs a directory's content as tar.gz and puts it at `uri`; nothing when there is no content."""
    bucket, key = split(uri)
    content = sorted(directory.iterdir()) if _is_directory(directory) else []
    if not content:
        return
    with tempfile.TemporaryFile(dir=directory.parent) as packed:
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=3) as archive:
            for path in content:
                archive.add(path, arcname=path.name)
        packed.seek(0)
        with translated(f"writing {uri}"):
            s3.put_object(Bucket=bucket, Key=key, Body=packed)


def collect(s3: S3Client, outputs: Mapping[str, str], into: Path) -> dict[str, Path]:
    """What a run left in S3, unpacked below `into`: name → directory. A missing archive gives an empty directory.

    Pods of one Job leave an archive each, `model.tar.gz`, `model-1.tar.gz` …; they are put together as SageMaker does it.
    """
    found: dict[str, Path] = {}
    for name, uri in outputs.items():
        directory = into / name
        directory.mkdir(parents=True, exist_ok=True)
        if uri.endswith("/"):
            download_prefix(s3, uri, directory)
        else:
            _collect_archives(s3, uri, directory)
        found[name] = directory
    return found


def _collect_archives(s3: S3Client, uri: str, into: Path) -> None:
    bucket, key = split(uri)
    stem = key.removesuffix(_ARCHIVE)
    form = re.compile(re.escape(stem) + r"(?:-(\d+))?" + re.escape(_ARCHIVE))
    found = [match for one in keys_below(s3, f"s3://{bucket}/{stem}") if (match := form.fullmatch(one))]
    for match in sorted(found, key=lambda match: int(match[1] or 0)):
        with tempfile.TemporaryDirectory(dir=into.parent) as beside:
            _download_archive(s3, f"s3://{bucket}/{match[0]}", Path(beside))
            merge([Path(beside)], into)


def _download_archive(s3: S3Client, uri: str, into: Path) -> None:
    bucket, key = split(uri)
    with tempfile.TemporaryFile(dir=into) as packed:
        with translated(f"reading {uri}"):
            shutil.copyfileobj(s3.get_object(Bucket=bucket, Key=key)["Body"], packed)
        packed.seek(0)
        try:
            with tarfile.open(fileobj=packed, mode="r:gz") as archive:
                unpack(archive, into)
        except (tarfile.TarError, OSError, EOFError) as error:
            raise RunError(f"the archive cannot be unpacked: {error}", where=uri) from None


def unpack(archive: tarfile.TarFile, into: Path) -> None:
    """Files and directories first, links last, so that nothing is ever written through a link.

    What is neither a file nor a directory becomes a text file that says what it is: a device, a link that leads out of
    the archive or to nothing. So it can be compared, and nobody reads this machine's files through it. (tarfile's own
    "data" filter came with Python 3.11.4; Debian 12 has 3.11.2.)
    """
    links: list[tuple[Path, str]] = []
    for member in archive:
        path = into / member.name
        if member.name.startswith("/") or ".." in PurePosixPath(member.name).parts:
            raise RunError(f"the archive's member {member.name} leads out of it")
        if member.isdir():
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if member.issym():
            links.append((path, member.linkname))
        elif (content := archive.extractfile(member)) is not None:
            with path.open("xb") as file:
                shutil.copyfileobj(content, file)
        else:
            path.write_text(f"special file of tar type {member.type!r}\n", encoding="utf-8")
    for path, target in links:
        path.symlink_to(target)
    # All links are judged before the first is replaced: one may lead through another.
    for path, target in [link for link in links if not _leads_inside(link[0], into)]:
        path.unlink()
        path.write_text(f"symbolic link to {target}\n", encoding="utf-8", errors="surrogateescape")


def _leads_inside(link: Path, directory: Path) -> bool:
    try:
        return link.resolve(strict=True).is_relative_to(directory.resolve())
    except (OSError, RuntimeError):  # it leads to nothing, or round and round
        return False


def _is_directory(path: Path) -> bool:
    """Whether it is a directory itself: a script may put a link to anywhere in its place, or remove it."""
    return path.is_dir() and not path.is_symlink()
