"""S3: get, put and list, in memory for what is small and through files for what is not."""

from __future__ import annotations

import hashlib
import http.client
import io
import time

from lyftlearn_runtime import contract
from lyftlearn_runtime.aws import client, endpoints, sigv4
from lyftlearn_runtime.aws.connection import Connection, RetryableError
from lyftlearn_runtime.aws.http import retry
from lyftlearn_runtime.aws.request import Request, Response, origin
from lyftlearn_runtime.deadline import fetch_timeout
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.frozen import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import IO
    from xml.etree.ElementTree import Element

_SERVICE = endpoints.Service("s3", "S3", "S3")
# Data has no deadline but the job's own; an attempt that stalls is repeated so often.
_ATTEMPTS = 6
# Data is waited for as the SDKs wait (botocore, read_timeout); S3 may take "several minutes" to put a large object's parts
# together (API reference, CompleteMultipartUpload), and a second request would find no upload any more.
_STALL_S = 60.0
_COMPLETE_S = 900.0
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
ListedObject = namedtuple("ListedObject", ["key", "size", "etag"])
# An object that is being made of parts. Nobody sees it before it is complete.
MultipartUpload = namedtuple("MultipartUpload", ["bucket", "key", "id"])
# Bytes of an object or of a file.
ByteRange = namedtuple("ByteRange", ["start", "size"])


