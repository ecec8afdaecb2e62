"""One HTTP request to AWS, signed and repeated where that helps. Certificates are always verified."""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import ssl
import time
from collections import namedtuple

from lyftlearn_runtime import contract
from lyftlearn_runtime.aws import sigv4
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import IO, Any

    from lyftlearn_runtime.aws.credentials import Credentials

# No byte for so long, and a try has failed.
STALL_S = 10.0
_SHORTEST_TRY_S = 0.1
# The waits between tries have full jitter below a bound that doubles: many containers that start together do not come
# back together.
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0
_WORTH_REPEATING = (429, 500, 502, 503, 504)
_THROTTLING = (b"Throttling", b"TooManyRequests", b"RequestLimitExceeded", b"SlowDown")
# No answer that a start reads into memory is larger; an endless one must end.
_LARGEST_BODY = 64 << 20
_CHUNK_BYTES = 1 << 20

Service = namedtuple("Service", ["name", "variable"])
Answer = namedtuple("Answer", ["status", "body", "headers"])


class Again(Exception):  # noqa: N818 - a reason to try again, and no error until the time is up
    """A try has failed in a way that another one may heal."""


def region(environ: Mapping[str, str]) -> str:
    """The region, as the SDKs take it from the variables."""
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"


def endpoint_override(service: Service, environ: Mapping[str, str]) -> str | None:
    """AWS_ENDPOINT_URL_<SERVICE> or AWS_ENDPOINT_URL (AWS SDKs and Tools reference, service-specific endpoints)."""
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    given = environ.get("AWS_ENDPOINT_URL_" + service.variable) or environ.get("AWS_ENDPOINT_URL")
    return given.rstrip("/") if given else None


def endpoint(service: Service, environ: Mapping[str, str]) -> str:
    """The URL of a service: an override, or the region's public endpoint."""
    here = region(environ)
    suffix = "amazonaws.com.cn" if here.startswith("cn-") else "amazonaws.com"
    return endpoint_override(service, environ) or f"https://{service.name}.{here}.{suffix}"


class Signer:
    """Signs requests to one service as one identity."""

    def __init__(self, service: Service, environ: Mapping[str, str], credentials: Credentials) -> None:
        self.environ = environ
        self._service = service
        self._credentials = credentials

    def headers(self, method: str, url: str, given: Mapping[str, str], digest: str) -> dict[str, str]:
        """The headers to send. `digest` is the sha256 of the body, in hex; the URL's path and query are encoded."""
        _, host, target = split(url)
        path, _, query = target.partition("?")
        timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        return sigv4.sign(
            method, path, query, {**given, "Host": host}, digest, self._credentials,
            region(self.environ), self._service.name, timestamp,
        )  # fmt: skip


def call(  # noqa: PLR0913, PLR0917 - the parts of a request
    signer: Signer, method: str, url: str, headers: Mapping[str, str], body: bytes, deadline: float
) -> Answer:
    """The answer to a signed request, repeated until `deadline` (of time.monotonic)."""
    digest = hashlib.sha256(body).hexdigest()

    def once(seconds: float) -> Answer:
        # Signed anew at each try: a signature is good for a few minutes, and waiting may take them.
        signed = signer.headers(method, url, headers, digest)
        return Connection(url, signer.environ, seconds).exchange(method, url, signed, body, deadline)

    return repeat(once, url, deadline)


def get(url: str, headers: Mapping[str, str], environ: Mapping[str, str], deadline: float) -> Answer:
    """The answer to an unsigned GET, repeated until `deadline`."""
    return repeat(lambda seconds: Connection(url, environ, seconds).exchange("GET", url, headers, b"", deadline), url, deadline)


