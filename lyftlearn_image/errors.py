"""Every error that a user can meet, and the exit code that goes with it (`exit_codes`).

```
LyftlearnError                 what happened, where, what to do next
├── InvalidInputError   78     a file or an argument that people wrote is wrong
├── UnavailableError    69     Docker, a registry, AWS or Kubernetes did not answer
├── UnsupportedError    78     a field that an emulator does not implement
├── BuildError           1     the image could not be built
└── RunError             2     the harness failed (not: the script failed)
```
"""

from __future__ import annotations

from lyftlearn_image.exit_codes import ExitCode


class LyftlearnError(Exception):
    """A failure that is told in three lines: what happened, where, what to do.

    `what` and `where` never carry a secret value. `kind` is the error's word in JSON.
    """

    exit_code = ExitCode.NO
    kind = "error"

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return "\n".join(line for line in (self.what, self.where, self.hint) if line)


class InvalidInputError(LyftlearnError):
    """A file or argument that people wrote cannot be used as it is."""

    exit_code = ExitCode.WRONG_INPUT
    kind = "invalid-input"


class UnavailableError(LyftlearnError):
    """A service that the work needs did not answer."""

    exit_code = ExitCode.UNAVAILABLE
    kind = "unavailable"


class UnsupportedError(LyftlearnError):
    """A request or manifest uses a field that the embedded target does not implement."""

    exit_code = ExitCode.WRONG_INPUT
    kind = "unsupported"


class BuildError(LyftlearnError):
    """The engine refused to build the image, or a build step failed."""

    exit_code = ExitCode.NO
    kind = "build"


class RunError(LyftlearnError):
    """The harness could not carry out or observe a run."""

    exit_code = ExitCode.FAILED
    kind = "run"
