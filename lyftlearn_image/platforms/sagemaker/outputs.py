"""Where a training job leaves its archives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# Archive → the directory below /opt/ml that is in it.
TRAINING_ARCHIVES = {"model": "model", "output": "output/data"}


def training_outputs(request: Mapping[str, Any]) -> dict[str, str]:
    """Where the job's archives go, by their names (developer guide, your-algorithms-training-algo-output)."""
    prefix = f"{request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{request['TrainingJobName']}/output"
    return {name: f"{prefix}/{name}.tar.gz" for name in TRAINING_ARCHIVES}
