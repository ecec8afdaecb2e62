"""S3: get, put and list, in memory for what is small and through files for what is not."""

from __future__ import annotations

import hashlib
import http.client
import io
import time
from collections import namedtuple

from lyftlearn_runtime import contract
from lyftlearn_runtime.aws import client, connection, endpoints, sigv4
from lyftlearn_runtime.deadline import fetch_timeout
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import IO
    from xml.etree.ElementTree import Element

_SERVICE = endpoints.Service("s3", "S3", "S3")
# Data has no deadline but the job's own; a try that stalls is repeated so often.
_TRIES = 6
_FOREVER = float("inf")
_EMPTY = hashlib.sha256().hexdigest()
_CHUNK_BYTES = 1 << 20
_ERRORS = {
    403: ("access denied; the job's role needs s3:{0}", contract.EXIT_ACCESS_DENIED),
    404: ("there is no such bucket or object", contract.EXIT_UNAVAILABLE),
    412: ("it was changed while it was being downloaded; start again", contract.EXIT_UNAVAILABLE),
    301: ("the bucket is in another region; set AWS_REGION", contract.EXIT_CONFIG),
}

# An object of a listing: its key, its size in bytes, and its ETag, quotes included.
Found = namedtuple("Found", ["key", "size", "tag"])


class S3:
    """S3 as this container may use it. A thread that uses it alone keeps its connection."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._connections: dict[str, connection.Connection] = {}
        deadline = time.monotonic() + fetch_timeout(environ)
        self._signer = client.Signer(_SERVICE, environ, deadline)

    def close(self) -> None:
        """Closes what was kept."""
        for one in self._connections.values():
            one.close()

    def get(self, bucket: str, key: str, version: str = "", deadline: float | None = None) -> bytes:
        """A small object's bytes, the current ones or those of a version; by `deadline`, or in the time that a start has."""
        url = self._url(bucket, key, [("versionId", version)] if version else [])
        until = time.monotonic() + fetch_timeout(self._environ) if deadline is None else deadline
        answer = client.call(self._signer, "GET", url, {}, b"", until)
        return _good(answer, f"s3://{bucket}/{key}", "GetObject")

    def get_stretch(self, bucket: str, found: Found, file: IO[bytes], start: int, size: int) -> dict[str, str]:
        """Writes a stretch of an object (start and size in bytes) to the same place of a file; the headers, lower case.

        A connection that breaks off costs what it did not bring and no more. ShimError where the object is no longer the
        one that was listed, so that stretches of two versions never come together.
        """
        url = self._url(bucket, found.key)
        file.seek(start)
        end = start + size

        def once(_: float) -> connection.Answer:
            headers = {"If-Match": found.tag, "x-amz-checksum-mode": "ENABLED"}
            here = file.tell()
            if here == end and size:
                return connection.Answer(200, b"", {})  # it broke off after the last byte
            if (here, end) != (0, found.size):
                headers["Range"] = f"bytes={here}-{end - 1}"
            return self._exchange("GET", url, b"", _EMPTY, headers, file, 206 if "Range" in headers else 200)

        answer = client.repeat(once, url, _FOREVER, _TRIES)
        place = f"s3://{bucket}/{found.key}"
        _good(answer, place, "GetObject")
        if file.tell() != end:
            came = file.tell() - start
            raise ShimError(f"{place}: {came} of {size} bytes came from byte {start} on", contract.EXIT_UNAVAILABLE)
        return _lower(answer.headers)

    def head(self, bucket: str, found: Found) -> dict[str, str]:
        """The headers of an object, lower case, its checksums among them."""
        url = self._url(bucket, found.key)
        headers = {"If-Match": found.tag, "x-amz-checksum-mode": "ENABLED"}
        answer = client.repeat(lambda _: self._exchange("HEAD", url, b"", _EMPTY, headers), url, _FOREVER, _TRIES)
        _good(answer, f"s3://{bucket}/{found.key}", "GetObject")
        return _lower(answer.headers)

    def put(self, bucket: str, key: str, file: IO[bytes], size: int) -> None:
        """Writes the first `size` bytes of a file to an object; S3 shows it whole or not at all."""
        self._put(self._url(bucket, key), file, 0, size, f"s3://{bucket}/{key}")

    def delete(self, bucket: str, key: str) -> None:
        """Removes an object; one that is not there is none to remove."""
        url = self._url(bucket, key)
        answer = client.repeat(lambda _: self._exchange("DELETE", url, b"", _EMPTY), url, _FOREVER, _TRIES)
        _good(answer, f"s3://{bucket}/{key}", "DeleteObject")

    def begin(self, bucket: str, key: str) -> str:
        """Begins an object in parts: its upload's ID. Nobody sees the object before `complete`."""
        root = self._xml("POST", self._url(bucket, key, [("uploads", "")]), b"", f"s3://{bucket}/{key}", "PutObject")
        return _text(root, "UploadId")

    def put_part(self, bucket: str, key: str, upload: str, number: int, file: IO[bytes], start: int, size: int) -> str:  # noqa: PLR0913, PLR0917 - what names a part
        """Sends part `number` (from 1), a stretch of a file; the tag that S3 gives it."""
        url = self._url(bucket, key, [("partNumber", str(number)), ("uploadId", upload)])
        return self._put(url, file, start, size, f"s3://{bucket}/{key}")

    def complete(self, bucket: str, key: str, upload: str, tags: Sequence[str]) -> None:
        """Makes the object of its parts, whose tags are in their order."""
        numbered = enumerate(tags, 1)
        body = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>" for number, tag in numbered)
        document = f"<CompleteMultipartUpload>{body}</CompleteMultipartUpload>".encode()
        self._xml("POST", self._url(bucket, key, [("uploadId", upload)]), document, f"s3://{bucket}/{key}", "PutObject")

    def abort(self, bucket: str, key: str, upload: str) -> None:
        """Takes the parts away again: those that nobody completes cost money for ever."""
        try:
            self._exchange("DELETE", self._url(bucket, key, [("uploadId", upload)]), b"", _EMPTY)
        except (OSError, http.client.HTTPException, connection.Again, ShimError):
            pass  # what went wrong before is what is told

    def list(self, bucket: str, prefix: str) -> Iterator[Found]:
        """The objects below a prefix."""
        token = None
        while True:
            query = [("list-type", "2"), ("prefix", prefix)] + ([("continuation-token", token)] if token else [])
            root = self._xml("GET", self._url(bucket, "", query), b"", f"s3://{bucket}/{prefix}", "ListBucket")
            for item in (element for element in root.iter() if _tag(element) == "Contents"):
                yield Found(_text(item, "Key"), _size(item, f"s3://{bucket}/{prefix}"), _text(item, "ETag"))
            before, token = token, _text(root, "NextContinuationToken")
            if not token:
                return
            if token == before:
                raise ShimError(f"s3://{bucket}/{prefix}: S3 gives the same page again and again", contract.EXIT_UNAVAILABLE)

    def _put(self, url: str, file: IO[bytes], start: int, size: int, place: str) -> str:
        """Sends a stretch of a file, and gives the tag that S3 gives it."""
        digest = _digest(file, start, size)

        def once(_: float) -> connection.Answer:
            return self._exchange("PUT", url, _Part(file, start, size), digest, {"Content-Length": str(size)})

        answer = client.repeat(once, url, _FOREVER, _TRIES)
        _good(answer, place, "PutObject")
        return str(answer.headers.get("ETag", ""))

    def _xml(self, method: str, url: str, body: bytes, place: str, action: str) -> Element:
        import xml.etree.ElementTree as ET  # noqa: PLC0415 - only for listings and large files

        deadline = time.monotonic() + fetch_timeout(self._environ)
        answer = _good(client.call(self._signer, method, url, {}, body, deadline), place, action)
        try:
            root = ET.fromstring(answer)  # noqa: S314 - S3's own answer over a checked channel
        except (ET.ParseError, ValueError, LookupError):  # the latter two for encodings that there are not
            raise ShimError(f"{place}: S3 gave no answer that can be read", contract.EXIT_UNAVAILABLE) from None
        if _tag(root) == "Error":  # CompleteMultipartUpload tells a late failure with status 200
            raise ShimError(f"{place}: S3 says {_text(root, 'Code')}", contract.EXIT_UNAVAILABLE)
        return root

    def _exchange(  # noqa: PLR0913, PLR0917 - the parts of a request
        self, method: str, url: str, body: bytes | _Part, digest: str, headers: Mapping[str, str] | None = None,
        sink: IO[bytes] | None = None, sink_status: int = 200,
    ) -> connection.Answer:  # fmt: skip
        signed = self._signer.headers(method, url, headers or {}, digest)
        where = connection.origin(url)
        if where not in self._connections:
            self._connections[where] = connection.Connection(url, self._environ)
        return self._connections[where].exchange(method, url, signed, body, None, sink, sink_status)

    def _url(self, bucket: str, key: str, query: Sequence[tuple[str, str]] = ()) -> str:
        """The URL of an object or a bucket: with the bucket as host, but for an endpoint that has one host name only.

        A bucket with a dot in its name does not match the certificate, so it goes into the path too.
        """
        base = endpoints.url(_SERVICE, self._environ)
        path = "/" + sigv4.quote(key, b"/")
        if endpoints.override(_SERVICE, self._environ) or "." in bucket:
            path = f"/{sigv4.quote(bucket)}{path if key else ''}"
        else:
            base = base.replace("://", f"://{bucket}.", 1)
        text = sigv4.canonical_query(query)
        return base + path + (f"?{text}" if text else "")


