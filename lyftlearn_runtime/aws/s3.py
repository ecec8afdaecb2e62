"""S3: get, put and list, in memory for what is small and through files for what is not."""

from __future__ import annotations

import hashlib
import http.client
import time

from lyftlearn_runtime import contract
from lyftlearn_runtime.aws import client, endpoints, s3_answers, sigv4
from lyftlearn_runtime.aws.connection import Connection, RetryableError
from lyftlearn_runtime.aws.http import retry
from lyftlearn_runtime.aws.request import Request, Response, origin
from lyftlearn_runtime.deadline import fetch_timeout
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.frozen import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import IO
    from xml.etree.ElementTree import Element

    from lyftlearn_runtime.aws.file_range import ByteRange, FileRange

_SERVICE = endpoints.Service("s3", "S3", "S3")
# Data has no deadline but the job's own; an attempt that stalls is repeated so often.
_ATTEMPTS = 6
# Data is waited for as the SDKs wait (botocore, read_timeout); S3 may take "several minutes" to put a large object's parts
# together (API reference, CompleteMultipartUpload), and a second request would find no upload any more.
_STALL_S = 60.0
_COMPLETE_S = 900.0
_FOREVER = float("inf")
_EMPTY = hashlib.sha256().hexdigest()
_UNSIGNED = "UNSIGNED-PAYLOAD"

# An object of a listing: its key, its size in bytes, and its ETag, quotes included.
ListedObject = namedtuple("ListedObject", ["key", "size", "etag"])
# An object that is being made of parts. Nobody sees it before it is complete.
MultipartUpload = namedtuple("MultipartUpload", ["bucket", "key", "id"])


class RangeIgnoredError(Exception):
    """A server that sends whole objects where a range is asked for."""


