"""The shim's one error, which carries its exit code and never a secret's value."""

from __future__ import annotations


class ShimError(Exception):
    """A start that cannot go on: one line that says what, from where, why, and what to do."""

    def __init__(self, message: str, exit_code: int) -> None:
        Exception.__init__(self, message)
        self.message = message
        self.exit_code = exit_code
