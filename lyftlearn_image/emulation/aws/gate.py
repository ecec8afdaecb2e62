"""What stands before moto: a request's signature is verified and its operation looked up, and only then its body is read.

A container of this run holds keys of this run; nobody else does: another user of this machine, a container of another
network or of another run is refused before moto sees a byte. Of the services but S3 the signature covers the body's hash and
no header states it: their bodies, which are small, are read when all else is known to be good.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any

from lyftlearn_image.emulation.aws.blobs import BlobStore
from lyftlearn_image.emulation.aws.environment import environment
from lyftlearn_image.emulation.aws.operation_names import Operation, operation_name, operation_of
from lyftlearn_image.emulation.aws.operations import (
    S3,
    SAGEMAKER,
    check_served,
    form_parameters,
    stores_body,
    unsigned_operation,
)
from lyftlearn_image.emulation.aws.payload import MAX_OBJECT_BYTES, receive
from lyftlearn_image.emulation.aws.presigned_v2 import is_presigned_v2, verify_v2
from lyftlearn_image.emulation.aws.refusal import RefusedError, respond
from lyftlearn_image.emulation.aws.signature import HttpRequest, Key, Verified, verify
from lyftlearn_image.emulation.aws.wsgi_server import ADMIT, HEADERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from lyftlearn_image.emulation.aws.aws_chunked import Body
    from lyftlearn_image.emulation.aws.blobs import Blob

_IN_MEMORY_BYTES = 64 << 10
# The APIs' own limits are far below: 1 MiB of Logs, EventBridge and SQS is the largest.
_MAX_DOCUMENT_BYTES = 8 << 20
# More than the API takes, whose refusal then is its own.
_MAX_INVOCATION_BYTES = 64 << 20
_MAX_UNSIGNED_BYTES = 64 << 10
_WEB_AUDIENCE = "sts.amazonaws.com"
_READ_BYTES = 64 << 10
# Of 10,000 parts, or 1,000 names of objects: what S3 takes at once.
_MAX_XML_BYTES = 3 << 20
_LARGE_BYTES = 256 << 10
_LARGE_DOCUMENTS = threading.Lock()
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE})
_SIZE_DIGITS = 18


@dataclass(frozen=True)
class Gate:
    """A WSGI application before others. `application_for` gives that of a service, None for one that there is not.

    `find_key` gives the keys of an access key ID; `check_web_identity` raises RefusedError for a token that is no good, of
    the one operation that needs no signature. `on_request` gets the operation of every request, and its HTTP status.
    """

    application_for: Callable[[str], WSGIApplication | None]
    find_key: Callable[[str], Key | None]
    check_web_identity: Callable[[str], None]
    store: BlobStore = field(default_factory=BlobStore)
    on_request: Callable[[Operation, int], None] = lambda _operation, _status: None
    now: Callable[[], float] = time.time

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serves one request, or says in its service's own form why not."""
        request, body = _read(environ), environ["wsgi.input"]
        with SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as document, ExitStack() as turn:
            try:
                with _refusals_of_errors():
                    operation, verified = self._admit(request, body, document, turn)
                    environ[ADMIT]()
                    application = self._application(operation)
                    blob = self._receive(request, verified, operation, body) if verified.service == S3 else None
            except RefusedError as error:
                self.on_request(operation_of(request, _form(request, body, document)), error.status)
                return respond(error, request.method, request.headers, start_response)

            def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
                self.on_request(operation, int(status.split(" ", 1)[0]))
                return start_response(status, headers, exc_info)

            if blob is not None and not stores_body(operation, request):
                _save(blob, document)
                _wait_for_turn(document, turn)
            called = environment(environ, request, operation, blob if stores_body(operation, request) else document)
            return application(called, start)

    def _admit(self, request: HttpRequest, body: Body, document: IO[bytes], turn: ExitStack) -> tuple[Operation, Verified]:
        """The operation, which is one that this client may ask for. The body is copied into `document` where it is needed."""
        if "authorization" not in request.headers and request.method == "POST" and request.is_form():
            _copy(request, body, document, _MAX_UNSIGNED_BYTES)
            if (unsigned := unsigned_operation(request, _content(document))) is not None:
                tokens = [value for name, value in form_parameters(request, _content(document)) if name == "WebIdentityToken"]
                self.check_web_identity(tokens[0] if len(tokens) == 1 else "")
                return unsigned, Verified(unsigned.service)

        def hash_body(service: str) -> str:
            _copy(request, body, document, _MAX_INVOCATION_BYTES if service == SAGEMAKER else _MAX_DOCUMENT_BYTES)
            return _sha256(document)

        if is_presigned_v2(request):
            verified = verify_v2(request, self.find_key, self.now())
        else:
            verified = verify(request, self.find_key, self.now(), hash_body)
        if verified.service == S3:
            return check_served(S3, request, b""), verified
        if hash_body(verified.service) != verified.sha256:
            raise RefusedError(
                HTTPStatus.BAD_REQUEST,
                "XAmzContentSHA256Mismatch",
                "The provided x-amz-content-sha256 is not that of the body.",
            )
        if verified.service == SAGEMAKER:
            # Its own API refuses by name what it does not do.
            return Operation(SAGEMAKER, operation_name(SAGEMAKER, request)), verified
        _wait_for_turn(document, turn)
        return check_served(verified.service, request, _content(document)), verified

    def _receive(self, request: HttpRequest, verified: Verified, operation: Operation, body: Body) -> Blob:
        most = MAX_OBJECT_BYTES if stores_body(operation, request) else _MAX_XML_BYTES
        return receive(request.headers, verified, body, self.store, most)

    def _application(self, operation: Operation) -> WSGIApplication:
        application = self.application_for(operation.service)
        if application is None:
            raise RefusedError(HTTPStatus.FORBIDDEN, "AccessDenied", f"The local endpoint does not serve {operation.service}.")
        return application


