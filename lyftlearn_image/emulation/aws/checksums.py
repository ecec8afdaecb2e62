"""The checksums of S3 (S3 user guide, "Checking object integrity"), over pieces of a body, and over parts of an object.

The standard library has all but CRC-32C and CRC-64/NVME. Of a body those two are the client's word: in Python they take a
second for 10 MB. Of a whole object they follow from its parts' by arithmetic, as CRC-32 does.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_BYTE_BITS = 8


class _Crc32:
    """CRC-32 as hashlib has its sums."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        """More data."""
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        """Four bytes, the highest first."""
        return self._value.to_bytes(4, "big")


@dataclass(frozen=True)
class _Crc:
    """A CRC whose bits come in at the low end, inverted before and after: `polynomial` is reflected."""

    polynomial: int
    width: int

    def of(self, data: bytes) -> int:
        """The CRC of a few bytes."""
        table, value = _table(self.polynomial), (1 << self.width) - 1
        for byte in data:
            value = table[(value ^ byte) & 0xFF] ^ (value >> _BYTE_BITS)
        return value ^ ((1 << self.width) - 1)

    def combine(self, first: int, second: int, second_bytes: int) -> int:
        """The CRC of two pieces from those of each (zlib's crc32_combine: as many zero bits are put after the first)."""
        matrix = [self.polynomial, *(1 << bit for bit in range(self.width - 1))]  # one bit of zero
        bits = second_bytes * _BYTE_BITS
        while bits:
            if bits & 1:
                first = _times(matrix, first)
            matrix = [_times(matrix, row) for row in matrix]
            bits >>= 1
        return first ^ second


_CRCS = {
    "CRC32": _Crc(0xEDB88320, 32),
    "CRC32C": _Crc(0x82F63B78, 32),
    "CRC64NVME": _Crc(0x9A6C9329AC4BC9B5, 64),
}
_HASHES: dict[str, Callable[[], Any]] = {
    "CRC32": _Crc32,
    "SHA1": hashlib.sha1,
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "MD5": hashlib.md5,
}
# Every algorithm that a client may name.
ALGORITHMS = tuple(dict.fromkeys([*_CRCS, *_HASHES]))


def new_checksum(algorithm: str) -> Any:
    """A sum with `update` and `digest`, as hashlib's; None for one that is taken on trust."""
    made = _HASHES.get(algorithm)
    return made() if made else None


def digest_bytes(algorithm: str) -> int:
    """How long its digest is."""
    crc = _CRCS.get(algorithm)
    return crc.width // _BYTE_BITS if crc else int(new_checksum(algorithm).digest_size)


def encode(digest: bytes) -> str:
    """A digest as S3 has it in its headers."""
    return base64.b64encode(digest).decode()


def composite(algorithm: str, digests: Iterable[str]) -> str:
    """The checksum of checksums: of what the parts' say, in base64, without the number of parts."""
    joined = b"".join(base64.b64decode(digest) for digest in digests)
    if (total := new_checksum(algorithm)) is not None:
        total.update(joined)
        return encode(total.digest())
    crc = _CRCS[algorithm]
    return encode(crc.of(joined).to_bytes(crc.width // _BYTE_BITS, "big"))


def full_object(algorithm: str, parts: Sequence[tuple[str, int]]) -> str:
    """The CRC of an object from those of its parts: each in base64, with the part's number of bytes."""
    crc, total = _CRCS[algorithm], 0
    for digest, size in parts:
        total = crc.combine(total, int.from_bytes(base64.b64decode(digest), "big"), size)
    return encode(total.to_bytes(crc.width // _BYTE_BITS, "big"))


def has_full_object(algorithm: str) -> bool:
    """Whether an object's checksum follows from its parts'."""
    return algorithm in _CRCS


def _times(matrix: Sequence[int], vector: int) -> int:
    total, row = 0, 0
    while vector:
        if vector & 1:
            total ^= matrix[row]
        vector >>= 1
        row += 1
    return total


@cache
def _table(polynomial: int) -> tuple[int, ...]:
    """The CRC of each byte."""
    table = []
    for byte in range(256):
        value = byte
        for _ in range(_BYTE_BITS):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        table.append(value)
    return tuple(table)