class S3:
    """S3 as this container may use it. A thread that uses it alone keeps its connection."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._connections: dict[str, Connection] = {}
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
        response = client.call(self._signer, Request("GET", url, {}, b""), until)
        return _body(response, f"s3://{bucket}/{key}", "GetObject")

    def get_range(self, bucket: str, listed: ListedObject, file: IO[bytes], byte_range: ByteRange) -> dict[str, str]:
        """Writes a range of an object to the same place of a file; the response's headers, lower case.

        A connection that breaks off costs what it did not bring and no more. ShimError where the object is no longer the
        one that was listed, so that ranges of two versions never come together.
        """
        url = self._url(bucket, listed.key)
        file.seek(byte_range.start)
        end = byte_range.start + byte_range.size

        def attempt(_: float) -> Response:
            headers = {"If-Match": listed.etag, "x-amz-checksum-mode": "ENABLED"}
            here = file.tell()
            if here == end and byte_range.size:
                return Response(200, b"", {})  # it broke off after the last byte
            if (here, end) != (0, listed.size):
                headers["Range"] = f"bytes={here}-{end - 1}"
            request = Request("GET", url, headers, b"")
            return self._connection(url).send(
                self._signer.sign(request, _EMPTY), None, file, 206 if "Range" in headers else 200
            )

        response = retry(attempt, url, _FOREVER, _ATTEMPTS)
        place = f"s3://{bucket}/{listed.key}"
        _body(response, place, "GetObject")
        if file.tell() != end:
            came = file.tell() - byte_range.start
            message = f"{place}: {came} of {byte_range.size} bytes came from byte {byte_range.start} on"
            raise ShimError(message, contract.EXIT_UNAVAILABLE)
        return _lower(response.headers)

    def head(self, bucket: str, listed: ListedObject) -> dict[str, str]:
        """The headers of an object, lower case, its checksums among them."""
        headers = {"If-Match": listed.etag, "x-amz-checksum-mode": "ENABLED"}
        response = self._retried(Request("HEAD", self._url(bucket, listed.key), headers, b""))
        _body(response, f"s3://{bucket}/{listed.key}", "GetObject")
        return _lower(response.headers)

    def put(self, bucket: str, key: str, file: IO[bytes], size: int) -> None:
        """Writes the first `size` bytes of a file to an object; S3 shows it whole or not at all."""
        self._put(self._url(bucket, key), file, ByteRange(0, size), f"s3://{bucket}/{key}")

    def delete(self, bucket: str, key: str) -> None:
        """Removes an object; one that is not there is none to remove."""
        response = self._retried(Request("DELETE", self._url(bucket, key), {}, b""))
        _body(response, f"s3://{bucket}/{key}", "DeleteObject")

    def create_multipart_upload(self, bucket: str, key: str) -> MultipartUpload:
        """Begins an object in parts. Nobody sees it before `complete_multipart_upload`."""
        request = Request("POST", self._url(bucket, key, [("uploads", "")]), {}, b"")
        root = self._xml(request, f"s3://{bucket}/{key}", "PutObject")
        return MultipartUpload(bucket, key, _text(root, "UploadId"))

    def upload_part(self, upload: MultipartUpload, number: int, file: IO[bytes], byte_range: ByteRange) -> str:
        """Sends part `number` (from 1), a range of a file; the ETag that S3 gives it."""
        url = self._url(upload.bucket, upload.key, [("partNumber", str(number)), ("uploadId", upload.id)])
        return self._put(url, file, byte_range, f"s3://{upload.bucket}/{upload.key}")

    def complete_multipart_upload(self, upload: MultipartUpload, etags: Sequence[str]) -> None:
        """Makes the object of its parts, whose ETags are in their order."""
        numbered = enumerate(etags, 1)
        body = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in numbered)
        document = f"<CompleteMultipartUpload>{body}</CompleteMultipartUpload>".encode()
        request = Request("POST", self._url(upload.bucket, upload.key, [("uploadId", upload.id)]), {}, document)
        place = f"s3://{upload.bucket}/{upload.key}"

        def attempt(_: float) -> Response:
            signed = self._signer.sign(request, hashlib.sha256(document).hexdigest())
            return Connection(request.url, self._environ, _COMPLETE_S).send(signed, None)

        _document(_body(retry(attempt, request.url, _FOREVER, _ATTEMPTS), place, "PutObject"), place)

    def abort_multipart_upload(self, upload: MultipartUpload) -> None:
        """Takes the parts away again: those that nobody completes cost money for ever."""
        url = self._url(upload.bucket, upload.key, [("uploadId", upload.id)])
        try:
            self._send(Request("DELETE", url, {}, b""), _EMPTY)
        except (OSError, http.client.HTTPException, RetryableError, ShimError):
            pass  # what went wrong before is what is shown

    def list_objects(self, bucket: str, prefix: str) -> Iterator[ListedObject]:
        """The objects below a prefix."""
        token = None
        while True:
            query = [("list-type", "2"), ("prefix", prefix)] + ([("continuation-token", token)] if token else [])
            root = self._xml(Request("GET", self._url(bucket, "", query), {}, b""), f"s3://{bucket}/{prefix}", "ListBucket")
            for item in (element for element in root.iter() if _tag(element) == "Contents"):
                yield ListedObject(_text(item, "Key"), _size(item, f"s3://{bucket}/{prefix}"), _text(item, "ETag"))
            before, token = token, _text(root, "NextContinuationToken")
            if not token:
                return
            if token == before:
                raise ShimError(f"s3://{bucket}/{prefix}: S3 gives the same page again and again", contract.EXIT_UNAVAILABLE)

    def _put(self, url: str, file: IO[bytes], byte_range: ByteRange, place: str) -> str:
        """Sends a range of a file, and gives the ETag that S3 gives it."""
        digest = _digest(file, byte_range)
        headers = {"Content-Length": str(byte_range.size)}

        def attempt(_: float) -> Response:
            return self._send(Request("PUT", url, headers, _Part(file, byte_range)), digest)

        response = retry(attempt, url, _FOREVER, _ATTEMPTS)
        _body(response, place, "PutObject")
        return str(response.headers.get("ETag", ""))

    def _xml(self, request: Request, place: str, action: str) -> Element:
        deadline = time.monotonic() + fetch_timeout(self._environ)
        return _document(_body(client.call(self._signer, request, deadline), place, action), place)

    def _retried(self, request: Request) -> Response:
        """The response to a request without a body, with as many attempts as data has."""
        return retry(lambda _: self._send(request, _EMPTY), request.url, _FOREVER, _ATTEMPTS)

    def _send(self, request: Request, digest: str) -> Response:
        return self._connection(request.url).send(self._signer.sign(request, digest), None)

    def _connection(self, url: str) -> Connection:
        where = origin(url)
        if where not in self._connections:
            self._connections[where] = Connection(url, self._environ, _STALL_S)
        return self._connections[where]

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
    """A range of a file, as a file of its own."""

    def __init__(self, file: IO[bytes], byte_range: ByteRange) -> None:
        super().__init__()
        self._file = file
        self._left = byte_range.size
        file.seek(byte_range.start)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fills the buffer as far as the range goes."""
        data = self._file.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an S3 URI."""
    bucket, _, key = uri.partition("://")[2].partition("/")
    return bucket, key


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _digest(file: IO[bytes], byte_range: ByteRange) -> str:
    total = hashlib.sha256()
    part, size = _Part(file, byte_range), byte_range.size
    for piece in iter(lambda: part.read(_CHUNK_BYTES), b""):
        total.update(piece or b"")
        size -= len(piece or b"")
    if size:  # the server would wait for what is announced and does not come
        raise ShimError(f"{file.name} became shorter while it was being uploaded", contract.EXIT_UNAVAILABLE)
    return total.hexdigest()


def _body(response: Response, place: str, action: str) -> bytes:
    """The body of a response that is good; ShimError that says what S3 has against it."""
    if 200 <= response.status < 300:
        return bytes(response.body)
    why, code = _ERRORS.get(response.status, (f"S3 answered {response.status}", contract.EXIT_UNAVAILABLE))
    raise ShimError(f"{place}: {why.format(action)}", code)


def _document(answer: bytes, place: str) -> Element:
    import xml.etree.ElementTree as ET  # noqa: PLC0415 - only for listings and large files

    try:
        root = ET.fromstring(answer)  # noqa: S314 - S3's own answer over a checked channel
    except (ET.ParseError, ValueError, LookupError):  # the latter two for encodings that there are not
        raise ShimError(f"{place}: S3 gave no answer that can be read", contract.EXIT_UNAVAILABLE) from None
    if _tag(root) == "Error":  # CompleteMultipartUpload tells a late failure with status 200
        raise ShimError(f"{place}: S3 says {_text(root, 'Code')}", contract.EXIT_UNAVAILABLE)
    return root


def _size(item: Element, place: str) -> int:
    text = _text(item, "Size")
    if not (text.isascii() and text.isdigit()):
        raise ShimError(f"{place}: S3 names an object without a size", contract.EXIT_UNAVAILABLE)
    return int(text)


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: Element, name: str) -> str:
    return next((one.text or "" for one in element.iter() if _tag(one) == name), "")
