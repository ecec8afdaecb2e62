"""S3: moto's buckets, versions, tags and listings, over objects whose bytes lie on the disk.

What moto leaves out of what is done with the bytes is done here as the S3 API reference has it: parts of an object by their
number, ranges, checksums that are true, and the errors of uploads that there are not.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree as ET
from xml.parsers.expat import ExpatError

from moto.core.responses import ActionResult
from moto.moto_server.werkzeug_app import BackendRequest
from moto.s3 import models, responses
from moto.s3.exceptions import (
    InvalidArgumentError,
    InvalidPartOrder,
    InvalidRange,
    MalformedXML,
    NoSuchUpload,
    S3ClientError,
)
from werkzeug.exceptions import HTTPException

from lyftlearn_image.emulation.aws.blobs import Blob
from lyftlearn_image.emulation.aws.byte_ranges import UnsatisfiableError, parse_copy_range, parse_range
from lyftlearn_image.emulation.aws.environment import BLOB
from lyftlearn_image.emulation.aws.s3_objects import StoredKey, StoredMultipart, compute_checksum

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

_MAX_PARTS = 10_000
_CHECKSUM = "x-amz-checksum-"
_COPY_SOURCE = "x-amz-copy-source"
_COPY_RANGE = f"{_COPY_SOURCE}-range"
_DECLARATION = re.compile(rb"<!(?:DOCTYPE|ENTITY)|\x00")
# Of answers without a body (RFC 9110, section 8.6).
_NO_LENGTH = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class S3Application:
    """S3 as a WSGI application, for requests that the gate has let in."""

    def __init__(self) -> None:
        for module, name, ours in (
            (models, "FakeKey", StoredKey),
            (models, "FakeMultipart", StoredMultipart),
            (responses, "compute_checksum", compute_checksum),
        ):
            setattr(module, name, ours)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        request = BackendRequest(environ)
        answer = _Response()
        is_of_bucket = "/" not in request.raw_path.strip("/") and request.raw_path.count("/") <= 2  # noqa: PLR2004 - both ends
        respond = answer.bucket_response if is_of_bucket else answer.key_response
        try:
            status, headers, body = respond(request, request.raw_url, dict(request.headers))
        except (HTTPException, ExpatError, NotImplementedError) as error:
            status, headers, body = answer.serialized(ActionResult(_client_error(error)))
        return _send(int(status), headers, body, start_response, is_head=request.method == "HEAD")


def _client_error(error: Exception) -> S3ClientError:
    """What moto raises besides its own errors."""
    if isinstance(error, HTTPException):
        return S3ClientError("InvalidRange", str(error.description))
    return MalformedXML() if isinstance(error, ExpatError) else S3ClientError("NotImplemented", str(error))


def _send(status: int, headers: dict[str, Any], body: Any, start_response: StartResponse, *, is_head: bool) -> Iterable[bytes]:
    fields = {name.lower(): str(value) for name, value in headers.items() if isinstance(value, str | int)}
    data = body.encode() if isinstance(body, str) else body
    if not is_head:
        fields["content-length"] = str(len(data))
    if status in _NO_LENGTH:
        fields.pop("content-length", None)
        data = b""
    start_response(f"{status} {HTTPStatus(status).phrase}", list(fields.items()))
    return data.chunks() if isinstance(data, Blob) else [data]


class _Response(responses.S3Response):
    """moto's answers, where they are about bytes."""

    def setup_class(  # type: ignore[override] # moto's own has it
        self, request: Any, full_url: str | None = None, headers: Any = None
    ) -> None:
        """The body of a request that stores one is a blob."""
        super().setup_class(request, full_url, headers)
        self.body = request.environ.get(BLOB, self.body)

    def get_object(self) -> Any:
        """One part of an object that came in parts, where a number is asked for: moto gives the whole."""
        status, headers, body = super().get_object()
        key, _ = self._get_key()
        number = self._get_int_param("partNumber")
        if status != HTTPStatus.OK or not number or not key.multipart:
            return status, headers, body
        sizes = [len(key.multipart.parts[one].value) for one in key.multipart.partlist]
        if number > len(sizes):
            raise InvalidRange(actual_size=str(len(sizes)), range_requested=str(number))
        start = sum(sizes[: number - 1])
        headers["x-amz-mp-parts-count"] = str(len(sizes))
        return self._partial(headers, body, range(start, start + sizes[number - 1]))

    def _handle_range_header(self, request: Any, response_headers: dict[str, Any], response_content: Any) -> Any:
        """The range that is asked for, of an object or of the answer to a HEAD."""
        size, header = int(response_headers.get("content-length", 0)), request.headers["range"]
        if not isinstance(response_content, Blob) and request.method != "HEAD":
            return HTTPStatus.OK, response_headers, response_content
        try:
            asked = parse_range(header, size)
        except UnsatisfiableError:
            raise InvalidRange(actual_size=str(size), range_requested=header) from None
        if asked is None:
            return HTTPStatus.OK, response_headers, response_content
        return self._partial(response_headers, response_content, asked)

    @staticmethod
    def _partial(headers: dict[str, Any], body: Any, asked: range) -> Any:
        size = int(headers["content-length"])
        if len(asked) < size:
            headers = {name: value for name, value in headers.items() if not name.lower().startswith(_CHECKSUM)}
        headers["content-range"] = f"bytes {asked.start}-{asked.stop - 1}/{size}"
        headers["content-length"] = str(len(asked))
        return HTTPStatus.PARTIAL_CONTENT, headers, body[asked.start : asked.stop] if isinstance(body, Blob) else body

    def _get_checksum(self, response_headers: dict[str, Any]) -> tuple[str, str | None]:
        """The checksum that came with the body, and is true of it."""
        if not isinstance(self.body, Blob) or self.body.checksum is None:
            return "", None
        algorithm, value = self.body.checksum.algorithm, self.body.checksum.value
        response_headers[f"{_CHECKSUM}{algorithm.lower()}"] = value
        return algorithm, value

    def upload_part(self) -> Any:
        """Of an upload that there is."""
        self._check_part()
        return super().upload_part()

    def upload_part_copy(self) -> Any:
        """Of an upload, an object and a range that there are."""
        self._check_part()
        source = self._source()
        if (header := self.headers.get(_COPY_RANGE)) is not None and source is not None:
            try:
                parse_copy_range(header, len(source.value))
            except ValueError:
                raise InvalidArgumentError(
                    "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
                    "zero-based offsets of the first and last bytes to copy",
                    _COPY_RANGE,
                    header,
                ) from None
        return super().upload_part_copy()

    def copy_object(self) -> Any:
        """The copy of an object that came in parts came in one: a checksum of checksums is none of it."""
        source = self._source()
        answer = super().copy_object()
        if source is not None and source.checksum_type == "COMPOSITE" and "x-amz-checksum-algorithm" not in self.headers:
            copy: Any = self.backend.get_object(self.bucket_name, self.parse_key_name())
            copy.checksum_algorithm = copy.checksum_value = None
        return answer

    def _source(self) -> StoredKey | None:
        header = str(self.headers.get(_COPY_SOURCE))
        path, _, query = header.partition("?")
        bucket, slash, name = unquote(path).lstrip("/").partition("/")
        if not slash or not bucket or not name:
            raise InvalidArgumentError(
                "Copy Source must mention the source bucket and key: sourcebucket/sourcekey", _COPY_SOURCE, header
            )
        key = self.backend.get_object(bucket, name, version_id=parse_qs(query).get("versionId", [""])[0] or None)
        return key if isinstance(key, StoredKey) else None

    def _check_part(self) -> None:
        number = str(self._get_param("partNumber"))
        if not (number.isascii() and number.isdecimal() and len(number) <= len(str(_MAX_PARTS))) or not (
            1 <= int(number) <= _MAX_PARTS
        ):
            raise InvalidArgumentError(
                f"Part number must be an integer between 1 and {_MAX_PARTS}, inclusive", "partNumber", number
            )
        self._check_upload()

    def _check_upload(self) -> None:
        upload = self._get_param("uploadId")
        multipart = self.backend.get_bucket(self.bucket_name).multiparts.get(upload)
        if multipart is None or multipart.key_name != self.parse_key_name():
            raise NoSuchUpload(upload_id=upload)

    def _key_response_post(self, request: Any, body: bytes, bucket_name: str, query: dict[str, Any], key_name: str) -> Any:
        """An upload is completed twice with the same answer, and another one not at all."""
        if upload := query.get("uploadId"):
            existing = self.backend.get_object(bucket_name, key_name)
            if not (existing and existing.multipart and existing.multipart.id == upload[0]):
                self._check_upload()
        return super()._key_response_post(request, body, bucket_name, query, key_name)

    def _complete_multipart_body(self, body: bytes) -> Iterator[tuple[int, str]]:
        """Number and ETag of each part, in their order."""
        if _DECLARATION.search(body):
            raise MalformedXML
        try:
            parts = [one for one in ET.fromstring(body) if _name(one) == "Part"]  # noqa: S314 - it has no entities
            fields = [{_name(field): field.text or "" for field in part} for part in parts]
            named = [(int(field["PartNumber"]), field["ETag"]) for field in fields]
        except (ET.ParseError, KeyError, ValueError):
            raise MalformedXML from None
        if any(after <= before for (before, _), (after, _) in pairwise(named)):
            raise InvalidPartOrder
        return iter(named)


def _name(element: ET.Element) -> str:
    """Without the namespace, which some clients leave out."""
    return element.tag.rpartition("}")[2]
