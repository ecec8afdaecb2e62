"""Data in and out on Kubernetes, where no service moves it: prefixes down, archives and directories up."""

from __future__ import annotations

import os
import threading

from lyftlearn_runtime import contract, s3_upload
from lyftlearn_runtime.archive import largest_size, regular_files, write_archive
from lyftlearn_runtime.aws.s3 import S3, split_uri
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.log import log_line
from lyftlearn_runtime.s3_download import Download, make_directory
from lyftlearn_runtime.s3_prefix import file_paths, list_uri
from lyftlearn_runtime.transfer_pool import Pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from lyftlearn_runtime.bundle import Transfer


def download(transfers: Sequence[Transfer], environ: Mapping[str, str], *, may_be_empty: bool = False) -> None:
    """Puts every object that each URI stands for under its path: several at a time, and large ones in pieces.

    A file appears under its name when it is whole and its checksum is right. A URI without any object is an error, as
    it is for SageMaker, unless `may_be_empty`.
    """
    s3 = S3(environ)
    pool = Pool(environ, stop_at_errors=True)
    files: list[Download] = []
    for one in transfers:
        bucket, key = split_uri(one.uri)
        objects = list_uri(s3, bucket, key)
        if not objects and not may_be_empty:
            raise ShimError(f"there is no object below {one.uri}; check the channel", contract.EXIT_CONFIG)
        make_directory(one.path)
        for path, listed in file_paths(one.path, key, objects).items():
            files.append(Download(bucket, listed, path, len(files)))
    for file in files:
        for start in file.starts():
            pool.add(file.fetch, start)
    try:
        pool.run()
    finally:
        for file in files:
            file.discard()


def upload(transfers: Sequence[Transfer], environ: Mapping[str, str], record: Mapping[str, str] | None = None) -> None:
    """Puts each path at its URI: as a tar.gz, or every file of it where the URI ends in `/`.

    `record` has temporary files (path → URI) that go with them. Every one is tried, also when another one failed; the error
    names all that did. A platform that asks the container to end meanwhile gets as an answer what there is to wait for.
    """
    pool = Pool(environ, stop_at_errors=False)
    for one in transfers:
        bucket, key = split_uri(one.uri)
        if key.endswith("/"):
            for path in regular_files(one.path):
                pool.add(s3_upload.send_file, pool, bucket, key + os.path.relpath(path, one.path), path)
        else:
            pool.add(_pack_and_send, pool, bucket, key, one.path)
    for path, uri in (record or {}).items():
        pool.add(_send_and_remove, pool, *split_uri(uri), path)
    _run_to_the_end(pool)


def upload_files(files: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Puts each file (path → URI) at its URI."""
    pool = Pool(environ, stop_at_errors=False)
    for path, uri in files.items():
        pool.add(s3_upload.send_file, pool, *split_uri(uri), path)
    pool.run()


def remove(uris: Sequence[str], environ: Mapping[str, str]) -> None:
    """Deletes these objects; one that is not there is none to delete."""
    pool = Pool(environ, stop_at_errors=False)
    for uri in uris:
        pool.add(S3.delete, *split_uri(uri))
    pool.run()


def _run_to_the_end(pool: Pool) -> None:
    """Does every job. SIGTERM is answered with how far it is, and ends nothing: until SIGKILL there may be time enough."""
    import signal  # noqa: PLC0415 - only at the end of a job that uploads

    if threading.current_thread() is not threading.main_thread():
        pool.run()
        return

    def tell(*_: object) -> None:
        log_line(f"the platform ends this container while it is {pool.describe()}")

    before = signal.signal(signal.SIGTERM, tell)
    try:
        pool.run()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _send_and_remove(s3: S3, pool: Pool, bucket: str, key: str, path: str) -> None:
    """Sends a small temporary file."""
    try:
        s3_upload.send_file(s3, pool, bucket, key, path)
    finally:
        os.unlink(path)


def _pack_and_send(s3: S3, pool: Pool, bucket: str, key: str, directory: str) -> None:
    """Packs a directory; what is packed is sent while the rest is."""
    target: Any = s3_upload.ObjectWriter(s3, pool, bucket, key, largest_size(directory))
    try:
        write_archive(directory, target)
        target.finish()
    except s3_upload.AbandonedError:
        target.abandon()
    except BaseException:
        target.abandon()
        raise
