"""The archives that jobs leave in S3, and what else they leave there: put, and brought back within limits."""

from __future__ import annotations

import contextlib
import os
import re
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.aws import archive, s3 as s3_objects
from lyftlearn_image.aws.errors import translate_errors
from lyftlearn_image.errors import RunError
from lyftlearn_image.limits import UNLIMITED
from lyftlearn_image.untrusted_tree import Allowance

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.limits import Limits

# A smaller archive never touches the disk.
_SPOOLED_BYTES = 8 << 20
# Of an archive that is uploaded while it is packed; S3 takes 10,000 of them, and it may be a little larger than its content.
_PART_BYTES = 8 << 20
_PARTS = 9_000
# So many parts are in memory.
_PARTS_AT_ONCE = 4


def upload_archive(s3: S3Client, directory: Path, uri: str) -> None:
    """Puts a directory's content at `uri` as tar.gz while it is packed; nothing when there is no content."""
    if not archive.is_real_directory(directory) or not any(directory.iterdir()):
        return
    from boto3.s3.transfer import TransferConfig  # noqa: PLC0415 - boto3 takes 300 ms

    bucket, key = s3_objects.split_uri(uri)
    files = (os.lstat(os.path.join(top, name)).st_size for top, _, names in os.walk(directory) for name in names)  # noqa: PTH118 - 20,000 of them
    config = TransferConfig(multipart_chunksize=max(_PART_BYTES, sum(files) // _PARTS))
    config.max_in_memory_upload_chunks = _PARTS_AT_ONCE
    with archive.PackedStream(directory) as packed, translate_errors(f"writing {uri}", "s3:PutObject"):
        s3.upload_fileobj(packed, bucket, key, Config=config)  # type: ignore[arg-type] # it is read from, and no more


@contextlib.contextmanager
def open_archive(s3: S3Client, uri: str) -> Iterator[tarfile.TarFile]:
    """An archive in S3, to be unpacked. Raises archive.UNREADABLE for what is none; so may reading it."""
    with tempfile.SpooledTemporaryFile(_SPOOLED_BYTES) as packed:
        s3_objects.download_fileobj(s3, uri, packed)
        packed.seek(0)
        with archive.BoundedGzip(fileobj=packed, mode="rb") as unzipped, tarfile.open(fileobj=unzipped, mode="r:") as opened:
            yield opened


def download_outputs(s3: S3Client, outputs: Mapping[str, str], into: Path, limits: Limits = UNLIMITED) -> dict[str, Path]:
    """What a run left in S3, unpacked below `into`: name → directory. A missing archive gives an empty directory.

    RunError as soon as it is more than the `limits` allow, before and after it is unpacked.

    Pods of one Job leave an archive each, `model.tar.gz`, `model-1.tar.gz` …; they are put together as SageMaker does it.
    """
    directories: dict[str, Path] = {}
    allowance = Allowance(limits)
    for name, uri in outputs.items():
        directories[name] = directory = into / name
        directory.mkdir(parents=True, exist_ok=True)
        if uri.endswith("/"):
            for key, size in s3_objects.list_objects(s3, uri):
                allowance.check_path(key)
                allowance.take(size, uri, files=1)
            s3_objects.download_prefix(s3, uri, directory)
        else:
            _download_archives(s3, uri, directory, allowance)
    return directories


def _download_archives(s3: S3Client, uri: str, into: Path, allowance: Allowance) -> None:
    bucket, key = s3_objects.split_uri(uri)
    stem = key.removesuffix(archive.SUFFIX)
    numbered = re.compile(re.escape(stem) + r"(?:-(\d+))?" + re.escape(archive.SUFFIX))
    packed = {key: size for key, size in s3_objects.list_objects(s3, f"s3://{bucket}/{stem}") if numbered.fullmatch(key)}
    # They are on this disk, too, one after the other; and of none comes less than it has.
    Allowance(allowance.limits).take(max(packed.values(), default=0), uri)
    matches = [match for key in packed if (match := numbered.fullmatch(key))]
    for match in sorted(matches, key=lambda match: int(match[1] or 0)):
        with tempfile.TemporaryDirectory(dir=into.parent) as beside:
            _unpack(s3, f"s3://{bucket}/{match[0]}", Path(beside), allowance)
            archive.merge_directories([Path(beside)], into)


def _unpack(s3: S3Client, uri: str, into: Path, allowance: Allowance) -> None:
    try:
        with open_archive(s3, uri) as packed:
            archive.unpack(packed, into, allowance)
    except archive.UNREADABLE as error:
        raise RunError(f"the archive cannot be unpacked: {error}", where=uri) from None
