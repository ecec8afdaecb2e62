"""Whether a file is what S3 has: by the checksums that S3 keeps of an object."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_CHUNK_BYTES = 1 << 20
# Those that the standard library can check; S3 has CRC-32C and CRC-64/NVME besides (S3 user guide, "Checking object
# integrity"). A checksum of checksums ends in `-<number of parts>` and is none of the whole object.
_CHECKSUMS = ("sha256", "sha1", "crc32")
_MD5 = re.compile('"[0-9a-f]{32}"')


def has_checksums(headers: Mapping[str, str]) -> bool:
    """Whether an answer's headers hold the checksums of the whole object: those of a range do not."""
    return "etag" in headers and "content-range" not in headers


def matches(path: str, etag: str, headers: Mapping[str, str]) -> bool:
    """Whether a file's checksum is the object's, by the strongest that both know; True where they share none.

    The ETag is the MD5 of an object that came in one PUT and is not encrypted with a key of KMS or of the customer (API
    reference, Object).
    """
    for kind in _CHECKSUMS:
        expected = headers.get(f"x-amz-checksum-{kind}", "")
        if expected and "-" not in expected:
            return base64.b64encode(_digest(path, kind)).decode() == expected
    encryption = headers.get("x-amz-server-side-encryption", "AES256")
    is_md5 = encryption == "AES256" and "x-amz-server-side-encryption-customer-algorithm" not in headers
    if not is_md5 or not _MD5.fullmatch(etag):
        return True
    try:
        return f'"{_digest(path, "md5").hex()}"' == etag
    except ValueError:  # a system in FIPS mode has no MD5
        return True


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


def _digest(path: str, kind: str) -> bytes:
    total: Any = _Crc32() if kind == "crc32" else hashlib.new(kind)
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(_CHUNK_BYTES), b""):
            total.update(piece)
    return bytes(total.digest())
