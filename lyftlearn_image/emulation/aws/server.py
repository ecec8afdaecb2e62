"""The process of the local AWS endpoint: moto's backends behind a gate, and SageMaker's API of who runs its jobs.

It is started by `endpoint.server_process` with a JSON object as its argument: `account` is the number of the account, `buckets`
are those that S3 has in `region` from the beginning; `fd`, if there is one, is a listening socket for clients of this machine,
whose requests are then lines on standard output. Lines on standard input are JSON objects: first `key`, the run's own pair, and
`host`, where the run's containers reach it at a free port, which it prints; then `urls`, those of SageMaker's API with the
`token` that it asks for, and `signing_key`, that of a cluster whose web identities are believed. It ends with its standard
input.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import http.client
import json
import re
import resource
import signal
import socket
import sys
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from moto.moto_server.werkzeug_app import create_backend_app
from moto.sts.models import sts_backends
from werkzeug.wrappers import Request, Response

from lyftlearn_image.emulation.aws.endpoint import PROXY_TOKEN_HEADER
from lyftlearn_image.emulation.aws.gate import Gate, check_web_identity
from lyftlearn_image.emulation.aws.operations import MONITORING, S3, SAGEMAKER, SERVED
from lyftlearn_image.emulation.aws.signature import Key
from lyftlearn_image.emulation.aws.wsgi_server import WsgiServer, open_listener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from moto.sts.models import AssumedRole

    from lyftlearn_image.emulation.aws.operation_names import Operation

# The header of moto for the account of a request (docs.getmoto.org, "Multi-Account support").
_ACCOUNT_HEADER = "HTTP_X_MOTO_ACCOUNT_ID"
# In an Authorization header of Signature Version 4.
_ACCESS_KEY = re.compile(r"Credential=(?P<id>[^/,\s]{1,128})/")
_INVOCATIONS = "/endpoints/"
# Where moto's name of a service is not the one that requests are signed for.
_MOTO_NAMES = {MONITORING: "cloudwatch"}
# Of one connection (RFC 9110, 7.6.1), or made anew for the next one.
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "host", "content-length", "expect"})
# Longer than an invocation may take (60 s).
_UPSTREAM_TIMEOUT_S = 120.0
_PIECE_BYTES = 64 << 10


class SageMakerProxy:
    """Sends SageMaker's requests on to the API that runs its jobs, once that is there."""

    def __init__(self) -> None:
        self._urls: dict[str, str] = {}
        self._token = ""

    @property
    def is_connected(self) -> bool:
        """Whether anybody answers."""
        return bool(self._urls)

    def connect(self, urls: dict[str, str], token: str) -> None:
        """From now on `urls["sagemaker"]` answers for the control plane, `urls["sagemaker-runtime"]` for invocations."""
        self._urls, self._token = urls, token

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        request = Request(environ)
        url = self._urls["sagemaker-runtime" if request.path.startswith(_INVOCATIONS) else "sagemaker"]
        return _forward(request, url, self._token)(environ, start_response)


def _forward(request: Request, url: str, token: str) -> Response:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_UPSTREAM_TIMEOUT_S)
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
    headers[PROXY_TOKEN_HEADER] = token
    try:
        # As it came: the path of WSGI is decoded, and a name may have any character.
        headers["Content-Length"] = str(request.content_length or 0)
        connection.request(request.method, request.environ["RAW_URI"], request.stream, headers)
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        document = {"__type": "ServiceUnavailable", "message": f"SageMaker's local API does not answer: {type(error).__name__}"}
        return Response(json.dumps(document), 503, content_type="application/x-amz-json-1.1")
    passed = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP]
    if answer.length is not None:
        passed.append(("Content-Length", str(answer.length)))
    response = Response(iter(lambda: answer.read1(_PIECE_BYTES), b""), answer.status, passed)
    response.call_on_close(connection.close)
    return response


