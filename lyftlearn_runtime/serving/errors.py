"""What can go wrong: a request that is answered with a status, a server that cannot start, code of the team that fails."""

from __future__ import annotations

import json
import os
import sys
import traceback

from lyftlearn_runtime.log import log_line
from lyftlearn_runtime.secret_forms import mask, sounds_secret

# The names that clients of the multi-model server know (its frontend's package com.amazonaws.ml.mms.http).
_TYPES = {
    404: "ResourceNotFoundException",
    405: "MethodNotAllowedException",
    408: "RequestTimeoutException",
    409: "ConflictStatusException",
    429: "ServiceUnavailableException",
    503: "ServiceUnavailableException",
}


class RequestError(Exception):
    """A request's answer other than success. `message` is for its client: it holds no value of the request."""

    def __init__(self, status: int, message: str) -> None:
        Exception.__init__(self, message)
        self.status = status
        self.message = message

    def document(self) -> bytes:
        """The body of the answer: `code`, `type` and `message` as the multi-model server has them, in one line of JSON."""
        kind = _TYPES.get(self.status, "BadRequestException" if self.status < 500 else "InternalServerException")
        return json.dumps({"code": self.status, "type": kind, "message": self.message}).encode() + b"\n"


class StartError(Exception):
    """A server that cannot start: one line that says what, where and what was expected."""


def print_traceback(error: BaseException) -> None:
    """Writes a traceback to stderr, without the values of the secrets among this process's variables."""
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    # What a reference brought has a name that tells, or it stands in a file.
    secrets = [value for name, value in os.environ.items() if sounds_secret(name)]
    sys.stderr.write(mask("".join(lines), secrets))
    sys.stderr.flush()


def answer_of(name: str, error: BaseException) -> RequestError:
    """What a client is told of a handler's failure. Its text goes to stderr only: it may hold a value or a secret.

    An exception with a status of its own is an answer that the handler has chosen (Starlette's HTTPException, the
    inference toolkit's GenericInferenceToolkitError), and so is its text.
    """
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and 400 <= status < 600:
        text = str(getattr(error, "detail", None) or getattr(error, "message", None) or type(error).__name__)
        return RequestError(status, text)
    kind = type(error).__name__
    if kind == "UnsupportedFormatError":  # the inference toolkit's, for a type that it cannot read or write
        return RequestError(406 if name == "output_fn" else 415, f"{name} does not support this type")
    log_line(f"{name} failed: {kind}")
    print_traceback(error)
    return RequestError(500, f"{name} failed: {kind}")
