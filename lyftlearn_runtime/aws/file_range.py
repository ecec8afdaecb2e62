"""A range of a file as the body of a request."""

from __future__ import annotations

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.frozen import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# Bytes of an object or of a file.
ByteRange = namedtuple("ByteRange", ["start", "size"])

_HASHED_BYTES = 256 << 10


class FileRange:
    """Some bytes of an open file (unbuffered, best), read again for each attempt to send them."""

    def __init__(self, file: Any, byte_range: ByteRange) -> None:
        self.size: int = byte_range.size
        self.sent = 0
        self._file = file
        self._start = byte_range.start

    def blocks(self, block_bytes: int) -> Iterator[memoryview]:
        """The bytes. A block is good until the next one is asked for. ShimError when the file is shorter than it was."""
        self._file.seek(self._start)
        self.sent = 0
        view = memoryview(bytearray(min(block_bytes, self.size)))
        while self.sent < self.size:
            came = self._file.readinto(view[: self.size - self.sent])
            if not came:  # the server would wait for what is announced and does not come
                raise ShimError(f"{self._file.name} became shorter while it was being uploaded", contract.EXIT_UNAVAILABLE)
            self.sent += came
            yield view[:came]

    def sha256(self) -> str:
        """Their hash, in hex."""
        import hashlib  # noqa: PLC0415 - encrypted connections need no hash

        total = hashlib.sha256()
        for block in self.blocks(_HASHED_BYTES):
            total.update(block)
        return total.hexdigest()
