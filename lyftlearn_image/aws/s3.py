"""S3, as staging, the emulators and the services use it: objects and prefixes.

Files go through boto3's managed transfers: in parts, several at a time, in little memory, and of any size that S3 takes (one
PUT ends at 5 GiB).
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING

from lyftlearn_image.aws import archive
from lyftlearn_image.aws.errors import translate_errors
from lyftlearn_image.errors import InvalidInputError, RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from mypy_boto3_s3 import S3Client


# The most that S3 lists at a time.
_PAGE_KEYS = 1000
# A managed transfer has ten threads of its own, and asks twice: three times the work where it is about a few bytes.
_SMALL_BYTES = 8 << 20
# Small files wait for answers more than for bytes; large ones have threads of their own, and buffers, each.
_FILES_AT_ONCE = 4


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an S3 URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise InvalidInputError(f"{uri} is no S3 URI", hint="Write it as s3://bucket/key")
    return bucket, key


def put_objects(s3: S3Client, contents: Mapping[str, bytes]) -> None:
    """Writes objects: S3 URI → bytes."""
    for uri, data in contents.items():
        bucket, key = split_uri(uri)
        with translate_errors(f"writing {uri}", "s3:PutObject"):
            s3.put_object(Bucket=bucket, Key=key, Body=data)


def delete_objects(s3: S3Client, uris: Iterable[str]) -> None:
    """Deletes what it can, and raises nothing: for clearing up after an error, which is the one to show."""
    for uri in uris:
        bucket, key = split_uri(uri)
        with contextlib.suppress(Exception):
            s3.delete_object(Bucket=bucket, Key=key)


def delete_prefix(s3: S3Client, uri: str) -> None:
    """Deletes every object whose key begins with the prefix."""
    bucket, _ = split_uri(uri)
    keys = list_keys(s3, uri)
    for start in range(0, len(keys), _PAGE_KEYS):
        with translate_errors(f"deleting {uri}"):
            s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys[start : start + _PAGE_KEYS]]})


def list_keys(s3: S3Client, uri: str) -> list[str]:
    """Every key that begins with the prefix, in S3's order."""
    return [key for key, _ in list_objects(s3, uri)]


def list_objects(s3: S3Client, uri: str) -> list[tuple[str, int]]:
    """Every key that begins with the prefix, with its size in bytes."""
    bucket, prefix = split_uri(uri)
    with translate_errors(f"listing {uri}"):
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": _PAGE_KEYS}
        )
        return [(item["Key"], item["Size"]) for page in pages for item in page.get("Contents", [])]


def list_uri(s3: S3Client, uri: str) -> list[str]:
    """The keys that a URI of a job's data stands for: an object, else what is in a folder, else what begins so.

    "SageMaker uses all objects that match the specified key name prefix" (API reference, S3DataSource); that an object goes
    before its namesakes is local mode's way (sagemaker-python-sdk, `download_folder`), and a folder is not mixed with
    what is called alike: of `data/train`, `data/train-old/a.csv` is none.
    """
    _, key = split_uri(uri)
    keys = list_keys(s3, uri)
    if not key or key.endswith("/"):
        return keys
    if key in keys:
        return [key]
    return [one for one in keys if one.startswith(f"{key}/")] or keys


def _file_name(prefix: str, key: str) -> str:
    """An object's name below the directory of a prefix.

    Of a prefix that ends inside a name, objects keep the whole name (seen in aws/sagemaker-python-sdk#3612).
    """
    if not key.startswith(folder := f"{prefix.rstrip('/')}/" if prefix else ""):
        folder = prefix[: prefix.rfind("/") + 1]
    return key.removeprefix(folder).lstrip("/")


def upload_file(s3: S3Client, path: Path, uri: str) -> None:
    """Copies a file to `uri`."""
    bucket, key = split_uri(uri)
    with translate_errors(f"writing {uri}", "s3:PutObject"):
        if path.stat().st_size > _SMALL_BYTES:
            s3.upload_file(str(path), bucket, key)
        else:
            s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())


def upload_files(s3: S3Client, directory: Path, uri: str, names: Sequence[str]) -> None:
    """Copies these files of a directory, each to `uri` with its name at the end."""
    _for_each(lambda name: upload_file(s3, directory / name, uri + name), names)


