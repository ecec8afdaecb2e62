"""Requests to AWS: signed, and repeated where that helps."""

from __future__ import annotations

import hashlib
import json
import time

from lyftlearn_runtime import contract
from lyftlearn_runtime.aws import credential_cache, endpoints, sigv4
from lyftlearn_runtime.aws.connection import STALL_S, Connection
from lyftlearn_runtime.aws.http import retry
from lyftlearn_runtime.aws.request import Request
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from lyftlearn_runtime.aws.endpoints import Service
    from lyftlearn_runtime.aws.request import Response

# What a service says when the clocks differ, by which the difference can be taken out of the next signature.
_SKEWED = (
    b"RequestTimeTooSkewed",
    b"RequestExpired",
    b"Signature expired",
    b"Signature not yet current",
    b"RequestInTheFuture",
)
_EXPIRED = (b"ExpiredToken", b"InvalidClientTokenId", b"UnrecognizedClient")
_DENIED = ("AccessDenied", "UnrecognizedClient", "InvalidSignature", "ExpiredToken", "InvalidClientTokenId", "NotAuthorized")


class Signer:
    """Signs requests to one service as this container's identity, which is renewed before it expires."""

    def __init__(self, service: Service, environ: Mapping[str, str], deadline: float) -> None:
        self.environ = environ
        self._service = service
        self._offset_s = 0.0
        self._has_renewed = False
        credential_cache.get_credentials(environ, deadline)  # where there are none, that is said early

    def sign(self, request: Request, digest: str) -> Request:
        """The request with a signature among its headers. `digest` is the sha256 of the body, in hex."""
        timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + self._offset_s))
        keys = credential_cache.get_credentials(self.environ, time.monotonic() + STALL_S)
        scope = sigv4.Scope(timestamp, endpoints.region(self.environ), self._service.name)
        return sigv4.sign(request, digest, keys, scope)

    def recover(self, response: Response) -> bool:
        """Whether a refusal was for a clock or a token that the next signature will not have: for each of them once."""
        if response.status not in (400, 401, 403):
            return False
        if any(word in response.body for word in _SKEWED) and not self._offset_s:
            self._offset_s = _clock_offset(response.headers.get("Date"))
            return bool(self._offset_s)
        if self._has_renewed or not any(word in response.body for word in _EXPIRED):
            return False
        self._has_renewed = True
        return credential_cache.renew(self.environ)


def _clock_offset(date: str | None) -> float:
    """Seconds by which the service's clock is ahead of ours, 0 where it says nothing."""
    import email.utils  # noqa: PLC0415 - only where clocks differ

    try:
        return email.utils.parsedate_to_datetime(str(date)).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return 0.0


def call(signer: Signer, request: Request, deadline: float) -> Response:
    """The response to a signed request, repeated until `deadline` (of time.monotonic)."""
    digest = hashlib.sha256(request.body).hexdigest()

    def attempt(seconds: float) -> Response:
        # Signed anew at each attempt: a signature is good for a few minutes, and waiting may take them.
        return Connection(request.url, signer.environ, seconds).send(signer.sign(request, digest), deadline)

    return retry(attempt, request.url, deadline, recover=signer.recover)


def call_json(signer: Signer, service: Service, target: str, document: Mapping[str, Any], deadline: float) -> dict[str, Any]:
    """The answer to an action of a service that speaks JSON 1.1, such as `secretsmanager.GetSecretValue`.

    ShimError with the service's own word for what is wrong.
    """
    base = endpoints.url(service, signer.environ)
    who = f"{service.title} at {base}"
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}
    answer = call(signer, Request("POST", base + "/", headers, json.dumps(document).encode()), deadline)
    try:
        found = json.loads(answer.body.decode("utf-8"))
        if answer.status == 200 and isinstance(found, dict):
            return found
        kind = str(found.get("__type", "")).rpartition("#")[2] or f"status {answer.status}"
    except (ValueError, AttributeError, RecursionError):
        raise ShimError(f"{who} gave no answer that can be read (status {answer.status})", contract.EXIT_UNAVAILABLE) from None
    action = f"{service.name}:{target.rpartition('.')[2]}"
    raise _refusal(who, action, kind, answer.status)


def object_list(answer: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects in a list of an answer; none where there is no such list."""
    found = answer.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _refusal(who: str, action: str, kind: str, status: int) -> ShimError:
    """What a service's own error means for who has to mend it."""
    if status == 403 or any(word in kind for word in _DENIED):
        return ShimError(f"{who} says {kind}; the job's role needs {action}", contract.EXIT_ACCESS_DENIED)
    return ShimError(f"{who} says {kind}; check the name and the region", contract.EXIT_UNAVAILABLE)
