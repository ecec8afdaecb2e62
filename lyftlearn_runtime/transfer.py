"""Data in and out on Kubernetes, where no service moves it: prefixes down, archives and directories up."""

from __future__ import annotations

import os
import threading

from lyftlearn_runtime import contract, s3_checksums
from lyftlearn_runtime.aws.s3 import S3, ByteRange, split_uri
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.frozen import namedtuple
from lyftlearn_runtime.s3_prefix import file_paths, list_uri
from lyftlearn_runtime.transfer_pool import Pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from lyftlearn_runtime.aws.s3 import ListedObject
    from lyftlearn_runtime.bundle import Transfer

# What is larger travels in pieces of this size, several at a time. An object has 10,000 parts at most, and one PUT takes
# 5 GiB (S3 user guide, "Amazon S3 multipart upload limits").
PIECE_BYTES = 64 << 20
_MOST_PARTS = 10_000

# A file on its way up: where it is and where it goes. One that is `temporary` is removed afterwards.
_Sent = namedtuple("_Sent", ["bucket", "key", "path", "temporary"])


def download(transfers: Sequence[Transfer], environ: Mapping[str, str], *, may_be_empty: bool = False) -> None:
    """Puts every object that each URI stands for under its path: several at a time, and large ones in pieces.

    A file appears under its name when it is whole and its checksum is right. A URI without any object is an error, as
    it is for SageMaker, unless `may_be_empty`.
    """
    s3 = S3(environ)
    pool = Pool(environ, stop_at_errors=True)
    files: list[_Download] = []
    for one in transfers:
        bucket, key = split_uri(one.uri)
        objects = list_uri(s3, bucket, key)
        if not objects and not may_be_empty:
            raise ShimError(f"there is no object below {one.uri}; check the channel", contract.EXIT_CONFIG)
        _make(one.path)
        for path, listed in file_paths(one.path, key, objects).items():
            files.append(_Download(bucket, listed, path, len(files)))
    for file in files:
        for start in range(0, max(file.listed.size, 1), PIECE_BYTES):
            pool.add(file.fetch, start)
    try:
        pool.run()
    finally:
        for file in files:
            file.discard()


def upload(transfers: Sequence[Transfer], environ: Mapping[str, str], record: Mapping[str, str] | None = None) -> None:
    """Puts each path at its URI: as a tar.gz, or every file of it where the URI ends in `/`.

    `record` has temporary files (path → URI) that go with them. Every one is tried, also when another one failed; the error
    names all that did.
    """
    pool = Pool(environ, stop_at_errors=False)
    for one in transfers:
        bucket, key = split_uri(one.uri)
        if key.endswith("/"):
            for path in regular_files(one.path):
                pool.add(_send, pool, _Sent(bucket, key + os.path.relpath(path, one.path), path, temporary=False))
        else:
            pool.add(_pack_and_send, pool, bucket, key, one.path)
    for path, uri in (record or {}).items():
        pool.add(_send, pool, _Sent(*split_uri(uri), path, temporary=True))
    pool.run()


