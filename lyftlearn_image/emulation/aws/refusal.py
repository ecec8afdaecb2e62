"""A request that is not served, in the words of its service."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from http import HTTPStatus
    from wsgiref.types import StartResponse


class RefusedError(Exception):
    """A request that is not served. `code` is the service's own word, `status` its HTTP status."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def respond(error: RefusedError, method: str, headers: Mapping[str, str], start_response: StartResponse) -> Iterable[bytes]:
    """The refusal as SDKs read it: JSON for the JSON protocols, the error document of S3 or of the query protocol else.

    `headers` are the request's, their names in lower case.
    """
    content_type = headers.get("content-type", "")
    if "json" in content_type or "x-amz-target" in headers:
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
    body = b"" if method == "HEAD" else text.encode()
    fields = [("Content-Type", kind), ("Content-Length", str(len(body))), ("x-amzn-ErrorType", error.code)]
    start_response(f"{error.status.value} {error.status.phrase}", fields)
    return [body]