class Applications:
    """The application of each service, made when it is first asked for."""

    def __init__(self, account: str, sagemaker: SageMakerProxy, make_s3: Callable[[], WSGIApplication]) -> None:
        self._account = account
        self._make_s3 = make_s3
        self._sagemaker = sagemaker
        self._lock = threading.Lock()
        self._made: dict[str, WSGIApplication] = {}

    def __call__(self, service: str) -> WSGIApplication | None:
        """That of a service that the gate lets in; None for SageMaker where nobody runs its jobs."""
        if service == SAGEMAKER:
            return self._sagemaker if self._sagemaker.is_connected else None
        if service not in SERVED:
            return None
        with self._lock:
            if service not in self._made:
                name = _MOTO_NAMES.get(service, service)
                made: WSGIApplication = self._make_s3() if service == S3 else create_backend_app(cast("Any", name))
                # STS alone knows accounts apart: it says the role's own. All other data is in one account, so that a job
                # finds what the run put there, whatever account its role is of.
                self._made[service] = _in_account(made, _role_account if service == "sts" else lambda _: None, self._account)
            return self._made[service]


def _in_account(application: WSGIApplication, find: Callable[[WSGIEnvironment], str | None], account: str) -> WSGIApplication:
    """The application, told the account that `find` gives for a request, or `account` where it gives none."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[_ACCOUNT_HEADER] = find(environ) or account
        return application(environ, start_response)

    return answer


def _role_account(environ: WSGIEnvironment) -> str | None:
    key = _ACCESS_KEY.search(environ.get("HTTP_AUTHORIZATION", ""))
    role = _find_role(key["id"]) if key else None
    return role.account_id if role else None


def _find_role(access_key_id: str) -> AssumedRole | None:
    """The session to which this endpoint's STS has given this key."""
    backends = (backend for account in list(sts_backends.values()) for backend in list(account.values()))
    return next(filter(None, (backend.get_assumed_role_from_access_key(access_key_id) for backend in backends)), None)


def _find_session_key(access_key_id: str) -> Key | None:
    role = _find_role(access_key_id)
    if role is None:
        return None
    expires_at = role.expiration.replace(tzinfo=dt.UTC).timestamp()
    return Key(role.access_key_id, role.secret_access_key, role.session_token, expires_at)


def _make_s3(account: str, region: str, buckets: Sequence[str]) -> WSGIApplication:
    """S3, which has these buckets."""
    from moto.s3.models import s3_backends  # noqa: PLC0415 - 200 ms, where S3 is asked for

    from lyftlearn_image.emulation.aws.s3 import S3Application  # noqa: PLC0415 - see above

    for bucket in buckets:
        s3_backends[account]["aws"].create_bucket(bucket, region)
    return S3Application()


def main(account: str, region: str, buckets: Sequence[str], fd: int | None) -> None:
    """Serves until standard input closes, whose first line has the run's keys: a command line can be read by everybody."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the harness ends us in its order
    _raise_descriptor_limit()
    first = sys.stdin.readline()
    if not first:
        return
    told = json.loads(first)
    key = Key(*told["key"])
    proxy, signing_keys = SageMakerProxy(), list[bytes]()
    gate = Gate(
        Applications(account, proxy, partial(_make_s3, account, region, buckets)),
        lambda access_key_id: key if access_key_id == key.access_key_id else _find_session_key(access_key_id),
        partial(check_web_identity, signing_keys=signing_keys),
    )
    servers = [WsgiServer(open_listener(told["host"]), gate)]
    if fd is not None:
        servers.append(WsgiServer(socket.socket(fileno=fd), replace(gate, on_request=_print)))
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    _write(str(servers[0].port))
    for line in sys.stdin:
        message = json.loads(line)
        if "signing_key" in message:
            signing_keys.append(bytes.fromhex(message["signing_key"]))
        else:
            proxy.connect(message["urls"], message["token"])


def _raise_descriptor_limit() -> None:
    """To what the system allows: a large object takes a descriptor, as a connection does."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


_WRITING = threading.Lock()


def _print(operation: Operation, status: int) -> None:
    _write(json.dumps([operation.service, operation.name, status]))


def _write(line: str) -> None:
    with _WRITING:
        print(line, flush=True)  # noqa: T201 - what the parent reads


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
