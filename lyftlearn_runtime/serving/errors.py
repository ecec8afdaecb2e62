"""What can go wrong: a request that is answered with a status, and a server that cannot start."""

from __future__ import annotations


class RequestError(Exception):
    """A request's answer other than success. `message` is for its client: it holds no value of the request."""

    def __init__(self, status: int, message: str) -> None:
        Exception.__init__(self, message)
        self.status = status
        self.message = message


class StartError(Exception):
    """A server that cannot start: one line that says what, where and what was expected."""
