"""ServiceAccount tokens: JSON Web Tokens (RFC 7519) that are signed and verified with the cluster's key.

An API server signs with RSA and publishes its public key; here one process does both, so HMAC is enough. PyJWT is imported
where it is used: with `cryptography` that takes 80 ms, and most verbs sign no token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.aws.credentials import TokenError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ALGORITHM = "HS256"
_INVALID = "(InvalidTokenException): the service account token is invalid, fault: client"


def sign_token(claims: Mapping[str, Any], key: bytes) -> bytes:
    """The token, without a newline at its end."""
    import jwt  # noqa: PLC0415 - see above

    return jwt.encode(dict(claims), key, algorithm=_ALGORITHM).encode()


def verify_token(token: str, key: bytes, audience: str) -> dict[str, Any]:
    """The claims of a token for this audience. TokenError with the message of the EKS Pod Identity agent for any other."""
    import jwt  # noqa: PLC0415 - see above

    try:
        return jwt.decode(token, key, algorithms=[_ALGORITHM], audience=audience, options={"require": ["exp", "aud"]})
    except jwt.ExpiredSignatureError:
        reason = "failed basic claim validations: token has invalid claims: token is expired"
        raise TokenError(f"Service account token {reason}") from None
    except jwt.InvalidSignatureError:  # a DecodeError too, but of a token that could be parsed
        raise TokenError(_INVALID) from None
    except jwt.DecodeError as error:
        raise TokenError(f"Service account token cannot be parsed: {type(error).__name__}") from None
    except jwt.InvalidTokenError:
        raise TokenError(_INVALID) from None
