"""The shim's one error, which carries its exit code and never a secret's value."""


class ShimError(Exception):
    """A start that cannot go on: one line that says what, from where, why, and what to do."""

    def __init__(self, message, exit_code):
        # type: (str, int) -> None
        Exception.__init__(self, message)
        self.message = message
        self.exit_code = exit_code
