"""How the local API refuses a request."""

from __future__ import annotations


class ServiceError(Exception):
    """An error of the API: a code and a message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
