"""What of a workload goes into a request, and what into the launch bundle because the request has no room for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lyftlearn_image.platforms import bundle
from lyftlearn_image.platforms.sagemaker import api_model
from lyftlearn_image.platforms.sagemaker.instance_choice import find_instance_type
from lyftlearn_image.workload import Job
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.workload import Workload

# The bundle's own reference is at most the longest S3 URI and a digest.
_REFERENCE_BYTES = 1200


@dataclass(frozen=True)
class Slots:
    """Where a request has its maps, and what they hold besides the workload's own.

    `environment`, `hyperparameters` and `command` are members of the action's request (None: it has none). `observation` is
    where the shim writes what it saw. `environment_bytes` limits all variables together. `reserved_hyperparameters` are as
    many as the service adds.
    """

    action: str
    environment: str
    hyperparameters: str | None = None
    command: str | None = None
    observation: str | None = None
    environment_bytes: int | None = None
    reserved_hyperparameters: int = 0


@dataclass(frozen=True)
class Shares:
    """What of each goes into the request, and the bundle as an S3 object where there is one."""

    environment: dict[str, str]
    hyperparameters: dict[str, str]
    command: list[str]
    objects: dict[str, bytes]


def split(workload: Workload, launch: Launch, slots: Slots) -> Shares:
    """The shares of the request and of the bundle. What does not fit goes into the bundle by itself."""
    shim = _shim_variables(workload, launch, slots)
    variables = {**workload.environment, **workload.secrets}
    fitting = _fitting_variables(variables, shim, slots)
    hyperparameters = dict(workload.hyperparameters) if isinstance(workload, Job) else {}
    encoded = bundle.encode_hyperparameters(hyperparameters)
    if not _hyperparameters_fit(encoded, slots):
        encoded = {}
    command = list(getattr(workload, "command", None) or ())
    has_room = not slots.command or api_model.fits_list(slots.action, slots.command, command)
    overflow = {
        "environment": {name: value for name, value in variables.items() if name not in fitting},
        "hyperparameters": {} if encoded else hyperparameters,
        "files": workload.files,
        "command": () if has_room else tuple(command),
    }
    objects: dict[str, bytes] = {}
    if any(overflow.values()):
        data = bundle.to_bytes(bundle.bundle_for(workload, launch.job_name, find_instance_type(workload), **overflow))
        uri = f"{launch.s3_prefix}/{launch.job_name}/bundle.json"
        objects[uri] = data
        shim[contract.BUNDLE] = bundle.reference(uri, data)
    environment = dict(sorted({**fitting, **shim}.items()))
    return Shares(environment, encoded, command if has_room else [contract.BUNDLED_COMMAND], objects)


def _fitting_variables(variables: Mapping[str, str], shim: Mapping[str, str], slots: Slots) -> dict[str, str]:
    """The variables that the request has room for, in the order of their names; one place is kept for the bundle."""
    entries = api_model.map_limits(slots.action, slots.environment).entries - len(shim) - 1
    free = math.inf if slots.environment_bytes is None else slots.environment_bytes - _size(shim) - _REFERENCE_BYTES
    fitting: dict[str, str] = {}
    for name, value in sorted(variables.items()):
        if len(fitting) == entries:
            break
        size = _size({name: value})
        if size <= free and api_model.fits(slots.action, slots.environment, {name: value}):
            fitting[name] = value
            free -= size
    return fitting


def _hyperparameters_fit(encoded: Mapping[str, str], slots: Slots) -> bool:
    if slots.hyperparameters is None:
        return False
    entries = api_model.map_limits(slots.action, slots.hyperparameters).entries - slots.reserved_hyperparameters
    return len(encoded) <= entries and api_model.fits(slots.action, slots.hyperparameters, encoded)


def _size(variables: Mapping[str, str]) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in variables.items())


def _shim_variables(workload: Workload, launch: Launch, slots: Slots) -> dict[str, str]:
    shim = bundle.shim_variables(workload)
    if launch.observe_key and slots.observation:
        shim[contract.OBSERVE] = f"{slots.observation}#{launch.observe_key}"
    if launch.statsd:
        shim[contract.STATSD] = f"udp://{launch.statsd}"
    return shim
