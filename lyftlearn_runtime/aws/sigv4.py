"""Signature version 4: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html."""

from __future__ import annotations

import hashlib
import hmac

from lyftlearn_runtime.aws.request import Request, split_url
from lyftlearn_runtime.frozen import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from lyftlearn_runtime.aws.keys import Credentials

# What a signature is good for; `timestamp` is YYYYMMDDTHHMMSSZ.
Scope = namedtuple("Scope", ["timestamp", "region", "service"])

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def quote(text: str, safe: bytes = b"") -> str:
    """Percent-encoding as AWS signs it: everything but the unreserved characters, in UTF-8, in upper case."""
    return "".join(chr(byte) if byte in _UNRESERVED or byte in safe else "%%%02X" % byte for byte in _bytes(text))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")  # a variable may hold any byte


def canonical_query(query: Sequence[tuple[str, str]]) -> str:
    """The query string as it is signed and sent."""
    return "&".join("%s=%s" % pair for pair in sorted((quote(key), quote(value)) for key, value in query))


def sign(request: Request, digest: str, keys: Credentials, scope: Scope) -> Request:
    """The request with Host, a time and its signature among the headers. `digest` is the sha256 of the body, in hex."""
    _, host, target = split_url(request.url)
    path, _, query = target.partition("?")
    signed = dict(request.headers, **{"Host": host, "X-Amz-Date": scope.timestamp})
    if scope.service == "s3":
        signed["X-Amz-Content-Sha256"] = digest
    if keys.token:
        signed["X-Amz-Security-Token"] = keys.token
    lower = {name.lower(): " ".join(value.split()) for name, value in signed.items()}
    names = ";".join(sorted(lower))
    canonical_headers = "".join("%s:%s\n" % (name, lower[name]) for name in sorted(lower))
    canonical = "%s\n%s\n%s\n%s\n%s\n%s" % (request.method, path, query, canonical_headers, names, digest)
    date = scope.timestamp[:8]
    credential_scope = "%s/%s/%s/aws4_request" % (date, scope.region, scope.service)
    canonical_digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{scope.timestamp}\n{credential_scope}\n{canonical_digest}"
    signature = hmac.new(_signing_key(keys.secret_key, date, scope), to_sign.encode(), hashlib.sha256).hexdigest()
    signed["Authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
        keys.access_key,
        credential_scope,
        names,
        signature,
    )
    return Request(request.method, request.url, signed, request.body)


# The last one, with what it was made of: it is good for a day, and a request costs more to sign than a small object to send.
_last_key: list[tuple[tuple[str, ...], bytes]] = []


def _signing_key(secret_key: str, date: str, scope: Scope) -> bytes:
    made_of = (secret_key, date, scope.region, scope.service)
    for known, key in _last_key[:]:
        if known == made_of:
            return key
    key = ("AWS4" + secret_key).encode()
    for part in (date, scope.region, scope.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    _last_key[:] = [(made_of, key)]
    return key
