"""Who signed a request: AWS Signature Version 4, verified with botocore's own signer, before the body is read.

Sources: IAM user guide, "AWS Signature Version 4 for API requests"; S3 API reference, "Authenticating Requests" (the header,
presigned URLs, `x-amz-content-sha256`) and "Error responses".
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from lyftlearn_image.emulation.aws.aws_chunked import ChunkSigner
from lyftlearn_image.emulation.aws.refusal import RefusedError

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
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_UNSIGNED_CHUNKS = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
_SIGNED_CHUNKS_TRAILER = f"{_SIGNED_CHUNKS}-TRAILER"
_STREAMING = (_UNSIGNED_CHUNKS, _SIGNED_CHUNKS, _SIGNED_CHUNKS_TRAILER)
_SHA256 = re.compile(r"[0-9a-f]{64}")
# botocore reads a URL of them: what would end its host or its path early is none (RFC 3986, "host", "path").
_HOST = re.compile(r"[A-Za-z0-9._-]+(?::\d+)?|\[[0-9A-Fa-f:.]+\](?::\d+)?")
_PATH = re.compile(r"/[^\s#?]*")
_S3 = "s3"


@dataclass(frozen=True)
class HttpRequest:
    """One request as it came. `path` and `query` are as the client wrote them; `headers` has names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]

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
class Verified:
    """What a good signature says: the service of its scope, and of the body what its reader has to hold it against.

    `sha256` is that of the body's bytes, None where none was signed. `is_chunked` says that the body is `aws-chunked`, and
    `chunk_signer` is there where its chunks are signed.
    """

    service: str
    sha256: str | None = None
    is_chunked: bool = False
    chunk_signer: ChunkSigner | None = None
    has_signed_trailers: bool = False


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


def verify(
    request: HttpRequest, find_key: Callable[[str], Key | None], now: float, hash_body: Callable[[str], str]
) -> Verified:
    """What the valid signature of a request says. Raises RefusedError for every other request.

    `find_key` gives the pair of an access key ID; `now` is in seconds since the epoch. `hash_body` gives the hex digest of
    the body of a request to a service; it is asked only where the signature covers a hash that no header states, and after
    all that needs no body.
    """
    if not _PATH.fullmatch(request.path) or not _HOST.fullmatch(request.headers.get("host", "")):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "InvalidURI", "The request's path or host is not one.")
    claim = _claim_of(request)
    _check_time(claim, now)
    key = find_key(claim.access_key_id)
    if key is None:
        raise RefusedError(HTTPStatus.FORBIDDEN, "InvalidAccessKeyId", "The AWS access key ID is not one of this run.")
    _check_signed_headers(request, claim)
    check_session(key, claim.token, now)
    payload_hash = _payload_hash(claim) or hash_body(claim.service)
    if not hmac.compare_digest(_sign(request, claim, key, payload_hash), claim.signature.encode()):
        raise RefusedError(
            HTTPStatus.FORBIDDEN,
            "SignatureDoesNotMatch",
            "The request signature does not match the signature that was expected.",
        )
    return _verified(claim, key, payload_hash)


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
        payload_hash=request.headers.get("x-amz-content-sha256", UNSIGNED_PAYLOAD if scope["service"] == _S3 else ""),
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


def _check_signed_headers(request: HttpRequest, claim: _Claim) -> None:
    """Whatever steers a service is signed: nobody adds a header to the request of another one."""
    missing = [name for name in claim.signed_headers if name not in request.headers]
    if missing or "host" not in claim.signed_headers:
        raise _malformed(f"the signed headers {'lack host' if not missing else 'are not all there'}")
    if any(name.startswith("x-amz-") and name not in claim.signed_headers for name in request.headers):
        raise RefusedError(
            HTTPStatus.FORBIDDEN, "AccessDenied", "There were headers present in the request which were not signed."
        )


def _payload_hash(claim: _Claim) -> str:
    """What the signature says in place of the body, "" where that is the body's own hash and no header states it."""
    stated = claim.payload_hash
    if claim.service != _S3:
        if stated and not _SHA256.fullmatch(stated):
            raise _malformed("x-amz-content-sha256 is no hash")
        return stated
    is_presigned = claim.expires_s is not None
    if not (_SHA256.fullmatch(stated) or stated == UNSIGNED_PAYLOAD or (stated in _STREAMING and not is_presigned)):
        raise RefusedError(
            HTTPStatus.BAD_REQUEST,
            "InvalidRequest",
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
        )
    return stated


def _verified(claim: _Claim, key: Key, payload_hash: str) -> Verified:
    if _SHA256.fullmatch(payload_hash):
        return Verified(claim.service, payload_hash)
    if payload_hash == UNSIGNED_PAYLOAD:
        return Verified(claim.service)
    if payload_hash == _UNSIGNED_CHUNKS:
        return Verified(claim.service, is_chunked=True)
    signer = ChunkSigner(
        timestamp=claim.timestamp,
        scope=f"{claim.date}/{claim.region}/{claim.service}/{_SCOPE_END}",
        previous=claim.signature,
        key=_signing_key(key, claim),
    )
    return Verified(claim.service, None, True, signer, payload_hash == _SIGNED_CHUNKS_TRAILER)  # noqa: FBT003 - is_chunked


def _signing_key(key: Key, claim: _Claim) -> bytes:
    """IAM user guide, "Create a signed AWS API request", step 4; botocore has it inside of a signature alone."""
    derived = f"AWS4{key.secret_access_key}".encode()
    for part in (claim.date, claim.region, claim.service, _SCOPE_END):
        derived = hmac.new(derived, part.encode(), hashlib.sha256).digest()
    return derived


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


def _sign(request: HttpRequest, claim: _Claim, key: Key, payload_hash: str) -> bytes:
    """The signature that this request has with this key."""
    pairs = [(name, value) for name, value in request.parameters() if name != _SIGNATURE]
    query = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)
    signed = AWSRequest(
        method=request.method, url=f"http://{request.headers['host']}{request.path}{'?' if query else ''}{query}"
    )
    signed.headers = HTTPHeaders.from_pairs((name, request.headers[name]) for name in claim.signed_headers)
    signed.context["timestamp"] = claim.timestamp
    verifier = (_S3Verifier if claim.service == _S3 else _Verifier)(key, claim, payload_hash)
    canonical = verifier.canonical_request(signed)
    return str(verifier.signature(verifier.string_to_sign(signed, canonical), signed)).encode()
