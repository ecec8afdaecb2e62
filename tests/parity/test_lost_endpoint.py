"""A timeout of the harness's own endpoint is an error of the harness."""

from __future__ import annotations

from pathlib import Path

import pytest

from lyftlearn_image.errors import RunError
from lyftlearn_image.parity.lost_endpoint import raise_if_endpoint_was_lost
from lyftlearn_image.run import Run, Status, Timings

URL = "http://192.168.96.1:40001"
LOST = f"{URL}: timed out (6 tries)"


def failed(code: int, reason: str) -> Run:
    """A run that failed."""
    nowhere = Path("/nowhere")
    return Run("kubernetes", "job", Status.FAILED, code, reason, nowhere, nowhere, {}, None, Timings(0, None, 0, 0))


@pytest.mark.parametrize(
    "reason", [LOST, f"AlgorithmError: {LOST}, exit code: 69", f"aws-sm://x: {URL}: it answered 503 (7 tries)"]
)
def test_an_endpoint_that_was_given_up_is_an_error(reason: str) -> None:
    """On either platform, in the platform's frame; with what happened."""
    with pytest.raises(RunError, match="the harness's own AWS endpoint did not answer") as caught:
        raise_if_endpoint_was_lost(failed(69, reason), URL)
    assert "tries" not in caught.value.what


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1, LOST),
        (69, "http://elsewhere:1: timed out (6 tries)"),
        (69, "s3://bucket/x: there is no such bucket or object"),
        (69, ""),
    ],
)
def test_what_a_script_does_itself_is_compared(code: int, reason: str) -> None:
    """Another code, another place, an answer."""
    raise_if_endpoint_was_lost(failed(code, reason), URL)
