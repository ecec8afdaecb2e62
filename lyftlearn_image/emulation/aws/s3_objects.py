"""S3's objects and uploads in moto, with their bytes on the disk: moto's own are in memory, several times over in use."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from moto.s3.exceptions import EntityTooSmall, InvalidPart, MalformedXML, S3ClientError
from moto.s3.models import FakeKey, FakeMultipart
from moto.settings import S3_UPLOAD_PART_MIN_SIZE

from lyftlearn_image.emulation.aws import checksums
from lyftlearn_image.emulation.aws.blobs import Blob

if TYPE_CHECKING:
    from collections.abc import Iterable

_COMPOSITE, _FULL_OBJECT = "COMPOSITE", "FULL_OBJECT"
# Whose checksum of a whole object is never one of checksums (S3 user guide, "Checking object integrity").
_ALWAYS_FULL = "CRC64NVME"


class StoredKey(FakeKey):
    """An object, or a part of an upload."""

    @property  # type: ignore[override] # a blob has the methods of bytes that moto uses
    def value(self) -> Blob:
        """Its bytes."""
        return self._blob

    @value.setter
    def value(self, value: Blob | bytes) -> None:
        if not isinstance(value, Blob):
            if value:
                raise TypeError("an object's bytes are a blob")
            value = Blob()  # moto's word for a body of no bytes
        self._value_buffer.close()  # moto's own place for the bytes
        self._blob = value
        self.contentsize = len(value)

    @property
    def etag(self) -> str:
        """In quotes: the MD5 of an object that came in one piece."""
        if self._etag is None:
            self._etag = self._blob.md5
        return f'"{self._etag}"'

    def dispose(self, garbage: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - moto's signature
        """Nothing: who still reads the object holds its bytes, and the last one frees them."""
        self.disposed = True


class StoredMultipart(FakeMultipart):
    """An upload in parts."""

    def complete(  # type: ignore[override] # as above
        self, body: Iterable[tuple[int, str]]
    ) -> tuple[Blob, str, tuple[str, str, int] | None]:
        """The object, its ETag, and type, value and number of parts of its checksum: no byte of it is read."""
        named = list(body)
        if not named:
            raise MalformedXML
        parts: list[Any] = []  # StoredKey, but for moto's own types
        for number, etag in named:
            part = self.parts.get(number)
            if part is None or part.etag.strip('"') != etag.strip('"'):
                raise InvalidPart
            parts.append(part)
        if any(part.contentsize < S3_UPLOAD_PART_MIN_SIZE for part in parts[:-1]):
            raise EntityTooSmall
        digests = b"".join(bytes.fromhex(part.etag.strip('"')) for part in parts)
        etag = f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"
        return Blob.concat(part.value for part in parts), etag, self._checksum([part.value for part in parts])

    def _checksum(self, blobs: list[Blob]) -> tuple[str, str, int] | None:
        """None where not every part came with a checksum of the upload's algorithm."""
        algorithm = str(self.metadata.get("x-amz-checksum-algorithm") or "")
        values = [blob.checksum.value for blob in blobs if blob.checksum and blob.checksum.algorithm == algorithm]
        if not algorithm or len(values) != len(blobs):
            return None
        kind = self.metadata.get("x-amz-checksum-type") or (_FULL_OBJECT if algorithm == _ALWAYS_FULL else _COMPOSITE)
        if kind == _COMPOSITE:
            return _COMPOSITE, checksums.composite(algorithm, values), len(blobs)
        if not checksums.has_full_object(algorithm):
            raise S3ClientError("InvalidRequest", f"The {_FULL_OBJECT} checksum type cannot be used with {algorithm}.")
        sizes = [len(blob) for blob in blobs]
        return _FULL_OBJECT, checksums.full_object(algorithm, list(zip(values, sizes, strict=True))), 1


def compute_checksum(value: Any, algorithm: str) -> bytes:
    """In base64, of an object that is copied: what moto's function of this name does of bytes."""
    blob: Blob = value
    if blob.checksum is not None and blob.checksum.algorithm == algorithm:
        return blob.checksum.value.encode()
    total = checksums.new_checksum(algorithm)
    if total is None:
        raise S3ClientError("NotImplemented", f"The local endpoint does not compute {algorithm} of an object that has another.")
    for chunk in blob.chunks():
        total.update(chunk)
    return checksums.encode(total.digest()).encode()
