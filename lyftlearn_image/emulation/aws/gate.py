"""What stands before moto: every request is read whole, its signature verified, its operation looked up, and only then served.

A container of this run holds keys of this run; nobody else does: another user of this machine, a container of another
network or of another run is refused before moto sees a byte.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from dataclasses import dataclass
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from lyftlearn_image.emulation.aws.operation_names import Operation, operation_name, operation_of
from lyftlearn_image.emulation.aws.operations import check_served, form_parameters, unsigned_operation
from lyftlearn_image.emulation.aws.presigned_v2 import is_presigned_v2, verify_v2
from lyftlearn_image.emulation.aws.signature import HttpRequest, Key, RefusedError, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

# Larger bodies wait on the disk. Only an upload to S3 is larger than the second: the APIs' own limits are far below it.
_IN_MEMORY_BYTES = 1 << 20
_MAX_DOCUMENT_BYTES = 8 << 20
_CHUNK_BYTES = 1 << 16
_MAX_OBJECT_BYTES = 5 << 30
# By these headers moto is told another account or made to answer what no service does.
_OF_MOTO = "HTTP_X_MOTO_"
_WEB_AUDIENCE = "sts.amazonaws.com"
SAGEMAKER = "sagemaker"


@dataclass(frozen=True)
class Gate:
    """A WSGI application before others. `application_for` gives that of a service, None for one that there is not.

    `find_key` gives the keys of an access key ID; `check_web_identity` raises RefusedError for a token that is no good, of
    the one operation that needs no signature. `on_request` gets the operation of every request, and its HTTP status.
    """

    application_for: Callable[[str], WSGIApplication | None]
    find_key: Callable[[str], Key | None]
    check_web_identity: Callable[[str], None]
    on_request: Callable[[Operation, int], None] = lambda _operation, _status: None
    now: Callable[[], float] = time.time

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serves one request, or says in its service's own form why not."""
        for name in [name for name in environ if name.startswith(_OF_MOTO)]:
            del environ[name]
        with SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as body:
            try:
                request = _read(environ, _copy_body(environ, body))
                document = _document(body)
                try:
                    operation = self._admit(request, document)
                    application = self._application(operation)
                except RefusedError as error:
                    form = document.decode("utf-8", "replace") if document and request.is_form() else ""
                    self.on_request(operation_of(request, form), error.status)
                    raise
            except RefusedError as error:
                return _refuse(environ, start_response, error)

            def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
                self.on_request(operation, int(status.split(" ", 1)[0]))
                return start_response(status, headers, exc_info)

            environ["CONTENT_LENGTH"] = str(_size(body))
            body.seek(0)
            environ["wsgi.input"] = body
            environ.pop("HTTP_TRANSFER_ENCODING", None)
            return application(environ, start)

    def _admit(self, request: HttpRequest, document: bytes | None) -> Operation:
        """The operation, which is one that this client may ask for."""
        if document is not None and (unsigned := unsigned_operation(request, document)) is not None:
            tokens = [value for name, value in form_parameters(request, document) if name == "WebIdentityToken"]
            self.check_web_identity(tokens[0] if len(tokens) == 1 else "")
            return unsigned
        verify_signature = verify_v2 if is_presigned_v2(request) else verify
        service = verify_signature(request, self.find_key, self.now())
        if service == SAGEMAKER:
            # Its own API refuses by name what it does not do.
            return Operation(service, operation_name(service, request))
        if document is None and service != "s3":
            raise RefusedError(HTTPStatus.BAD_REQUEST, "EntityTooLarge", "A request of this service has at most 8 MiB.")
        return check_served(service, request, document or b"")

    def _application(self, operation: Operation) -> WSGIApplication:
        application = self.application_for(operation.service)
        if application is None:
            raise RefusedError(HTTPStatus.FORBIDDEN, "AccessDenied", f"The local endpoint does not serve {operation.service}.")
        return application


def _read(environ: WSGIEnvironment, body_sha256: str) -> HttpRequest:
    """The request as its client wrote it: werkzeug keeps the path and query undecoded in RAW_URI."""
    path, _, query = str(environ["RAW_URI"]).partition("?")
    headers = {name[5:].replace("_", "-").lower(): str(value) for name, value in environ.items() if name.startswith("HTTP_")}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = str(environ[name])
    return HttpRequest(str(environ["REQUEST_METHOD"]), path, query, headers, body_sha256)


def _copy_body(environ: WSGIEnvironment, body: IO[bytes]) -> str:
    """Copies the request's body, and gives the hex digest of its bytes. Raises RefusedError for one that is too large."""
    length = environ.get("CONTENT_LENGTH") or ""
    left = int(length) if length.isdecimal() else _MAX_OBJECT_BYTES if environ.get("wsgi.input_terminated") else 0
    if left > _MAX_OBJECT_BYTES:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "EntityTooLarge", "A request has at most 5 GiB.")
    digest = hashlib.sha256()
    while left and (chunk := environ["wsgi.input"].read(min(left, _CHUNK_BYTES))):
        digest.update(chunk)
        body.write(chunk)
        left -= len(chunk)
    return digest.hexdigest()


def _document(body: IO[bytes]) -> bytes | None:
    """The body where it may be a document of an API; None for what only an object or a model's input can be."""
    if _size(body) > _MAX_DOCUMENT_BYTES:
        return None
    body.seek(0)
    return body.read()


def _size(body: IO[bytes]) -> int:
    return body.seek(0, io.SEEK_END)


def _refuse(environ: WSGIEnvironment, start_response: StartResponse, error: RefusedError) -> list[bytes]:
    """The refusal as SDKs read it: JSON for the JSON protocols, the error document of S3 or of the query protocol else."""
    content_type = str(environ.get("CONTENT_TYPE") or "")
    if "json" in content_type or "HTTP_X_AMZ_TARGET" in environ:
        kind, text = "application/x-amz-json-1.1", json.dumps({"__type": error.code, "message": error.message})
    elif content_type.startswith("application/x-www-form-urlencoded"):
        kind = "text/xml"
        text = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(error.code)}</Code>"
            f"<Message>{escape(error.message)}</Message></Error></ErrorResponse>"
        )
    else:
        kind = "application/xml"
        text = f"<Error><Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message></Error>"
    body = b"" if environ["REQUEST_METHOD"] == "HEAD" else text.encode()
    headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("x-amzn-ErrorType", error.code)]
    start_response(f"{error.status.value} {error.status.phrase}", headers)
    return [body]


def check_web_identity(token: str, signing_keys: Iterable[bytes]) -> None:
    """Raises RefusedError for a token that none of these clusters has given to STS (AWS STS API reference, its errors)."""
    import jwt  # noqa: PLC0415 - 50 ms, where a pod asks

    for key in signing_keys:
        try:
            jwt.decode(token, key, algorithms=["HS256"], audience=_WEB_AUDIENCE, options={"require": ["exp"]})
        except jwt.ExpiredSignatureError:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "ExpiredTokenException", "The web identity token has expired.") from None
        except jwt.InvalidTokenError:
            continue
        return
    raise RefusedError(
        HTTPStatus.BAD_REQUEST, "InvalidIdentityToken", "The web identity token is not of a cluster of this run."
    )