def upload_files(files: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Puts each file (path → URI) at its URI."""
    pool = Pool(environ, stop_at_errors=False)
    for path, uri in files.items():
        pool.add(_send, pool, _Sent(*split_uri(uri), path, temporary=False))
    pool.run()


def remove(uris: Sequence[str], environ: Mapping[str, str]) -> None:
    """Deletes these objects; one that is not there is none to delete."""
    pool = Pool(environ, stop_at_errors=False)
    for uri in uris:
        pool.add(S3.delete, *split_uri(uri))
    pool.run()


def archive(directory: str, path: str) -> None:
    """Writes a tar.gz of a directory's content, as model.tar.gz is one: the same bytes for the same content."""
    import gzip  # noqa: PLC0415 - only at the end of a job that uploads
    import tarfile  # noqa: PLC0415 - see above

    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 3, raw, 0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for member in members(directory):
            tar.add(member, os.path.relpath(member, directory), recursive=False, filter=_plain)


def members(directory: str) -> list[str]:
    """Everything below a directory, directories before their content, in a fixed order. Links are not followed."""
    return sorted(os.path.join(top, name) for top, below, names in os.walk(directory) for name in below + names)


def regular_files(directory: str) -> list[str]:
    """Every file below a directory but links, which SageMaker does not follow either (API reference, ProcessingS3Output)."""
    return [path for path in members(directory) if os.path.isfile(path) and not os.path.islink(path)]


class _Download:
    """One object on its way to a file, in one piece or in several."""

    def __init__(self, bucket: str, listed: ListedObject, path: str, number: int) -> None:
        self.listed = listed
        self._bucket = bucket
        self._path = path
        self._lock = threading.Lock()
        self._left = max(1, -(-listed.size // PIECE_BYTES))
        # A reader never sees half a file: it appears under its name when it is whole. Until then it has a name that is
        # neither another object's nor too long.
        self._part = os.path.join(os.path.dirname(path), f".{number}.{os.path.basename(path)[:50]}.part")

    def fetch(self, s3: S3, start: int) -> None:
        """Brings the piece that begins at a byte; the last one that comes makes the file."""
        _make(os.path.dirname(self._path))
        with self._lock, open(self._part, "ab"):
            pass  # it exists now, whichever piece is first
        byte_range = ByteRange(start, min(PIECE_BYTES, self.listed.size - start))
        with open(self._part, "r+b") as file:
            headers = s3.get_range(self._bucket, self.listed, file, byte_range)
        with self._lock:
            self._left -= 1
            if self._left:
                return
        if not s3_checksums.has_checksums(headers):  # it came in pieces, or a part of it again
            headers = s3.head(self._bucket, self.listed)
        if not s3_checksums.matches(self._part, self.listed.etag, headers):
            what = f"s3://{self._bucket}/{self.listed.key}"
            raise ShimError(f"{what}: what came has another checksum than S3 has; start again", contract.EXIT_UNAVAILABLE)
        os.rename(self._part, self._path)

    def discard(self) -> None:
        """Removes what did not become a file."""
        try:
            os.unlink(self._part)
        except OSError:
            pass  # it became one, or was never begun


class _Upload:
    """One object on its way up in parts."""

    def __init__(self, s3: S3, sent: _Sent, parts: int) -> None:
        self._sent = sent
        self._upload = s3.create_multipart_upload(sent.bucket, sent.key)
        self._etags = [""] * parts
        self._left = parts
        self._lock = threading.Lock()

    def put(self, s3: S3, index: int, byte_range: ByteRange) -> None:
        """Sends one part; the last one that is there makes the object, or takes it back when one has failed."""
        sent = self._sent
        try:
            with open(sent.path, "rb") as file:
                self._etags[index] = s3.upload_part(self._upload, index + 1, file, byte_range)
        finally:
            with self._lock:
                self._left -= 1
                is_last = not self._left
            if is_last:
                self._end(s3)

    def _end(self, s3: S3) -> None:
        sent = self._sent
        try:
            if not all(self._etags):
                s3.abort_multipart_upload(self._upload)
                return
            try:
                s3.complete_multipart_upload(self._upload, self._etags)
            except BaseException:
                s3.abort_multipart_upload(self._upload)
                raise
        finally:
            _forget(sent)


def _pack_and_send(s3: S3, pool: Pool, bucket: str, key: str, directory: str) -> None:
    import tempfile  # noqa: PLC0415 - see `archive`

    descriptor, packed = tempfile.mkstemp(".tar.gz", "lyftlearn-")
    os.close(descriptor)
    sent = _Sent(bucket, key, packed, temporary=True)
    try:
        archive(directory, packed)
    except BaseException:
        _forget(sent)
        raise
    _send(s3, pool, sent)


def _send(s3: S3, pool: Pool, sent: _Sent) -> None:
    """Sends a file at once, or gives its parts to the pool."""
    is_left = False
    try:
        size = os.path.getsize(sent.path)
        if size > PIECE_BYTES:
            step = max(PIECE_BYTES, -(-size // _MOST_PARTS))
            starts = range(0, size, step)
            whole = _Upload(s3, sent, len(starts))
            is_left = True
            for index, start in enumerate(starts):
                pool.add(whole.put, index, ByteRange(start, min(step, size - start)))
            return
        with open(sent.path, "rb") as file:
            s3.put(sent.bucket, sent.key, file, size)
    finally:
        if not is_left:
            _forget(sent)


def _forget(sent: _Sent) -> None:
    if sent.temporary:
        os.unlink(sent.path)


def _plain(member: Any) -> Any:
    """A member without what only says who ran where and when."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


def _make(directory: str) -> None:
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError as error:
        raise ShimError(f"{directory} cannot be made: {error.strerror}", contract.EXIT_CONFIG) from None