class S3:
    """S3 as this container may use it. A thread that uses it alone keeps its connection."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._connections: dict[str, Connection] = {}
        self._signs_payloads = False
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
        return s3_answers.good_body(response, f"s3://{bucket}/{key}", "GetObject")

    def get_range(self, bucket: str, listed: ListedObject, file: IO[bytes], byte_range: ByteRange) -> dict[str, str]:
        """Writes a range of an object to the same place of a file; the response's headers, lower case.

        A connection that breaks off costs what it did not bring and no more. ShimError where the object is no longer the
        one that was listed, so that ranges of two versions never come together; RangeIgnoredError from a server that gives
        the whole object instead.
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

            def sink(status: int, answered: http.client.HTTPMessage) -> IO[bytes] | None:
                if status not in (200, 206):
                    return None
                # rclone's server says 200 to a range, too.
                if "Range" in headers and not answered.get("Content-Range", "").startswith(f"bytes {here}-{end - 1}/"):
                    if status == 206:
                        raise RetryableError("it sends another range than was asked for")
                    if byte_range.size != listed.size:
                        raise RangeIgnoredError
                    file.seek(0)  # a second attempt begins anew
                return file

            return self._connection(url).send(self._signer.sign(request, _EMPTY), None, sink)

        place = f"s3://{bucket}/{listed.key}"
        response = self._retry(
            attempt, url, lambda: f"{place}: {file.tell() - byte_range.start} of {byte_range.size} bytes came"
        )
        s3_answers.good_body(response, place, "GetObject")
        if file.tell() != end:
            came = file.tell() - byte_range.start
            message = f"{place}: {came} of {byte_range.size} bytes came from byte {byte_range.start} on"
            raise ShimError(message, contract.EXIT_UNAVAILABLE)
        return _lower(response.headers)

    def head(self, bucket: str, listed: ListedObject) -> dict[str, str]:
        """The headers of an object, lower case, its checksums among them."""
        headers = {"If-Match": listed.etag, "x-amz-checksum-mode": "ENABLED"}
        response = self._retried(Request("HEAD", self._url(bucket, listed.key), headers, b""))
        s3_answers.good_body(response, f"s3://{bucket}/{listed.key}", "GetObject")
        return _lower(response.headers)

    def put(self, bucket: str, key: str, content: FileRange) -> None:
        """Writes a range of a file to an object; S3 shows it whole or not at all."""
        self._put(self._url(bucket, key), content, f"s3://{bucket}/{key}")

    def delete(self, bucket: str, key: str) -> None:
        """Removes an object; one that is not there is none to remove."""
        response = self._retried(Request("DELETE", self._url(bucket, key), {}, b""))
        s3_answers.good_body(response, f"s3://{bucket}/{key}", "DeleteObject")

    def create_multipart_upload(self, bucket: str, key: str) -> MultipartUpload:
        """Begins an object in parts. Nobody sees it before `complete_multipart_upload`."""
        request = Request("POST", self._url(bucket, key, [("uploads", "")]), {}, b"")
        root = self._xml(request, f"s3://{bucket}/{key}", "PutObject")
        return MultipartUpload(bucket, key, s3_answers.text(root, "UploadId"))

    def upload_part(self, upload: MultipartUpload, number: int, content: FileRange) -> str:
        """Sends part `number` (from 1), a range of a file; the ETag that S3 gives it."""
        url = self._url(upload.bucket, upload.key, [("partNumber", str(number)), ("uploadId", upload.id)])
        return self._put(url, content, f"s3://{upload.bucket}/{upload.key}")

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

        s3_answers.document(
            s3_answers.good_body(
                self._retry(attempt, request.url, lambda: f"{place}: its parts are there"), place, "PutObject"
            ),
            place,
        )

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
            for item in (element for element in root.iter() if s3_answers.tag(element) == "Contents"):
                yield ListedObject(
                    s3_answers.text(item, "Key"),
                    s3_answers.size(item, f"s3://{bucket}/{prefix}"),
                    _quoted(s3_answers.text(item, "ETag")),
                )
            before, token = token, s3_answers.text(root, "NextContinuationToken")
            if not token:
                return
            if token == before:
                raise ShimError(f"s3://{bucket}/{prefix}: S3 gives the same page again and again", contract.EXIT_UNAVAILABLE)

    def _put(self, url: str, content: FileRange, place: str) -> str:
        """Sends a range of a file, and gives the ETag that S3 gives it."""
        headers = {"Content-Length": str(content.size)}
        digests: list[str] = []

        def attempt(_: float) -> Response:
            return self._send(Request("PUT", url, headers, content), digest())

        def digest() -> str:
            if url.startswith("https:") and not self._signs_payloads:
                return _UNSIGNED  # the connection guards it
            if not digests:
                digests.append(content.sha256())
            return digests[0]

        def recover(response: Response) -> bool:
            # A bucket's policy may ask for signed bodies (s3:x-amz-content-sha256).
            if response.status == 403 and url.startswith("https:") and not self._signs_payloads:
                self._signs_payloads = True
                return True
            return self._signer.recover(response)

        def doing() -> str:
            return f"{place}: {content.sent} of {content.size} bytes were sent"

        response = self._retry(attempt, url, doing, recover)
        s3_answers.good_body(response, place, "PutObject")
        return str(response.headers.get("ETag", ""))

    def _xml(self, request: Request, place: str, action: str) -> Element:
        deadline = time.monotonic() + fetch_timeout(self._environ)
        return s3_answers.document(s3_answers.good_body(client.call(self._signer, request, deadline), place, action), place)

    def _retried(self, request: Request) -> Response:
        """The response to a request without a body, with as many attempts as data has."""
        return retry(lambda _: self._send(request, _EMPTY), request.url, _FOREVER, _ATTEMPTS, self._signer.recover)

    def _retry(
        self,
        attempt: Callable[[float], Response],
        url: str,
        doing: Callable[[], str],
        recover: Callable[[Response], bool] | None = None,
    ) -> Response:
        """The response to a request with data. Its error says how far that came."""
        try:
            return retry(attempt, url, _FOREVER, _ATTEMPTS, recover or self._signer.recover)
        except ShimError as error:
            raise ShimError(f"{doing()}: {error.message}", error.exit_code) from None

    def _send(self, request: Request, digest: str) -> Response:
        return self._connection(request.url).send(self._signer.sign(request, digest), None)

    def _connection(self, url: str) -> Connection:
        where = origin(url)
        if where not in self._connections:
            self._connections[where] = Connection(url, self._environ, _STALL_S, is_kept=True)
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


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an S3 URI."""
    bucket, _, key = uri.partition("://")[2].partition("/")
    return bucket, key


def _quoted(etag: str) -> str:
    """An ETag as a header has it: rclone's server lists it without quotes."""
    return etag if not etag or etag.endswith('"') else f'"{etag}"'


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
