"""A run that failed because the harness's own AWS endpoint did not answer: nothing that the platforms differ in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lyftlearn_image.errors import RunError
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from lyftlearn_image.run import Run


def raise_if_endpoint_was_lost(run: Run, endpoint_url: str) -> None:
    """RunError where the shim gave up on the endpoint at this URL, by its exit code and its words: `<url>: … (N tries)`."""
    words = re.search(rf"{re.escape(endpoint_url)}: (.*?) \(\d+ tries\)", run.reason)
    if run.exit_code == contract.EXIT_UNAVAILABLE and words:
        raise RunError(
            f"the harness's own AWS endpoint did not answer the {run.target} run: {words[1]}",
            hint="The machine is too busy, or out of memory or disk; run the suite again with --jobs 1.",
        )
