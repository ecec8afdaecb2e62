"""Requests to AWS: signed, and repeated where that helps."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import ssl
import time

from lyftlearn_runtime import contract
from lyftlearn_runtime.aws import credential_cache, endpoints, sigv4
from lyftlearn_runtime.aws.connection import STALL_S, Again, Answer, Connection, origin, split
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from lyftlearn_runtime.aws.endpoints import Service

_SHORTEST_TRY_S = 0.1
# The waits between tries have full jitter below a bound that doubles: many containers that start together do not come
# back together.
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0
_WORTH_REPEATING = (429, 500, 502, 503, 504)
_THROTTLING = (b"Throttling", b"TooManyRequests", b"RequestLimitExceeded", b"SlowDown")
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
        credential_cache.credentials(environ, deadline)  # an early word where there is none

    def headers(self, method: str, url: str, given: Mapping[str, str], digest: str) -> dict[str, str]:
        """The headers to send. `digest` is the sha256 of the body, in hex; the URL's path and query are encoded."""
        _, host, target = split(url)
        path, _, query = target.partition("?")
        timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + self._offset_s))
        who = credential_cache.credentials(self.environ, time.monotonic() + STALL_S)
        return sigv4.sign(
            method, path, query, {**given, "Host": host}, digest, who,
            endpoints.region(self.environ), self._service.name, timestamp,
        )  # fmt: skip

    def heal(self, answer: Answer) -> bool:
        """Whether a refusal was for a clock or a token that the next signature will not have: each is healed once."""
        if answer.status not in (400, 401, 403):
            return False
        if any(word in answer.body for word in _SKEWED) and not self._offset_s:
            self._offset_s = _clock_offset(answer.headers.get("Date"))
            return bool(self._offset_s)
        if self._has_renewed or not any(word in answer.body for word in _EXPIRED):
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


def call(  # noqa: PLR0913, PLR0917 - the parts of a request
    signer: Signer, method: str, url: str, headers: Mapping[str, str], body: bytes, deadline: float
) -> Answer:
    """The answer to a signed request, repeated until `deadline` (of time.monotonic)."""
    digest = hashlib.sha256(body).hexdigest()

    def once(seconds: float) -> Answer:
        # Signed anew at each try: a signature is good for a few minutes, and waiting may take them.
        signed = signer.headers(method, url, headers, digest)
        return Connection(url, signer.environ, seconds).exchange(method, url, signed, body, deadline)

    return repeat(once, url, deadline, heal=signer.heal)


def call_json(signer: Signer, service: Service, target: str, document: Mapping[str, Any], deadline: float) -> dict[str, Any]:
    """The answer to an action of a service that speaks JSON 1.1, such as `secretsmanager.GetSecretValue`.

    ShimError with the service's own word for what is wrong.
    """
    base = endpoints.url(service, signer.environ)
    who = f"{service.title} at {base}"
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}
    answer = call(signer, "POST", base + "/", headers, json.dumps(document).encode(), deadline)
    try:
        found = json.loads(answer.body.decode("utf-8"))
        if answer.status == 200 and isinstance(found, dict):
            return found
        kind = str(found.get("__type", "")).rpartition("#")[2] or f"status {answer.status}"
    except (ValueError, AttributeError, RecursionError):
        raise ShimError(f"{who} gave no answer that can be read (status {answer.status})", contract.EXIT_UNAVAILABLE) from None
    action = f"{service.name}:{target.rpartition('.')[2]}"
    raise _refusal(who, action, kind, answer.status)


def objects(answer: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects in a list of an answer; none where there is no such list."""
    found = answer.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _refusal(who: str, action: str, kind: str, status: int) -> ShimError:
    """What a service's own error means for who has to mend it."""
    if status == 403 or any(word in kind for word in _DENIED):
        return ShimError(f"{who} says {kind}; the job's role needs {action}", contract.EXIT_ACCESS_DENIED)
    return ShimError(f"{who} says {kind}; check the name and the region", contract.EXIT_UNAVAILABLE)


def get(url: str, headers: Mapping[str, str], environ: Mapping[str, str], deadline: float) -> Answer:
    """The answer to an unsigned GET, repeated until `deadline`."""
    return repeat(lambda seconds: Connection(url, environ, seconds).exchange("GET", url, headers, b"", deadline), url, deadline)


def repeat(
    once: Callable[[float], Answer], url: str, deadline: float, tries: int = 0, heal: Callable[[Answer], bool] | None = None
) -> Answer:
    """Calls `once(seconds)` until it gives an answer that a repetition does not heal, or the time or `tries` are up."""
    done = 0
    while True:
        try:
            # A silent server gets half of the time that is left, so that there is a second try.
            answer = once(max(_SHORTEST_TRY_S, min(STALL_S, (deadline - time.monotonic()) / 2)))
            if heal and heal(answer):
                continue
            throttled = _is_throttled(answer)
            if answer.status not in _WORTH_REPEATING and not throttled:
                return answer
            problem = "it throttles requests" if throttled else f"it answered {answer.status}"
        except ssl.SSLCertVerificationError as error:
            raise ShimError(
                f"{origin(url)}: its certificate is not trusted: {error.verify_message}; set AWS_CA_BUNDLE",
                contract.EXIT_UNAVAILABLE,
            ) from None
        except (ValueError, http.client.InvalidURL) as error:
            # A host that is none, or a header that cannot be sent: its text may hold a key, and no repetition heals it.
            raise ShimError(
                f"{origin(url)}: the request cannot be sent ({type(error).__name__}); check address, region and keys",
                contract.EXIT_CONFIG,
            ) from None
        except (OSError, http.client.HTTPException, Again) as error:
            problem = str(error) or type(error).__name__
        done += 1
        wait = random.uniform(0, min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**done))  # noqa: S311 - jitter, no secret
        if done == tries or time.monotonic() + wait > deadline:
            raise ShimError(f"{origin(url)}: {problem} ({done} tries)", contract.EXIT_UNAVAILABLE)
        time.sleep(wait)


def _is_throttled(answer: Answer) -> bool:
    return answer.status == 400 and any(word in answer.body for word in _THROTTLING)
