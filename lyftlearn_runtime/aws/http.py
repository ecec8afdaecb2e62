"""Requests over HTTP that are repeated until they are answered, or the time is up."""

from __future__ import annotations

import http.client
import random
import ssl
import time

from lyftlearn_runtime import contract
from lyftlearn_runtime.aws.connection import STALL_S, Connection, ProxyError, RetryableError
from lyftlearn_runtime.aws.request import Request, origin
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lyftlearn_runtime.aws.request import Response

_SHORTEST_ATTEMPT_S = 0.1
# The waits between attempts have full jitter below a bound that doubles: many containers that start together do not come
# back together.
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0
_RETRYABLE_STATUSES = (429, 500, 502, 503, 504)
_THROTTLING = (b"Throttling", b"TooManyRequests", b"RequestLimitExceeded", b"SlowDown")


def get(url: str, headers: Mapping[str, str], environ: Mapping[str, str], deadline: float) -> Response:
    """The response to an unsigned GET, repeated until `deadline`."""
    return send(Request("GET", url, headers, b""), environ, deadline)


def send(request: Request, environ: Mapping[str, str], deadline: float) -> Response:
    """The response to a request that needs no signature, repeated until `deadline`."""
    return retry(lambda seconds: Connection(request.url, environ, seconds).send(request, deadline), request.url, deadline)


def retry(
    attempt: Callable[[float], Response],
    url: str,
    deadline: float,
    max_attempts: int = 0,
    recover: Callable[[Response], bool] | None = None,
) -> Response:
    """The first response of `attempt(seconds)` that a repetition would not better, until the time or the attempts are up.

    `deadline` is one of time.monotonic(), `max_attempts` 0 for as many as there is time for. `recover` is asked whether a
    refusal was for something that is mended now; the next attempt is made at once then. ShimError that names the origin,
    or the proxy before it.
    """
    attempts = 0
    while True:
        place = origin(url)
        try:
            # A silent server gets half of the time that is left, so that there is a second attempt.
            response = attempt(max(_SHORTEST_ATTEMPT_S, min(STALL_S, (deadline - time.monotonic()) / 2)))
            if recover and recover(response):
                continue
            throttled = _is_throttled(response)
            if response.status not in _RETRYABLE_STATUSES and not throttled:
                return response
            problem = "it throttles requests" if throttled else f"it answered {response.status}"
        except ssl.SSLCertVerificationError as error:
            raise ShimError(
                f"{origin(url)}: its certificate is not trusted: {error.verify_message}; set AWS_CA_BUNDLE",
                contract.EXIT_UNAVAILABLE,
            ) from None
        except (ValueError, http.client.InvalidURL) as error:
            # A host that is none, or a header that cannot be sent: its text may hold a key, and no repetition mends it.
            raise ShimError(
                f"{origin(url)}: the request cannot be sent ({type(error).__name__}); check address, region and keys",
                contract.EXIT_CONFIG,
            ) from None
        except ProxyError as error:
            place, problem = f"the proxy {error.proxy}", str(error)
        except (OSError, http.client.HTTPException, RetryableError) as error:
            problem = str(error) or type(error).__name__
        attempts += 1
        wait = random.uniform(0, min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**attempts))  # noqa: S311 - jitter, no secret
        if attempts == max_attempts or time.monotonic() + wait > deadline:
            raise ShimError(f"{place}: {problem} ({attempts} tries)", contract.EXIT_UNAVAILABLE)
        time.sleep(wait)


def _is_throttled(response: Response) -> bool:
    return response.status == 400 and any(word in response.body for word in _THROTTLING)
