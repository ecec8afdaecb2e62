"""Tokens of service accounts: signed by the cluster that gives them, so that nobody else's are believed (RFC 7519).

An API server signs with RSA and publishes its key; here signer and verifier are the same process, and share one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.aws.credentials import TokenError

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADER = {"alg": "HS256", "typ": "JWT"}
_PARTS = 3


def signed(claims: Mapping[str, Any], key: bytes) -> bytes:
    """The token, without a line's end."""
    body = b".".join(_encoded(json.dumps(one).encode()) for one in (_HEADER, claims))
    return body + b"." + _encoded(_signature(body, key))


def verified(token: str, key: bytes, audience: str) -> dict[str, Any]:
    """The claims of a token for this audience; TokenError in the words of Pod Identity's agent."""
    parts = token.split(".")
    try:
        if len(parts) != _PARTS:
            raise ValueError(f"it has {len(parts)} segments")  # noqa: TRY301 - told as every other fault below
        claims = json.loads(_decoded(parts[1]))
        found = _decoded(parts[2])
        expires, audiences = float(claims["exp"]), list(claims["aud"])
    except (ValueError, binascii.Error, KeyError, TypeError) as error:
        raise TokenError(f"Service account token cannot be parsed: {type(error).__name__}") from None
    if expires <= time.time():
        raise TokenError("Service account token failed basic claim validations: token has invalid claims: token is expired")
    if not hmac.compare_digest(found, _signature(f"{parts[0]}.{parts[1]}".encode(), key)) or audience not in audiences:
        raise TokenError("(InvalidTokenException): the service account token is invalid, fault: client")
    return dict(claims)


def _signature(body: bytes, key: bytes) -> bytes:
    return hmac.new(key, body, hashlib.sha256).digest()


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
