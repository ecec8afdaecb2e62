"""The directories of a processing job, the same on both platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.workload import Processing

# The output by which an observation leaves the job.
OBSERVATION_OUTPUT = "lyftlearn"
_INPUT_DIR = f"{contract.PROCESSING_DIR}/input"
DEFAULT_OUTPUTS = {"output": f"{contract.PROCESSING_DIR}/output"}


def input_paths(channels: Iterable[str], chosen: Mapping[str, str]) -> dict[str, str]:
    """Channel → directory: the one that was chosen, or the one of its name."""
    return {name: chosen.get(name, f"{_INPUT_DIR}/{name}") for name in channels}


def output_paths(workload: Processing, launch: Launch) -> dict[str, str]:
    """Output name → directory: the workload's own, or the usual one, and the observation's where it is asked for."""
    paths = dict(workload.outputs) or dict(DEFAULT_OUTPUTS)
    if launch.observe_key:
        paths[OBSERVATION_OUTPUT] = contract.PROCESSING_OBSERVATION.rpartition("/")[0]
    return paths