def read_object(s3: S3Client, uri: str, max_bytes: int) -> bytes:
    """The first bytes of an object: all of one that is as small as it should be."""
    bucket, key = split_uri(uri)
    with (
        translate_errors(f"reading {uri}", "s3:GetObject"),
        contextlib.closing(s3.get_object(Bucket=bucket, Key=key)["Body"]) as body,
    ):
        return body.read(max_bytes)


def download_file(s3: S3Client, uri: str, path: Path) -> None:
    """Copies an object to a new file, of which nothing is left after an error. Raises OSError where it cannot be made."""
    # boto3's download_file would replace what is there: of two keys that are one name to the file system, one would be lost.
    with path.open("xb") as file:
        try:
            download_fileobj(s3, uri, file)
        except BaseException:
            path.unlink()
            raise


def download_fileobj(s3: S3Client, uri: str, file: IO[bytes]) -> None:
    """Writes an object to an open file that is empty."""
    from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError  # noqa: PLC0415 - boto3 takes 300 ms

    bucket, key = split_uri(uri)
    with translate_errors(f"reading {uri}", "s3:GetObject"):
        answer = s3.get_object(Bucket=bucket, Key=key)
        with contextlib.closing(answer["Body"]) as body:
            try:
                data = body.read() if answer["ContentLength"] <= _SMALL_BYTES else None
            except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
                data = None  # a managed transfer tries again
        if data is None:
            s3.download_fileobj(bucket, key, file)
        else:
            file.write(data)


def download_prefix(s3: S3Client, uri: str, into: Path, keys: Collection[str] | None = None) -> int:
    """Copies the objects that a URI stands for (`list_uri`) into a directory, or only these `keys`; the number of files.

    A key that ends in `/` is a folder's marker and no file. Raises InvalidInputError for keys that cannot be files side
    by side (`a` and `a/b`) or that lead out of the directory.
    """
    bucket, prefix = split_uri(uri)
    into.mkdir(parents=True, exist_ok=True)
    files = [key for key in (list_uri(s3, uri) if keys is None else keys) if not key.endswith("/")]

    def download(key: str) -> None:
        name = _file_name(prefix, key)
        if not {".", ".."}.isdisjoint(name.split("/")):
            what = f"the object {key} is no path below its directory: it has `.` or `..` in it"
            raise InvalidInputError(what, where=uri, hint="Rename the object.")
        try:
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            download_file(s3, f"s3://{bucket}/{key}", into / name)
        except OSError as error:
            raise InvalidInputError(
                f"the object {key} cannot be written as a file: {error.strerror}",
                where=uri,
                hint="Of two keys such as `a` and `a/b`, only one can be a file.",
            ) from None

    _for_each(download, files)
    return len(files)


def _for_each(copy: Callable[[str], None], names: Sequence[str]) -> None:
    """Copies several files at once. After an error no further one is begun, and that error is raised."""
    with ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="s3") as pool:
        copies = [pool.submit(copy, name) for name in names]
        try:
            for one in copies:
                one.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def upload_directory(s3: S3Client, directory: Path, uri: str) -> None:
    """Copies every regular file of a directory below a prefix. Links are not followed, as SageMaker has it."""
    sync_directory(s3, directory, uri.rstrip("/") + "/", {})


def snapshot(directory: Path) -> dict[str, tuple[int, int]]:
    """Every regular file of a directory: its name from there → time of its last change in nanoseconds, and size in bytes."""
    files = {}
    for path in directory.rglob("*") if archive.is_real_directory(directory) else ():
        if path.is_file() and not path.is_symlink():
            stat = path.stat()
            files[path.relative_to(directory).as_posix()] = (stat.st_mtime_ns, stat.st_size)
    return files


def sync_directory(s3: S3Client, directory: Path, uri: str, known: Mapping[str, tuple[int, int]]) -> None:
    """Uploads what has changed in a directory since the snapshot `known`, and deletes below the prefix what is gone."""
    bucket, prefix = split_uri(uri)
    now = snapshot(directory)
    _check_names(now)
    upload_files(s3, directory, uri, sorted(name for name, version in now.items() if known.get(name) != version))
    for name in sorted(known.keys() - now.keys()):
        with translate_errors(f"deleting {uri}{name}"):
            s3.delete_object(Bucket=bucket, Key=prefix + name)


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise RunError(
                "the name of a file is not UTF-8, as a key in S3 must be", where=ascii(name), hint="Give the file another name."
            ) from None