class _Part(io.RawIOBase):
    """A stretch of a file, as a file of its own."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        super().__init__()
        self._file = file
        self._left = size
        file.seek(start)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fills the buffer as far as the stretch goes."""
        data = self._file.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of an S3 URI."""
    bucket, _, key = uri.partition("://")[2].partition("/")
    return bucket, key


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _digest(file: IO[bytes], start: int, size: int) -> str:
    total = hashlib.sha256()
    part = _Part(file, start, size)
    for piece in iter(lambda: part.read(_CHUNK_BYTES), b""):
        total.update(piece or b"")
        size -= len(piece or b"")
    if size:  # the server would wait for what is announced and does not come
        raise ShimError(f"{file.name} became shorter while it was being uploaded", contract.EXIT_UNAVAILABLE)
    return total.hexdigest()


def _good(answer: connection.Answer, place: str, action: str) -> bytes:
    """The body of a good answer; ShimError that says what S3 has against it."""
    if 200 <= answer.status < 300:
        return bytes(answer.body)
    why, code = _ERRORS.get(answer.status, (f"S3 answered {answer.status}", contract.EXIT_UNAVAILABLE))
    raise ShimError(f"{place}: {why.format(action)}", code)


def _size(item: Element, place: str) -> int:
    text = _text(item, "Size")
    if not (text.isascii() and text.isdigit()):
        raise ShimError(f"{place}: S3 names an object without a size", contract.EXIT_UNAVAILABLE)
    return int(text)


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: Element, name: str) -> str:
    return next((one.text or "" for one in element.iter() if _tag(one) == name), "")