def post_form(url: str, form: str, environ: Mapping[str, str], deadline: float) -> Answer:
    """The answer to an unsigned POST of a form, repeated until `deadline`."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return repeat(
        lambda seconds: Connection(url, environ, seconds).exchange("POST", url, headers, form.encode(), deadline), url, deadline
    )


def repeat(once: Callable[[float], Answer], url: str, deadline: float, tries: int = 0) -> Answer:
    """Calls `once(seconds)` until it gives an answer that a repetition does not heal, or the time or `tries` are up."""
    done = 0
    while True:
        try:
            # A silent server gets half of the time that is left, so that there is a second try.
            answer = once(max(_SHORTEST_TRY_S, min(STALL_S, (deadline - time.monotonic()) / 2)))
            if answer.status not in _WORTH_REPEATING and not _is_throttled(answer):
                return answer
            problem = f"it answered {answer.status}"
        except ssl.SSLCertVerificationError as error:
            raise ShimError(
                f"{origin(url)}: its certificate is not trusted: {error.verify_message}; set AWS_CA_BUNDLE",
                contract.EXIT_UNAVAILABLE,
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


class Connection:
    """A connection to the host of a URL, which carries several requests one after the other."""

    def __init__(self, url: str, environ: Mapping[str, str], seconds: float = STALL_S) -> None:
        scheme, host, _ = split(url)
        if scheme == "https":
            trust = ssl.create_default_context(cafile=_ca_bundle(environ))
            self._http: http.client.HTTPConnection = http.client.HTTPSConnection(host, timeout=seconds, context=trust)
        else:
            self._http = http.client.HTTPConnection(host, timeout=seconds)

    def close(self) -> None:
        """Closes it; another exchange opens it again."""
        self._http.close()

    def exchange(  # noqa: PLR0913, PLR0917 - the parts of a request
        self, method: str, url: str, headers: Mapping[str, str], body: Any, deadline: float | None,
        sink: IO[bytes] | None = None,
    ) -> Answer:  # fmt: skip
        """Sends one request. The body of a good answer goes to `sink` where there is one; the rest into memory."""
        try:
            self._http.request(method, split(url)[2], body=body, headers=dict(headers))
            response = self._http.getresponse()
            keep = sink is not None and response.status < 300 and not response.will_close
            data = _read(response, deadline, sink if response.status < 300 else None)
        except BaseException:
            self._http.close()
            raise
        if keep:
            response.close()
        else:
            self._http.close()
        return Answer(response.status, data, response.headers)


def _read(response: http.client.HTTPResponse, deadline: float | None, sink: IO[bytes] | None) -> bytes:
    """The body, piece by piece: neither an endless nor a dripping one outlives the deadline."""
    pieces: list[bytes] = []
    left, size = response.length, 0
    while left is None or left > 0:
        # read() would wait for the whole of a chunk, however slowly it drips.
        piece = response.read1(_CHUNK_BYTES if left is None else min(_CHUNK_BYTES, left))
        if not piece:
            break
        size += len(piece)
        left = None if left is None else left - len(piece)
        if sink is not None:
            _write(sink, piece)
            continue
        pieces.append(piece)
        if size > _LARGEST_BODY:
            raise Again(f"its answer is longer than {_LARGEST_BODY} bytes")
        if deadline is not None and time.monotonic() > deadline:
            raise Again("its answer did not end in time")
    if left:
        raise Again(f"it broke off {left} bytes before the end")
    return b"".join(pieces)


def _write(sink: IO[bytes], data: bytes) -> None:
    """Writes to a file of ours; its error is none of the network's, which would be tried again."""
    try:
        sink.write(data)
    except OSError as error:
        raise ShimError(f"{sink.name} cannot be written: {error.strerror}", contract.EXIT_CONFIG) from None


def split(url: str) -> tuple[str, str, str]:
    """Scheme, host with port, and path with query of a URL."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return scheme, host, slash + path or "/"


def origin(url: str) -> str:
    """Scheme and host alone: a path or a query may say more than a log should hold."""
    return "/".join(url.split("/")[:3])


def _ca_bundle(environ: Mapping[str, str]) -> str | None:
    found = environ.get("AWS_CA_BUNDLE") or environ.get("SSL_CERT_FILE")
    if found and not os.path.exists(found):
        raise ShimError(f"AWS_CA_BUNDLE: there is no {found}", contract.EXIT_CONFIG)
    return found or None
