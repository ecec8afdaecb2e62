"""A run that failed because the run's own AWS endpoint did not answer: a fault of the harness, and nothing of a script."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lyftlearn_image.errors import RunError
from lyftlearn_image.runs.log_lines import read_end

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lyftlearn_image.run import Run

# The last lines say why a run ended: the shim's own, or the end of a traceback of botocore.
_TAIL_BYTES = 16_384
_LINE_CHARACTERS = 200
# In the words of the shim (`lyftlearn_runtime.aws.http`), of http.client, of botocore and of urllib3.
_UNANSWERED = re.compile(
    r"timed? ?out|connect(?:ion)? (?:was )?(?:refused|reset|aborted|closed)|could not connect|failed to establish"
    r"|answered 5\d\d|\(5\d\d\)|it throttles|without response",
    re.IGNORECASE,
)


def check_endpoint(runs: Iterable[Run], endpoint_url: str, expected_exit_code: int | None) -> None:
    """Raises RunError for a run that failed, otherwise than expected, because the endpoint did not answer it."""
    for run in runs:
        fault = find_endpoint_fault(run, endpoint_url)
        if fault and run.exit_code != expected_exit_code:
            raise RunError(
                f"the run's own AWS endpoint did not answer {run.target}",
                where=fault,
                hint="This says nothing of the script. Run the case again, with fewer --jobs.",
            )


def find_endpoint_fault(run: Run, endpoint_url: str) -> str | None:
    """The line in which a failed run says that the endpoint did not answer it; None where it says no such thing."""
    address = urlsplit(endpoint_url).netloc
    if not run.exit_code or not address:
        return None
    last_lines = read_end(run.stderr, _TAIL_BYTES).decode("utf-8", "replace").splitlines()
    for line in reversed([*last_lines, *run.reason.splitlines()]):
        if address in line and _UNANSWERED.search(line):
            return line.strip()[:_LINE_CHARACTERS]
    return None
