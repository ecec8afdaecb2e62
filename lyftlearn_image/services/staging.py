"""Staging: local data is put into S3, from where both platforms read it."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.aws.s3 import split_uri, upload_directory, upload_files
from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

_PACKAGE = "package:"


class Stager:
    """Uploads each local file or directory once, however many channels name it. For one thread."""

    def __init__(self, s3: S3Client, bucket: str, prefix: str = "") -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix
        self._staged: dict[Path, str] = {}

    def stage(self, source: str, *, relative_to: Path) -> str:
        """The S3 prefix of a channel's data.

        `source` is `s3://…` (returned as it is), `package:<package>/<file>` (a file that an installed package ships)
        or a path, relative to the directory `relative_to`. Raises InvalidInputError when there is no such thing.
        """
        path = local_path(source, relative_to=relative_to)
        if path is None:
            return source
        if not path.exists():
            raise InvalidInputError(f"there is no data at {source}", where=str(path), hint="Check the channel's path.")
        if path not in self._staged:
            self._staged[path] = self._upload(path)
        return self._staged[path]

    def _upload(self, path: Path) -> str:
        top = path if path.is_dir() else path.parent
        files = [file for file in (sorted(path.rglob("*")) if path.is_dir() else [path]) if file.is_file()]
        names = [file.relative_to(top).as_posix() for file in files]
        # Of the content: a bucket that stays must not mix today's files with those of yesterday.
        digest = hashlib.sha256()
        for name, file in zip(names, files, strict=True):
            digest.update(name.encode() + b"\0" + _digest(file))
        uri = f"s3://{self._bucket}/{self._prefix}data/{digest.hexdigest()[:16]}/"
        upload_files(self._s3, top, uri, names)
        return uri


def put_copies(s3: S3Client, copies: Mapping[str, Path]) -> None:
    """Puts a copy, a file or a directory, at each of these S3 URIs, whose buckets are made."""
    for uri, path in copies.items():
        bucket, key = split_uri(uri)
        s3.create_bucket(Bucket=bucket)
        if path.is_dir():
            upload_directory(s3, path, uri)
        else:
            s3.upload_file(str(path), bucket, f"{key}{path.name}" if uri.endswith("/") else key)


def local_path(source: str, *, relative_to: Path) -> Path | None:
    """Where a channel's data is on this machine, if it is; None for what is in S3."""
    if source.startswith("s3://"):
        return None
    return _package_file(source) if source.startswith(_PACKAGE) else (relative_to / source).resolve()


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _package_file(source: str) -> Path:
    """The path of `package:name/rest`, found without importing the package."""
    package, _, rest = source.removeprefix(_PACKAGE).partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise InvalidInputError(f"there is no package {package} for {source}", hint=f"Install it: pip install {package}")
    return Path(spec.submodule_search_locations[0]) / rest
