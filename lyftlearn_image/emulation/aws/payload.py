"""The body of a request to S3, held against all that was said of it while it is received.

What is wrong about it is known before anything is stored. Sources: S3 API reference, "PutObject" and "Error responses"; S3
user guide, "Checking object integrity".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.aws import checksums
from lyftlearn_image.emulation.aws.aws_chunked import ChunkedBody
from lyftlearn_image.emulation.aws.blobs import CHUNK_BYTES, Checksum
from lyftlearn_image.emulation.aws.refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lyftlearn_image.emulation.aws.aws_chunked import Body
    from lyftlearn_image.emulation.aws.blobs import Blob, BlobStore
    from lyftlearn_image.emulation.aws.signature import Verified

MAX_OBJECT_BYTES = 5 << 30
_PREFIX = "x-amz-checksum-"
# Headers of that prefix that are no checksum.
_NO_CHECKSUM = frozenset({f"{_PREFIX}algorithm", f"{_PREFIX}type", f"{_PREFIX}mode"})
_MD5_BYTES = 16


def receive(headers: Mapping[str, str], verified: Verified, body: Body, store: BlobStore, max_bytes: int) -> Blob:
    """The body, stored. Raises RefusedError for one that is not what its request says, and OSError for a full disk.

    `headers` are the request's, with their names in lower case.
    """
    size = _size(headers, verified, max_bytes)
    checks = _checks(headers, verified)
    name, stated = _stated_checksum(headers, verified)
    total = checksums.new_checksum(_algorithm(name)) if name else None
    chunked = ChunkedBody(body, verified.chunk_signer, has_signed_trailers=verified.has_signed_trailers)
    pieces = _summed(chunked if verified.is_chunked else _plain(body, size), [check.total for check in checks], total)
    try:
        blob = store.write(pieces, size)
    except ValueError:
        raise RefusedError(
            HTTPStatus.BAD_REQUEST,
            "IncompleteBody",
            "You did not provide the number of bytes specified by the Content-Length HTTP header.",
        ) from None
    for check in checks:
        check.compare()
    if not name:
        return blob
    value = stated or chunked.trailers.get(name, "")
    if not value:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "MalformedTrailerError", "The request lacks a trailer that it announced.")
    return blob.with_checksum(_checked(name, value, total))


@dataclass(frozen=True)
class _Check:
    """A digest of the body, and the answer where it is another one than `expected`."""

    total: Any
    expected: bytes
    code: str
    message: str

    def compare(self) -> None:
        if not hmac.compare_digest(self.total.digest(), self.expected):
            raise RefusedError(HTTPStatus.BAD_REQUEST, self.code, self.message)


def _size(headers: Mapping[str, str], verified: Verified, max_bytes: int) -> int:
    """The number of the body's bytes, which S3 wants to know before it reads them."""
    stated = headers.get("x-amz-decoded-content-length" if verified.is_chunked else "content-length", "")
    if not stated and not verified.is_chunked and "transfer-encoding" not in headers:
        return 0
    if not (stated.isascii() and stated.isdecimal()):
        raise RefusedError(
            HTTPStatus.LENGTH_REQUIRED, "MissingContentLength", "You must provide the Content-Length HTTP header."
        )
    size = int(stated[:20])  # more digits are too large anyway
    if size > max_bytes:
        raise RefusedError(
            HTTPStatus.BAD_REQUEST,
            "EntityTooLarge",
            f"Your proposed upload exceeds the maximum allowed size of {max_bytes} bytes.",
        )
    return size


def _checks(headers: Mapping[str, str], verified: Verified) -> list[_Check]:
    checks = list[_Check]()
    if verified.sha256 is not None:
        message = "The provided x-amz-content-sha256 is not that of the body."
        checks.append(_Check(hashlib.sha256(), bytes.fromhex(verified.sha256), "XAmzContentSHA256Mismatch", message))
    if "content-md5" in headers:
        digest = _decode(headers["content-md5"])
        if digest is None or len(digest) != _MD5_BYTES:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "InvalidDigest", "The Content-MD5 you specified was invalid.")
        message = "The Content-MD5 you specified did not match what we received."
        checks.append(_Check(hashlib.md5(usedforsecurity=False), digest, "BadDigest", message))
    return checks


def _stated_checksum(headers: Mapping[str, str], verified: Verified) -> tuple[str, str]:
    """The name of the checksum's header or trailer, "" where there is none, and its value, "" where it comes as a trailer."""
    stated = {name: value for name, value in headers.items() if name.startswith(_PREFIX) and name not in _NO_CHECKSUM}
    trailer = headers.get("x-amz-trailer", "").strip().lower()
    names = [*stated, *([trailer] if trailer else [])]
    if len(names) > 1:
        raise _invalid("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
    if not names:
        if "x-amz-sdk-checksum-algorithm" in headers:
            raise _invalid(
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers "
                "were found."
            )
        return "", ""
    if _algorithm(names[0]) not in checksums.ALGORITHMS or (trailer and not verified.is_chunked):
        raise _invalid("The value specified in the x-amz-trailer header or the name of the checksum header is not supported.")
    return names[0], stated.get(names[0], "")


def _checked(name: str, value: str, total: Any) -> Checksum:
    algorithm = _algorithm(name)
    digest = _decode(value)
    if digest is None or len(digest) != checksums.digest_bytes(algorithm):
        raise _invalid(f"Value for {name} header is invalid.")
    if total is not None and not hmac.compare_digest(total.digest(), digest):
        raise RefusedError(
            HTTPStatus.BAD_REQUEST, "BadDigest", f"The {algorithm} you specified did not match the calculated checksum."
        )
    return Checksum(algorithm, value)


def _algorithm(name: str) -> str:
    return name.removeprefix(_PREFIX).upper()


def _plain(body: Body, size: int) -> Iterator[bytes]:
    while size and (piece := body.read(min(size, CHUNK_BYTES))):
        size -= len(piece)
        yield piece


def _summed(pieces: Iterable[bytes], totals: list[Any], checksum: Any) -> Iterator[bytes]:
    every = [*totals, *([] if checksum is None else [checksum])]
    for piece in pieces:
        for total in every:
            total.update(piece)
        yield piece


def _decode(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _invalid(message: str) -> RefusedError:
    return RefusedError(HTTPStatus.BAD_REQUEST, "InvalidRequest", message)
