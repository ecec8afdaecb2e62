"""Bodies with the content encoding `aws-chunked`: data in chunks, each signed or not, and trailers after the last one.

Sources: S3 API reference, "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks" and
"Trailing headers".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from lyftlearn_image.emulation.aws.refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_EMPTY_SHA256 = hashlib.sha256().hexdigest()
_READ_BYTES = 256 << 10
_MAX_LINE_BYTES = 1024
_MAX_TRAILER_LINES = 16
_CHUNK = re.compile(rb"(?P<size>[0-9A-Fa-f]{1,16})(?:;chunk-signature=(?P<signature>[0-9a-f]{64}))?")
_TRAILER = re.compile(rb"(?P<name>[A-Za-z0-9-]+):[ \t]*(?P<value>[!-~]*(?:[ \t]+[!-~]+)*)[ \t]*")
_TRAILER_SIGNATURE = "x-amz-trailer-signature"


class Body(Protocol):
    """What a request brings."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end. Raises OSError when the client is gone or too slow."""


@dataclass
class ChunkSigner:
    """Signs the chunks of one request, each after the one before it: `previous` begins with the request's own signature."""

    timestamp: str
    scope: str
    previous: str
    key: bytes = field(repr=False)

    def sign(self, sha256: str) -> str:
        """The signature of the next chunk, by its hash."""
        return self._sign("AWS4-HMAC-SHA256-PAYLOAD", _EMPTY_SHA256, sha256)

    def sign_trailers(self, sha256: str) -> str:
        """The signature of the trailers, by the hash of their lines."""
        return self._sign("AWS4-HMAC-SHA256-TRAILER", sha256)

    def _sign(self, kind: str, *hashes: str) -> str:
        text = "\n".join((kind, self.timestamp, self.scope, self.previous, *hashes))
        self.previous = hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()
        return self.previous


class ChunkedBody:
    """The data of such a body, by iteration. After it `trailers` are there, their names in lower case.

    `signer` is None where the chunks are not signed; `has_signed_trailers` says whether trailers are signed, too.
    """

    def __init__(self, body: Body, signer: ChunkSigner | None, *, has_signed_trailers: bool) -> None:
        self.trailers: Mapping[str, str] = {}
        self._body = body
        self._signer = signer
        self._has_signed_trailers = has_signed_trailers
        self._buffer = b""

    def __iter__(self) -> Iterator[bytes]:
        """The data. Raises RefusedError for one that is not of this form, or not signed as it should be."""
        while True:
            head = _CHUNK.fullmatch(self._line())
            if head is None or (head["signature"] is None) is not (self._signer is None):
                raise _malformed("a chunk begins with its size, and its signature where it is signed")
            size, digest = int(head["size"], 16), hashlib.sha256()
            for piece in self._data(size):
                digest.update(piece)
                yield piece
            if self._signer is not None:
                _compare(self._signer.sign(digest.hexdigest()), head["signature"].decode())
            if not size:
                self.trailers = self._read_trailers()
                return
            if self._line():
                raise _malformed("a chunk does not end where it should")

    def _read_trailers(self) -> Mapping[str, str]:
        trailers = dict[str, str]()
        for _ in range(_MAX_TRAILER_LINES):
            line = self._line()
            if not line:
                return self._check_trailers(trailers)
            match = _TRAILER.fullmatch(line)
            if match is None or match["name"].decode().lower() in trailers:
                raise _malformed("a trailer is a name and a value, once")
            trailers[match["name"].decode().lower()] = match["value"].decode()
        raise _malformed("there are too many trailers")

    def _check_trailers(self, trailers: dict[str, str]) -> Mapping[str, str]:
        signature = trailers.pop(_TRAILER_SIGNATURE, None)
        if self._has_signed_trailers and self._signer is not None:
            lines = "".join(f"{name}:{value}\n" for name, value in trailers.items())
            _compare(self._signer.sign_trailers(hashlib.sha256(lines.encode()).hexdigest()), signature or "")
        elif trailers and self._signer is not None:
            raise _malformed("trailers of signed chunks are signed")
        return trailers

    def _data(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self._buffer[:size] or self._read(min(size, _READ_BYTES))
            self._buffer = self._buffer[len(piece) :]
            size -= len(piece)
            yield piece

    def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > _MAX_LINE_BYTES:
                raise _malformed("a line is too long")
            self._buffer += self._read(_MAX_LINE_BYTES)
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.removesuffix(b"\r")

    def _read(self, size: int) -> bytes:
        piece = self._body.read(size)
        if not piece:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "IncompleteBody", "The request body ended before its last chunk.")
        return piece


def _compare(expected: str, stated: str) -> None:
    if not hmac.compare_digest(expected.encode(), stated.encode()):
        raise RefusedError(
            HTTPStatus.FORBIDDEN, "SignatureDoesNotMatch", "The signature of a chunk does not match the one that was expected."
        )


def _malformed(what: str) -> RefusedError:
    return RefusedError(HTTPStatus.BAD_REQUEST, "InvalidRequest", f"The aws-chunked body is malformed: {what}.")
