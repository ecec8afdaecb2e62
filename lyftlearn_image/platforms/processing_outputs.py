"""The output directories of a processing job, the same on both platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.workload import Processing

# The output by which an observation leaves the job.
OBSERVATION_OUTPUT = "lyftlearn"
DEFAULT_OUTPUTS = {"output": f"{contract.PROCESSING_DIR}/output"}


def output_paths(workload: Processing, launch: Launch) -> dict[str, str]:
    """Output name → directory: the workload's own, or the usual one, and the observation's where it is asked for."""
    paths = dict(workload.outputs) or dict(DEFAULT_OUTPUTS)
    if launch.observe_key:
        paths[OBSERVATION_OUTPUT] = contract.PROCESSING_OBSERVATION.rpartition("/")[0]
    return paths
