"""From a search to the Job of its first trial: Kubernetes has no tuner, the trials are started one by one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from lyftlearn_image.platforms.kubernetes.kinds import training
from lyftlearn_image.platforms.kubernetes.metadata import config_map
from lyftlearn_image.platforms.trials import first_trial, search_space

if TYPE_CHECKING:
    from lyftlearn_image.platforms.launch import Compiled, Launch
    from lyftlearn_image.workload import Tuning


def compile_tuning(workload: Tuning, launch: Launch) -> Compiled:
    """The Job of the first trial, which is the template of all, and the search space as a ConfigMap."""
    trial = training.compile_training(first_trial(workload), launch)
    data = {"search-space.json": json.dumps(search_space(workload), indent=2, sort_keys=True)}
    space = config_map(workload, launch.job_name, f"{launch.job_name}-search-space", data)
    return replace(trial, documents=(space, *trial.documents))


KIND = replace(training.KIND, compile=compile_tuning, used=("metrics",))
