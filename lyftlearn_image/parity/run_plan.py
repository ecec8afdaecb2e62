"""What a run of a suite is asked for, and what its watcher is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lyftlearn_image.parity.backends import EMBEDDED_BACKENDS
from lyftlearn_image.parity.case_error import ERRORS, describe_case_error
from lyftlearn_image.parity.secrets import secret_values_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lyftlearn_image.parity.backends import BackendSelection
    from lyftlearn_image.parity.suite import Case, Suite
    from lyftlearn_image.parity.verdict import CaseResult


# Below the report's directory: a directory for each case and target, with what its run left.
RUNS = "runs"


@dataclass(frozen=True)
class Event:
    """What a watcher of a run gets. `state` is `started`, `running` (with a target) or `finished` (with a result).

    `retried` (with a target and a text): the platform starts a failed run again.

    `note` (with a text, once for each): something of the platforms cannot be played on this machine, and why.
    """

    case: str
    state: str
    target: str | None = None
    result: CaseResult | None = None
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """Where and how to run the cases of a suite. `directory` gets `runs/<case>/<target>/` with what each run left.

    `repeats`: a case that differs unexpectedly runs once more on one target, to see whether the script differs from itself.
    """

    suite: Suite
    suite_path: Path
    directory: Path
    keep_artifacts: bool = False
    repeats: bool = False
    backends: BackendSelection = EMBEDDED_BACKENDS
    on_event: Callable[[Event], None] = field(default=lambda _: None)

    def describe_error(self, error: BaseException, log: str, cases: Sequence[Case]) -> str:
        """One line for a fault, without the secrets of these cases. Its traceback goes into `errors/<log>.log`."""
        secrets = secret_values_of(cases)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return describe_case_error(error, self.directory / ERRORS / f"{log}.log", secrets)
