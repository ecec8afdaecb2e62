"""One HTTP request, signed and repeated where that helps. Certificates are always verified."""

from __future__ import annotations

import http.client
import os
import random
import ssl
import time

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S = 10.0
# All tries of one request together; LYFTLEARN_FETCH_TIMEOUT changes it.
DEADLINE_S = 30.0
_BACKOFF_S = 0.2
_LONGEST_WAIT_S = 5.0
_WORTH_REPEATING = (429, 500, 502, 503, 504)


def region(environ: Mapping[str, str]) -> str:
    """The region, as the SDKs take it from the variables."""
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"


def endpoint(service: str, environ: Mapping[str, str]) -> str:
    """The URL of a service: its own override, the general one, or the region's public endpoint."""
    own = environ.get("AWS_ENDPOINT_URL_" + service.upper().replace("-", "_").replace(" ", "_"))
    given = own or environ.get("AWS_ENDPOINT_URL")
    if given:
        return given.rstrip("/")
    here = region(environ)
    suffix = "amazonaws.com.cn" if here.startswith("cn-") else "amazonaws.com"
    return "https://%s.%s.%s" % (service.replace("_", ""), here, suffix)


def request(method: str, url: str, headers: Mapping[str, str], body: bytes, environ: Mapping[str, str]) -> tuple[int, bytes]:
    """Status and body. Repeats what a moment may heal (no connection, throttling, 5xx) until the deadline.

    The waits have full jitter, so that many containers that start together do not come back together.
    """
    deadline = time.monotonic() + float(environ.get("LYFTLEARN_FETCH_TIMEOUT") or DEADLINE_S)
    tries = 0
    while True:
        try:
            status, answer = _once(method, url, headers, body, environ)
            problem = "it answered %d" % status
            if status not in _WORTH_REPEATING and not _is_throttled(status, answer):
                return status, answer
        except ssl.SSLCertVerificationError as error:
            raise ShimError(
                "%s: its certificate is not trusted: %s; set AWS_CA_BUNDLE" % (_origin(url), error.verify_message),
                contract.EXIT_UNAVAILABLE,
            ) from None
        except (OSError, http.client.HTTPException) as error:
            problem = str(error) or type(error).__name__
        tries += 1
        wait = random.uniform(0, min(_LONGEST_WAIT_S, _BACKOFF_S * 2**tries))  # noqa: S311 - jitter, no secret
        if time.monotonic() + wait > deadline:
            raise ShimError("%s: %s (%d tries)" % (_origin(url), problem, tries), contract.EXIT_UNAVAILABLE)
        time.sleep(wait)


def _is_throttled(status: int, answer: bytes) -> bool:
    return status == 400 and b"Throttling" in answer


def _once(method: str, url: str, headers: Mapping[str, str], body: bytes, environ: Mapping[str, str]) -> tuple[int, bytes]:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    if scheme == "https":
        trust = ssl.create_default_context(cafile=_ca_bundle(environ))
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(host, timeout=TIMEOUT_S, context=trust)
    else:
        connection = http.client.HTTPConnection(host, timeout=TIMEOUT_S)
    try:
        connection.request(method, slash + path or "/", body=body, headers=dict(headers))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _ca_bundle(environ: Mapping[str, str]) -> str | None:
    found = environ.get("AWS_CA_BUNDLE") or environ.get("SSL_CERT_FILE")
    return found if found and os.path.exists(found) else None


def _origin(url: str) -> str:
    """Scheme and host alone: a path or a query may say more than a log should hold."""
    return "/".join(url.split("/")[:3])
