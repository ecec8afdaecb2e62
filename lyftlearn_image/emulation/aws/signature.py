"""Who signed a request: AWS Signature Version 4, verified with botocore's own signer.

Sources: IAM user guide, "AWS Signature Version 4 for API requests"; S3 API reference, "Authenticating Requests" (the header,
presigned URLs, `x-amz-content-sha256`) and "Error responses".
"""

from __future__ import annotations

import datetime as dt
import hmac
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ALGORITHM = "AWS4-HMAC-SHA256"
# How far a client's clock may be off (S3 API reference, RequestTimeTooSkewed).
MAX_SKEW_S = 15 * 60
# The longest life of a presigned URL (S3 API reference, X-Amz-Expires).
MAX_EXPIRES_S = 7 * 24 * 3600
_TIME_FORMAT = "%Y%m%dT%H%M%SZ"
_SCOPE_END = "aws4_request"
_SIGNATURE = "X-Amz-Signature"
# What a body's hash may say instead of a hash (S3 API reference, "Common Request Headers").
UNSIGNED_PAYLOADS = ("UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
_STREAMING = "STREAMING-"
_HASH_CHARACTERS = 64


class RefusedError(Exception):
    """A request that is not served. `code` is the service's own word, `status` its HTTP status."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True)
class HttpRequest:
    """One request as it came. `path` and `query` are as the client wrote them; `headers` has names in lower case.

    `body_sha256` is the hex digest of the body's bytes.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body_sha256: str = ""

    def is_form(self) -> bool:
        """Whether the body is that of the query protocol."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/x-www-form-urlencoded"

    def parameters(self) -> list[tuple[str, str]]:
        """The parameters of the query, decoded, in their order."""
        return parse_qsl(self.query, keep_blank_values=True)


@dataclass(frozen=True)
class Key:
    """A pair of keys. Those of a session have a `token`, and end: `expires_at`, in seconds since the epoch."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires_at: float | None = None


@dataclass(frozen=True)
class _Claim:
    """What a request says of its own signature."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str
    token: str
    payload_hash: str
    expires_s: int | None


def verify(request: HttpRequest, find_key: Callable[[str], Key | None], now: float) -> str:
    """The service in the scope of a valid signature. Raises RefusedError for every other request.

    `find_key` gives the pair of an access key ID; `now` is in seconds since the epoch.
    """
    claim = _claim_of(request)
    _check_time(claim, now)
    key = find_key(claim.access_key_id)
    if key is None:
        raise RefusedError(HTTPStatus.FORBIDDEN, "InvalidAccessKeyId", "The AWS access key ID is not one of this run.")
    expected = _sign(request, claim, key)
    if not hmac.compare_digest(expected, claim.signature):
        raise RefusedError(
            HTTPStatus.FORBIDDEN,
            "SignatureDoesNotMatch",
            "The request signature does not match the signature that was expected.",
        )
    check_session(key, claim.token, now)
    _check_body(request, claim)
    return claim.service


def _claim_of(request: HttpRequest) -> _Claim:
    authorization = request.headers.get("authorization")
    parameters = dict(request.parameters())
    if authorization and _SIGNATURE in parameters:
        raise RefusedError(
            HTTPStatus.BAD_REQUEST, "InvalidRequest", "A request is signed in its header or in its query, not in both."
        )
    if authorization:
        return _from_header(request, authorization)
    if _SIGNATURE in parameters:
        return _from_query(request, parameters)
    raise RefusedError(HTTPStatus.FORBIDDEN, "MissingAuthenticationToken", "The request is not signed.")


def _from_header(request: HttpRequest, authorization: str) -> _Claim:
    algorithm, _, rest = authorization.partition(" ")
    pairs = [part.strip().partition("=")[::2] for part in rest.split(",")]
    parts = dict(pairs)
    # One that is given twice could be read in two ways.
    if algorithm != ALGORITHM or len(pairs) != len(parts) or parts.keys() != {"Credential", "SignedHeaders", "Signature"}:
        raise _malformed("the Authorization header is not of Signature Version 4")
    timestamp = request.headers.get("x-amz-date", "")
    payload_hash = request.headers.get("x-amz-content-sha256", "")
    return _Claim(
        **_scope(parts["Credential"]),
        signed_headers=tuple(parts["SignedHeaders"].split(";")),
        signature=parts["Signature"],
        timestamp=timestamp,
        token=request.headers.get("x-amz-security-token", ""),
        payload_hash=payload_hash,
        expires_s=None,
    )


def _from_query(request: HttpRequest, parameters: Mapping[str, str]) -> _Claim:
    names = [name for name, _ in request.parameters()]
    if len(names) != len(set(names)):
        raise _malformed("a parameter of a presigned URL is given twice")
    if parameters.get("X-Amz-Algorithm") != ALGORITHM:
        raise _malformed("X-Amz-Algorithm is not that of Signature Version 4")
    expires = parameters.get("X-Amz-Expires", "")
    if not expires.isdecimal() or not 0 < int(expires) <= MAX_EXPIRES_S:
        raise _malformed("X-Amz-Expires is not between 1 and 604800 seconds")
    scope = _scope(parameters.get("X-Amz-Credential", ""))
    return _Claim(
        **scope,
        signed_headers=tuple(parameters.get("X-Amz-SignedHeaders", "").split(";")),
        signature=parameters[_SIGNATURE],
        timestamp=parameters.get("X-Amz-Date", ""),
        token=parameters.get("X-Amz-Security-Token", ""),
        payload_hash=request.headers.get("x-amz-content-sha256", UNSIGNED_PAYLOADS[0] if scope["service"] == "s3" else ""),
        expires_s=int(expires),
    )


def _scope(credential: str) -> dict[str, str]:
    parts = credential.split("/")
    if len(parts) != 5 or parts[-1] != _SCOPE_END or not all(parts):  # noqa: PLR2004 - key, date, region, service, end
        raise _malformed("the credential's scope is not <key>/<date>/<region>/<service>/aws4_request")
    return {"access_key_id": parts[0], "date": parts[1], "region": parts[2], "service": parts[3]}


def _malformed(what: str) -> RefusedError:
    return RefusedError(HTTPStatus.BAD_REQUEST, "AuthorizationHeaderMalformed", f"The signature is malformed: {what}.")


def _check_time(claim: _Claim, now: float) -> None:
    try:
        signed_at = dt.datetime.strptime(claim.timestamp, _TIME_FORMAT).replace(tzinfo=dt.UTC).timestamp()
    except ValueError:
        raise _malformed("the date is missing, or not of the form 20260131T235959Z") from None
    if not claim.timestamp.startswith(claim.date):
        raise _malformed("the date of the scope is not that of the request")
    if claim.expires_s is None:
        if abs(now - signed_at) > MAX_SKEW_S:
            raise RefusedError(
                HTTPStatus.FORBIDDEN,
                "RequestTimeTooSkewed",
                "The difference between the request time and the server's is too large.",
            )
    elif signed_at - MAX_SKEW_S > now:
        raise RefusedError(HTTPStatus.FORBIDDEN, "AccessDenied", "Request is not valid yet.")
    elif now > signed_at + claim.expires_s:
        raise RefusedError(HTTPStatus.FORBIDDEN, "AccessDenied", "Request has expired.")


def check_session(key: Key, token: str, now: float) -> None:
    """Raises RefusedError for a token that is not the key's, and for a session that is over."""
    if not hmac.compare_digest(token.encode(), (key.token or "").encode()):
        raise RefusedError(HTTPStatus.FORBIDDEN, "InvalidToken", "The security token of the request is not that of its key.")
    if key.expires_at is not None and now >= key.expires_at:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "ExpiredToken", "The security token of the request has expired.")


