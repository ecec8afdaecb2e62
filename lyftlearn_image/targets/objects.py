"""S3 as both emulators use it: prefixes down, directories up, archives packed and safely unpacked."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from lyftlearn_image.errors import InvalidInputError, RunError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mypy_boto3_s3 import S3Client


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of an S3 URI."""
    if not uri.startswith("s3://"):
        raise InvalidInputError(f"{uri} is no S3 URI", hint="Write it as s3://bucket/key")
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def download_prefix(s3: S3Client, uri: str, into: Path) -> int:
    """Copies every object below a prefix into a directory; the number of objects."""
    bucket, prefix = split(uri)
    into.mkdir(parents=True, exist_ok=True)
    count = 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            name = item["Key"].removeprefix(prefix).lstrip("/") or item["Key"].rpartition("/")[2]
            if item["Key"].endswith("/"):
                continue
            path = into / name
            if not path.resolve().is_relative_to(into.resolve()):
                raise RunError(f"the object {item['Key']} leads out of its directory", where=uri)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
            count += 1
    return count


def upload_directory(s3: S3Client, directory: Path, uri: str) -> None:
    """Copies every regular file of a directory below a prefix. Links are not followed, as SageMaker has it."""
    bucket, prefix = split(uri)
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not path.is_symlink():
            key = f"{prefix.rstrip('/')}/{path.relative_to(directory).as_posix()}"
            s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())


def upload_archive(s3: S3Client, directory: Path, uri: str) -> None:
    """Packs a directory's content as tar.gz and puts it at `uri`."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=3) as archive:
        for path in sorted(directory.iterdir()):
            archive.add(path, arcname=path.name)
    bucket, key = split(uri)
    s3.put_object(Bucket=bucket, Key=key, Body=packed.getvalue())


def collect(s3: S3Client, outputs: Mapping[str, str], into: Path) -> dict[str, Path]:
    """What a run left in S3, unpacked below `into`: name → directory. A missing archive gives an empty directory."""
    found: dict[str, Path] = {}
    for name, uri in outputs.items():
        directory = into / name
        directory.mkdir(parents=True, exist_ok=True)
        if uri.endswith("/"):
            download_prefix(s3, uri, directory)
        else:
            _unpack(s3, uri, directory)
        found[name] = directory
    return found


def _unpack(s3: S3Client, uri: str, into: Path) -> None:
    bucket, key = split(uri)
    try:
        data = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        # "data" refuses absolute paths, links that lead out, and devices.
        archive.extractall(into, filter="data")
