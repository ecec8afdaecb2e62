"""Signature version 4: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html."""

from __future__ import annotations

import hashlib
import hmac

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lyftlearn_runtime.aws.credentials import Credentials

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def quote(text: str, safe: bytes = b"") -> str:
    """Percent-encoding as AWS signs it: everything but the unreserved characters, in UTF-8, in upper case."""
    return "".join(chr(byte) if byte in _UNRESERVED or byte in safe else "%%%02X" % byte for byte in _bytes(text))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")  # a variable may hold any byte


def canonical_query(query: Sequence[tuple[str, str]]) -> str:
    """The query string as it is signed and sent."""
    return "&".join("%s=%s" % pair for pair in sorted((quote(key), quote(value)) for key, value in query))


def sign(  # noqa: PLR0913, PLR0917 - its parts, each said once
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    payload_digest: str,
    credentials: Credentials,
    region: str,
    service: str,
    timestamp: str,
) -> dict[str, str]:
    """The headers of a request with its signature among them.

    `path` and `query` are encoded already, `headers` has Host, `timestamp` is YYYYMMDDTHHMMSSZ.
    """
    signed = dict(headers, **{"X-Amz-Date": timestamp})
    if service == "s3":
        signed["X-Amz-Content-Sha256"] = payload_digest
    if credentials.token:
        signed["X-Amz-Security-Token"] = credentials.token
    lower = {name.lower(): " ".join(value.split()) for name, value in signed.items()}
    names = ";".join(sorted(lower))
    canonical_headers = "".join("%s:%s\n" % (name, lower[name]) for name in sorted(lower))
    canonical = "%s\n%s\n%s\n%s\n%s\n%s" % (method, path, query, canonical_headers, names, payload_digest)
    scope = "%s/%s/%s/aws4_request" % (timestamp[:8], region, service)
    to_sign = "\n".join(["AWS4-HMAC-SHA256", timestamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + credentials.secret_key).encode()
    for part in (timestamp[:8], region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    signed["Authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
        credentials.access_key,
        scope,
        names,
        signature,
    )
    return signed
