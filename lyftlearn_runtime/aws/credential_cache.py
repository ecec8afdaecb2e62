"""This container's AWS identity: found once for all requests, and anew before it expires."""

from __future__ import annotations

import threading
import time

from lyftlearn_runtime.aws.credentials import find_credentials
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_runtime.aws.keys import Credentials

# Temporary credentials are taken anew so long before their end (botocore refreshes between 10 and 15 minutes before it;
# container endpoints hand out new ones from 5 minutes before on).
_RENEW_BEFORE_S = 300.0
_VARIABLES = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_EC2_METADATA_SERVICE_ENDPOINT",
)  # fmt: skip

_lock = threading.Lock()
_known: dict[tuple[str | None, ...], Credentials] = {}


def get_credentials(environ: Mapping[str, str], deadline: float) -> Credentials:
    """The credentials to sign with now, asked for by one thread while the others wait."""
    key = tuple(environ.get(name) for name in _VARIABLES)
    with _lock:
        known = _known.get(key)
        if known is not None and not _is_due(known):
            return known
        try:
            found = find_credentials(environ, deadline)
        except ShimError:
            if known is not None and known.expires is not None and known.expires > time.time():
                return known  # still good; the next request tries again
            raise
        _known[key] = found
        return found


def renew(environ: Mapping[str, str]) -> bool:
    """Forgets credentials that a service called expired; True when there may be others."""
    key = tuple(environ.get(name) for name in _VARIABLES)
    with _lock:
        known = _known.get(key)
        if known is None or known.expires is None:
            return False  # those of variables stay what they are
        del _known[key]
        return True


def describe_identity(environ: Mapping[str, str]) -> str:
    """Who requests were signed as and where that came from, "" where none were: an access key's ID is no secret."""
    with _lock:
        known = _known.get(tuple(environ.get(name) for name in _VARIABLES))
    if known is None:
        return ""
    role = environ.get("AWS_ROLE_ARN", "") if known.source == "web identity" else ""
    return f"{known.source}, {role or 'access key ' + known.access_key}"


def _is_due(known: Credentials) -> bool:
    return known.expires is not None and known.expires - time.time() < _RENEW_BEFORE_S
