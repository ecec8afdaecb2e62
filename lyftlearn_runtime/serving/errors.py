"""What can go wrong: a request that is answered with a status, a server that cannot start, code of the team that fails."""

from __future__ import annotations

import os
import re
import sys
import traceback

from lyftlearn_runtime.redact import redact

# Variables whose values no traceback may show; what a reference brought has such a name, or it stands in a file.
_SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|PRIVATE_?KEY", re.IGNORECASE)


class RequestError(Exception):
    """A request's answer other than success. `message` is for its client: it holds no value of the request."""

    def __init__(self, status: int, message: str) -> None:
        Exception.__init__(self, message)
        self.status = status
        self.message = message


class StartError(Exception):
    """A server that cannot start: one line that says what, where and what was expected."""


def print_traceback(error: BaseException) -> None:
    """Writes a traceback to stderr, without the values of the secrets among this process's variables."""
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    secrets = [value for name, value in os.environ.items() if _SECRET_NAME.search(name)]
    sys.stderr.write(redact("".join(lines), secrets))
    sys.stderr.flush()
