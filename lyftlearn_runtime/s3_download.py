"""One object on its way from S3 to a file."""

from __future__ import annotations

import os
import threading

from lyftlearn_runtime import contract, s3_checksums
from lyftlearn_runtime.aws.file_range import ByteRange
from lyftlearn_runtime.aws.s3 import RangeIgnoredError
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lyftlearn_runtime.aws.s3 import S3, ListedObject

# What is larger travels in pieces of this size, several at a time.
PIECE_BYTES = 64 << 20


class Download:
    """One object on its way to a file, in one piece or in several."""

    def __init__(self, bucket: str, listed: ListedObject, path: str, number: int) -> None:
        self.listed = listed
        self._bucket = bucket
        self._path = path
        self._lock = threading.Lock()
        # Of a server that knows no ranges one thread takes all of it, and the others nothing.
        self._comes_whole = False
        self._left = max(1, -(-listed.size // PIECE_BYTES))
        # A reader never sees half a file: it appears under its name when it is whole. Until then it has a name that is
        # neither another object's nor too long.
        self._part = os.path.join(os.path.dirname(path), f".{number}.{os.path.basename(path)[:50]}.part")

    def starts(self) -> range:
        """Where its pieces begin."""
        return range(0, max(self.listed.size, 1), PIECE_BYTES)

    def fetch(self, s3: S3, start: int) -> None:
        """Brings the piece that begins at a byte; the last one that comes makes the file."""
        make_directory(os.path.dirname(self._path))
        with self._lock, open(self._part, "ab"):
            pass  # it exists now, whichever piece is first
        headers = self._bring(s3, ByteRange(start, min(PIECE_BYTES, self.listed.size - start)))
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

    def _bring(self, s3: S3, byte_range: ByteRange) -> dict[str, str]:
        """The headers that came with a piece; none where another thread brings the whole object."""
        with open(self._part, "r+b") as file:
            try:
                return {} if self._comes_whole else s3.get_range(self._bucket, self.listed, file, byte_range)
            except RangeIgnoredError:
                with self._lock:
                    is_first, self._comes_whole = not self._comes_whole, True
                return s3.get_range(self._bucket, self.listed, file, ByteRange(0, self.listed.size)) if is_first else {}

    def discard(self) -> None:
        """Removes what did not become a file."""
        try:
            os.unlink(self._part)
        except OSError:
            pass  # it became one, or was never begun


def make_directory(directory: str) -> None:
    """Makes a directory and those above it. ShimError where it cannot be made."""
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError as error:
        raise ShimError(f"{directory} cannot be made: {error.strerror}", contract.EXIT_CONFIG) from None