@contextlib.contextmanager
def _refusals_of_errors() -> Iterator[None]:
    """A body that comes too slowly, and one for which the disk has no room, are refused."""
    try:
        yield
    except TimeoutError:
        raise RefusedError(
            HTTPStatus.BAD_REQUEST,
            "RequestTimeout",
            "Your socket connection to the server was not read from or written to within the timeout period.",
        ) from None
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise RefusedError(
            HTTPStatus.INSUFFICIENT_STORAGE,
            "InsufficientStorage",
            "The disk of the local endpoint has no room for this object.",
        ) from None


def _wait_for_turn(document: IO[bytes], turn: ExitStack) -> None:
    """A large document is read alone, until the turn ends: each is in memory many times over."""
    if _size(document) > _LARGE_BYTES:
        turn.enter_context(_LARGE_DOCUMENTS)


def _read(environ: WSGIEnvironment) -> HttpRequest:
    """The request as its client wrote it."""
    path, _, query = str(environ["RAW_URI"]).partition("?")
    return HttpRequest(str(environ["REQUEST_METHOD"]), path, query, environ[HEADERS])


def _copy(request: HttpRequest, body: Body, document: IO[bytes], max_bytes: int) -> None:
    """Copies what is still to be read. Raises RefusedError for more than `max_bytes`, by what is announced of them."""
    announced = request.headers.get("content-length", "0")
    if len(announced) > _SIZE_DIGITS or int(announced) > max_bytes:
        raise _too_large(max_bytes)
    size = _size(document)
    while piece := body.read(_READ_BYTES):
        size += len(piece)
        if size > max_bytes:
            raise _too_large(max_bytes)
        document.write(piece)


def _too_large(max_bytes: int) -> RefusedError:
    return RefusedError(
        HTTPStatus.BAD_REQUEST, "EntityTooLarge", f"A request of this service has at most {max_bytes >> 10} KiB."
    )


def _save(blob: Blob, document: IO[bytes]) -> None:
    for chunk in blob.chunks():
        document.write(chunk)


def _content(document: IO[bytes]) -> bytes:
    document.seek(0)
    return document.read()


def _sha256(document: IO[bytes]) -> str:
    document.seek(0)
    digest = hashlib.sha256()
    while piece := document.read(_READ_BYTES):
        digest.update(piece)
    return digest.hexdigest()


def _form(request: HttpRequest, body: Body, document: IO[bytes]) -> str:
    """The body of the query protocol, which names the operation: a short one is read to say what was refused."""
    if not request.is_form():
        return ""
    with contextlib.suppress(RefusedError, OSError):
        _copy(request, body, document, _MAX_UNSIGNED_BYTES)
    return _content(document).decode("utf-8", "replace") if _size(document) <= _MAX_UNSIGNED_BYTES else ""


def _size(document: IO[bytes]) -> int:
    return document.seek(0, io.SEEK_END)


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
