"""The process of the local AWS endpoint: moto's server, in one account, with SageMaker's API led to who runs its jobs.

It is started by `endpoint.aws_endpoint` with a JSON object as its argument: `host` is where the run's containers reach it, at
a free port; `account` is the number of the account; `fd`, if there is one, is a listening socket for clients of this machine,
whose requests are then lines on standard output. It prints its port, takes the URLs of SageMaker's API from standard input,
and ends with that.
"""

from __future__ import annotations

import http.client
import io
import json
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from lyftlearn_image.emulation.aws.operation_names import HttpRequest, Operation, operation_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

# The header of moto for the account of a request (docs.getmoto.org, "Multi-Account support").
_ACCOUNT_HEADER = "HTTP_X_MOTO_ACCOUNT_ID"
# In the scope of a signature: Credential=<key>/<date>/<region>/<service>/aws4_request.
_STS_SCOPE = "/sts/aws4_request"
_SAGEMAKER = "sagemaker"
_INVOCATIONS = "/endpoints/"
_FORM = "application/x-www-form-urlencoded"
# Of one connection (RFC 9110, 7.6.1), or made anew for the next one.
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "host", "content-length", "expect"})
# Longer than an invocation may take (60 s).
_UPSTREAM_TIMEOUT_S = 120.0


class SageMakerProxy:
    """Sends SageMaker's requests on to the API that runs jobs, and all others to moto, which would only remember them."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application
        self._urls: dict[str, str] = {}

    def connect(self, urls: dict[str, str]) -> None:
        """From now on `urls["sagemaker"]` answers for the control plane, `urls["sagemaker-runtime"]` for invocations."""
        self._urls = urls

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        request = Request(environ)
        if not self._urls or _operation(request).service != _SAGEMAKER:
            return self._application(environ, start_response)
        url = self._urls["sagemaker-runtime" if request.path.startswith(_INVOCATIONS) else "sagemaker"]
        return _forward(request, url)(environ, start_response)


def _forward(request: Request, url: str) -> Response:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_UPSTREAM_TIMEOUT_S)
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
    try:
        # As it came: the path of WSGI is decoded, and a name may have any character.
        connection.request(request.method, request.environ["RAW_URI"], request.get_data(), headers)
        answer = connection.getresponse()
        passed = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP]
        return Response(answer.read(), answer.status, passed)
    except (OSError, http.client.HTTPException) as error:
        document = {"__type": "ServiceUnavailable", "message": f"SageMaker's local API does not answer: {type(error).__name__}"}
        return Response(json.dumps(document), 503, content_type="application/x-amz-json-1.1")
    finally:
        connection.close()


def in_one_account(application: WSGIApplication, account: str) -> WSGIApplication:
    """The application with one account for all data: a job finds what the run put there, whatever account its role is of.

    Only STS knows accounts apart: it says the role's own.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if _STS_SCOPE not in environ.get("HTTP_AUTHORIZATION", ""):
            environ[_ACCOUNT_HEADER] = account
        return application(environ, start_response)

    return answer


def with_request_log(application: WSGIApplication, log: Callable[[Operation, int], None]) -> WSGIApplication:
    """The application; `log` gets the operation of every request, and the status of the response."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        operation = _operation(Request(environ))

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            log(operation, int(status.split(" ", 1)[0]))
            return start_response(status, headers, exc_info)

        return application(environ, start)

    return answer


def _operation(request: Request) -> Operation:
    """The operation of a request, whose body can still be read."""
    form = ""
    if request.mimetype == _FORM:
        # moto reads it once more.
        body = request.get_data()
        request.environ.update({"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))})
        form = body.decode("utf-8", "replace")
    headers = {name.lower(): value for name, value in request.headers.items()}
    return operation_of(HttpRequest(request.method, request.path, request.query_string.decode(), headers, form))


def main(host: str, account: str, fd: int | None) -> None:
    """Serves until standard input closes."""
    os.environ["MOTO_ACCOUNT_ID"] = account  # moto reads it at each request: the account of who has no role
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the harness ends us in its order
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application: WSGIApplication = in_one_account(DomainDispatcherApplication(create_backend_app), account)
    proxy = SageMakerProxy(application)
    servers = [make_server(host, 0, proxy, threaded=True)]
    if fd is not None:
        servers.append(make_server("127.0.0.1", 0, with_request_log(proxy, _print), threaded=True, fd=fd))
    # moto's own ThreadedMotoServer waits for ever when the address cannot be bound.
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    _write(str(servers[0].port))
    for line in sys.stdin:
        proxy.connect(json.loads(line))


_WRITING = threading.Lock()


def _print(operation: Operation, status: int) -> None:
    _write(json.dumps([operation.service, operation.name, status]))


def _write(line: str) -> None:
    with _WRITING:
        print(line, flush=True)  # noqa: T201 - what the parent reads


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
