"""What of a workload goes into a request, and what into the launch bundle because the request has no room for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lyftlearn_image.platforms import bundle
from lyftlearn_image.platforms.sagemaker import api_model
from lyftlearn_image.workload import Job
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.workload import Workload


class Shares(NamedTuple):
    """What of each goes into the request, and the bundle as an S3 object where there is one."""

    environment: dict[str, str]
    hyperparameters: dict[str, str]
    objects: dict[str, bytes]
    command: list[str]


class Room(NamedTuple):
    """Where a request has its maps, and what they hold besides the workload's own.

    `environment`, `hyperparameters` and `command` are members of the action's request (None: it has none). `observation` is
    where the shim writes what it saw. `total_bytes` limits all variables together; `taken` are hyperparameters of the
    service's own.
    """

    action: str
    environment: str
    hyperparameters: str | None = None
    observation: str | None = None
    total_bytes: int | None = None
    taken: int = 0
    command: str | None = None


def divide(workload: Workload, launch: Launch, room: Room) -> Shares:
    """The shares of the request and of the bundle. What does not fit goes into the bundle by itself."""
    own = _own_variables(workload, launch, room)
    wanted = {**workload.environment, **workload.secrets}
    kept = _kept(wanted, own, room)
    left = {name: value for name, value in wanted.items() if name not in kept}
    values = workload.hyperparameters if isinstance(workload, Job) else {}
    encoded = bundle.encode_hyperparameters(values)
    carries = _carries(encoded, room)
    overflow = {} if carries else dict(values)
    command = list(getattr(workload, "command", None) or ())
    is_bundled = bool(command and room.command and not api_model.fits_list(room.action, room.command, command))
    objects: dict[str, bytes] = {}
    if left or overflow or workload.files or is_bundled:
        contents = {"environment": left, "hyperparameters": overflow, "files": workload.files}
        made = bundle.of(workload, launch.job_name, **contents, command=tuple(command) if is_bundled else ())
        data = bundle.to_bytes(made)
        uri = f"{launch.s3_prefix}/{launch.job_name}/bundle.json"
        objects[uri] = data
        own[contract.BUNDLE] = bundle.reference(uri, data)
    said = [contract.BUNDLED_COMMAND] if is_bundled else command
    return Shares(dict(sorted({**kept, **own}.items())), encoded if carries else {}, objects, said)


def _kept(wanted: Mapping[str, str], own: Mapping[str, str], room: Room) -> dict[str, str]:
    """The variables that the request has room for, in the order of their names; one place is kept for the bundle."""
    entries = api_model.map_limits(room.action, room.environment).entries - len(own) - 1
    # The bundle's own reference is at most a longest S3 URI and a digest.
    free = None if room.total_bytes is None else room.total_bytes - _size(own) - 1200
    kept: dict[str, str] = {}
    for name, value in sorted(wanted.items()):
        if len(kept) == entries:
            break
        size = _size({name: value})
        if (free is None or size <= free) and api_model.fits(room.action, room.environment, {name: value}):
            kept[name] = value
            free = None if free is None else free - size
    return kept


def _carries(encoded: Mapping[str, str], room: Room) -> bool:
    if room.hyperparameters is None:
        return False
    entries = api_model.map_limits(room.action, room.hyperparameters).entries
    return len(encoded) + room.taken <= entries and api_model.fits(room.action, room.hyperparameters, encoded)


def _size(variables: Mapping[str, str]) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in variables.items())


def _own_variables(workload: Workload, launch: Launch, room: Room) -> dict[str, str]:
    own = bundle.shim_variables(workload)
    if launch.observe_key and room.observation:
        own[contract.OBSERVE] = f"{room.observation}#{launch.observe_key}"
    if launch.statsd:
        own[contract.STATSD] = f"udp://{launch.statsd}"
    return own
