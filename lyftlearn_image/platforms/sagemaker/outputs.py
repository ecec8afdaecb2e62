"""Where a training job leaves its archives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# Name → what of a host's tree is in it.
_ARTIFACTS = {"model": "model", "output": "output/data"}


def outputs(request: Mapping[str, Any]) -> dict[str, str]:
    """Where the job's archives go, by their names (developer guide, your-algorithms-training-algo-output)."""
    place = f"{request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{request['TrainingJobName']}/output"
    return {name: f"{place}/{name}.tar.gz" for name in _ARTIFACTS}
