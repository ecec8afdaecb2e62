"""One object on its way up to S3, in as many parts as it takes: from a file, or from who writes it just now."""

from __future__ import annotations

import os
import threading

from lyftlearn_runtime.aws.file_range import ByteRange, FileRange
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Any

    from lyftlearn_runtime.aws.s3 import S3
    from lyftlearn_runtime.transfer_pool import Pool

# What is larger travels in pieces of this size, several at a time. An object has 10,000 parts at most, and one PUT takes
# 5 GiB (S3 user guide, "Amazon S3 multipart upload limits").
PIECE_BYTES = 64 << 20
# Of what is written just now the pieces are smaller: they lie on the disk until they are sent, so many of them.
STREAM_PIECE_BYTES = 32 << 20
_SPOOLED_PIECES = 4
_MOST_PARTS = 10_000


class AbandonedError(Exception):
    """Another thread could not send a part, and has said why: the rest need not be made."""


class _Multipart:
    """The parts of one object. The last one that is there makes it, or takes them back when one has failed."""

    def __init__(self, s3: S3, bucket: str, key: str, size: int | None) -> None:
        self._upload = s3.create_multipart_upload(bucket, key)
        self._size = size
        self._etags: dict[int, str] = {}
        self._lock = threading.Lock()
        # On their way; who adds parts counts as one of them.
        self._left = 1
        self._parts = 0
        self._sent_bytes = 0
        self.has_failed = False

    @property
    def waiting(self) -> int:
        """How many parts are on their way."""
        return self._left - 1

    @property
    def sent_bytes(self) -> int:
        """How much of it is there."""
        return self._sent_bytes

    def next_number(self) -> int:
        """The number of one more part, which `put` is going to be called for."""
        with self._lock:
            self._left += 1
            self._parts += 1
            return self._parts

    def put(self, s3: S3, number: int, open_file: Callable[[], IO[bytes]], byte_range: ByteRange) -> None:
        """Sends one part, a range of a file, which is closed."""
        try:
            with open_file() as file:
                if self.has_failed:
                    return
                etag = s3.upload_part(self._upload, number, FileRange(file, byte_range))
            with self._lock:
                self._etags[number] = etag
                self._sent_bytes += byte_range.size
        except ShimError as error:
            self.has_failed = True
            of = f" of {self._size}" if self._size else ""
            raise ShimError(f"{error.message}; {self._sent_bytes}{of} bytes had come up before", error.exit_code) from None
        except BaseException:
            self.has_failed = True
            raise
        finally:
            self.leave(s3)

    def leave(self, s3: S3) -> None:
        """One is no longer on its way. The last one makes the object."""
        with self._lock:
            self._left -= 1
            if self._left:
                return
        if self.has_failed or len(self._etags) != self._parts:
            s3.abort_multipart_upload(self._upload)
            return
        try:
            s3.complete_multipart_upload(self._upload, [self._etags[number] for number in sorted(self._etags)])
        except BaseException:
            s3.abort_multipart_upload(self._upload)
            raise


def send_file(s3: S3, pool: Pool, bucket: str, key: str, path: str) -> None:
    """Sends a file at once, or gives its parts to the pool."""
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if size <= PIECE_BYTES:
            s3.put(bucket, key, FileRange(file, ByteRange(0, size)))
            return
    step = max(PIECE_BYTES, -(-size // _MOST_PARTS))
    parts = _Multipart(s3, bucket, key, size)
    pool.progress[path] = lambda: f"uploading {path}, {parts.sent_bytes} of {size} bytes are at s3://{bucket}/{key}"

    def open_again() -> IO[bytes]:
        return open(path, "rb", buffering=0)

    for start in range(0, size, step):
        pool.add(parts.put, parts.next_number(), open_again, ByteRange(start, min(step, size - start)))
    parts.leave(s3)


class ObjectWriter:
    """A file to be written from its beginning to its end, whose pieces go up meanwhile.

    At most a few pieces lie on the disk, in files without a name; none is in memory.
    """

    def __init__(self, s3: S3, pool: Pool, bucket: str, key: str, expected_bytes: int) -> None:
        self._s3 = s3
        self._pool = pool
        self._bucket = bucket
        self._key = key
        # What is expected may be a little less than what comes.
        self._expected_bytes = expected_bytes
        self._came = 0
        self._piece_bytes = max(STREAM_PIECE_BYTES, -(-expected_bytes // (_MOST_PARTS - 1000)))
        self._piece: Any = None
        self._piece_size = 0
        self._parts: _Multipart | None = None
        self._is_finished = False
        pool.progress[f"s3://{bucket}/{key}"] = self.describe

    def write(self, data: bytes | memoryview) -> int:
        """Takes more. AbandonedError when a part could not be sent."""
        left = memoryview(data)
        while left:
            if self._piece_size == self._piece_bytes:
                self._pass_on()
            if self._piece is None:
                import tempfile  # noqa: PLC0415 - only where something is written on its way

                self._piece = tempfile.TemporaryFile(prefix="lyftlearn-", buffering=0)  # noqa: SIM115 - who sends it closes it
            written = self._piece.write(left[: self._piece_bytes - self._piece_size])
            self._piece_size += written
            left = left[written:]
        self._came += len(data)
        return len(data)

    def describe(self) -> str:
        """How far it is."""
        sent = self._parts.sent_bytes if self._parts else 0
        packed = f"{self._came} bytes (of at most {self._expected_bytes}) are packed"
        return f"packing and uploading s3://{self._bucket}/{self._key}, {packed}, {sent} are there"

    def finish(self) -> None:
        """There is no more: the object is made, at the latest when the pool has done its work."""
        if self._parts is None and self._piece is not None:
            with self._piece as file:
                self._s3.put(self._bucket, self._key, FileRange(file, ByteRange(0, self._piece_size)))
            return
        if self._piece_size:
            self._pass_on()
        if self._parts:
            self._is_finished = True
            self._parts.leave(self._s3)

    def abandon(self) -> None:
        """Nothing is left of it."""
        if self._piece is not None:
            self._piece.close()
        if self._parts and not self._is_finished:
            self._parts.has_failed = True
            self._parts.leave(self._s3)

    def _pass_on(self) -> None:
        """Gives a piece to the pool. With many on their way it is sent here: who packs is not faster than who sends."""
        if self._parts is None:
            self._parts = _Multipart(self._s3, self._bucket, self._key, None)
        piece, size = self._piece, self._piece_size
        self._piece, self._piece_size = None, 0
        number = self._parts.next_number()
        if self._parts.waiting > _SPOOLED_PIECES:
            self._parts.put(self._s3, number, lambda: piece, ByteRange(0, size))
        else:
            self._pool.add(self._parts.put, number, lambda: piece, ByteRange(0, size))
        if self._parts.has_failed:
            raise AbandonedError