def _check_body(request: HttpRequest, claim: _Claim) -> None:
    """The hash that was signed is that of the body, where it is one. The chunks of a stream are not looked at one by one."""
    stated = claim.payload_hash
    if not stated or stated in UNSIGNED_PAYLOADS or stated.startswith(_STREAMING):
        return
    if len(stated) != _HASH_CHARACTERS or not hmac.compare_digest(stated.encode(), request.body_sha256.encode()):
        raise RefusedError(
            HTTPStatus.BAD_REQUEST, "XAmzContentSHA256Mismatch", "The provided x-amz-content-sha256 is not that of the body."
        )


class _Verifier(SigV4Auth):
    """botocore's signer over the headers that the client chose, with the hash that it stated."""

    def __init__(self, key: Key, claim: _Claim, payload_hash: str) -> None:
        super().__init__(Credentials(key.access_key_id, key.secret_access_key), claim.service, claim.region)
        self._payload_hash = payload_hash

    def headers_to_sign(self, request: AWSRequest) -> Any:
        return request.headers

    def payload(self, request: AWSRequest) -> str:  # noqa: ARG002 - botocore's signature
        return self._payload_hash


class _S3Verifier(_Verifier, S3SigV4Auth):
    """S3 signs a path as it is (S3 API reference, "Signature Calculations": no normalisation)."""


def _sign(request: HttpRequest, claim: _Claim, key: Key) -> str:
    """The signature that this request has with this key."""
    missing = [name for name in claim.signed_headers if name not in request.headers]
    if missing or "host" not in claim.signed_headers:
        raise _malformed(f"the signed headers {'lack host' if not missing else 'are not all there'}")
    pairs = [(name, value) for name, value in request.parameters() if name != _SIGNATURE]
    query = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)
    signed = AWSRequest(
        method=request.method, url=f"http://{request.headers['host']}{request.path}{'?' if query else ''}{query}"
    )
    signed.headers = HTTPHeaders.from_pairs((name, request.headers[name]) for name in claim.signed_headers)
    signed.context["timestamp"] = claim.timestamp
    verifier = (_S3Verifier if claim.service == "s3" else _Verifier)(key, claim, claim.payload_hash or request.body_sha256)
    canonical = verifier.canonical_request(signed)
    return str(verifier.signature(verifier.string_to_sign(signed, canonical), signed))
