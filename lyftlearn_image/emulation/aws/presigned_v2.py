"""Presigned URLs of Signature Version 2, which boto3 still makes for S3 unless it is told otherwise.

Source: S3 user guide, "Signing and authenticating REST requests", query string request authentication. Only GET and PUT URLs
are of this kind; an Authorization header of Version 2 is refused.
"""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote

from botocore.auth import HmacV1QueryAuth
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from lyftlearn_image.emulation.aws.refusal import RefusedError
from lyftlearn_image.emulation.aws.signature import Verified, check_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from lyftlearn_image.emulation.aws.signature import HttpRequest, Key

SERVICE = "s3"
PARAMETERS = ("AWSAccessKeyId", "Expires", "Signature")
_TOKEN = "x-amz-security-token"  # noqa: S105 - a parameter's name


def is_presigned_v2(request: HttpRequest) -> bool:
    """Whether a request claims to be such a URL."""
    return "authorization" not in request.headers and PARAMETERS[0] in dict(request.parameters())


def verify_v2(request: HttpRequest, find_key: Callable[[str], Key | None], now: float) -> Verified:
    """What a valid URL says: the service is S3, and its body is not signed. Raises RefusedError for every other one."""
    pairs = request.parameters()
    parameters = dict(pairs)
    if len(parameters) != len(pairs) or not all(parameters.get(name) for name in PARAMETERS):
        raise RefusedError(
            HTTPStatus.FORBIDDEN, "AccessDenied", "Query-string authentication lacks a parameter, or has one twice."
        )
    if any(character in text for pair in pairs for text in pair for character in "\r\n"):
        # The string that is signed has its parts in lines.
        raise RefusedError(HTTPStatus.BAD_REQUEST, "InvalidArgument", "A parameter of a presigned URL has more than one line.")
    access_key_id, expires, signature = (parameters[name] for name in PARAMETERS)
    key = find_key(access_key_id)
    if key is None:
        raise RefusedError(HTTPStatus.FORBIDDEN, "InvalidAccessKeyId", "The AWS access key ID is not one of this run.")
    if not hmac.compare_digest(_Verifier(key, expires).sign(request, parameters).encode(), signature.encode()):
        raise RefusedError(HTTPStatus.FORBIDDEN, "SignatureDoesNotMatch", "The signature of the URL is not the expected one.")
    check_session(key, parameters.get(_TOKEN, ""), now)
    if not expires.isdecimal() or now >= int(expires):
        raise RefusedError(HTTPStatus.FORBIDDEN, "AccessDenied", "Request has expired.")
    return Verified(SERVICE)


class _Verifier(HmacV1QueryAuth):
    """botocore's signer, with the expiry that the URL states."""

    def __init__(self, key: Key, expires: str) -> None:
        super().__init__(Credentials(key.access_key_id, key.secret_access_key, key.token))
        self._stated = expires

    def sign(self, request: HttpRequest, parameters: dict[str, str]) -> str:
        """The signature that the URL has with this key."""
        # A header that steers S3 is signed like a parameter: nobody makes a copy of an upload.
        every = [*parameters.items(), *request.headers.items()]
        signed = {name.lower(): value for name, value in every if name.lower().startswith("x-amz-")}
        signed |= {name: value for name, value in parameters.items() if name in ("content-type", "content-md5")}
        query = "&".join(
            f"{name}={quote(value)}" if value else name for name, value in parameters.items() if name not in PARAMETERS
        )
        place = SplitResult("http", request.headers.get("host", ""), request.path, query, "")
        headers: Any = HTTPHeaders.from_dict(signed)  # botocore's stubs know a Mapping alone
        return str(self.get_signature(request.method, place, headers))

    def _get_date(self) -> str:
        return self._stated
