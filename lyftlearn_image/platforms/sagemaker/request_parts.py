"""What requests are written from: one value, made in one pass over a workload and its launch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.sagemaker.overflow import split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.platforms.sagemaker.overflow import Slots
    from lyftlearn_image.workload import Workload


@dataclass(frozen=True)
class RequestParts:
    """A workload in the API's own forms; whatever is empty here is left out of a request.

    `objects` are the launch bundle where there is one, by its S3 URI. `run_prefix` is where this run's outputs go, without a
    final slash.
    """

    environment: Mapping[str, str]
    hyperparameters: Mapping[str, str]
    command: Sequence[str]
    objects: Mapping[str, bytes]
    tags: Sequence[Mapping[str, str]]
    vpc: Mapping[str, Any]
    run_prefix: str


def request_parts(workload: Workload, launch: Launch, slots: Slots) -> RequestParts:
    """The parts of a request that has these slots for variables, hyperparameters and a command."""
    shares = split(workload, launch, slots)
    network = workload.network
    return RequestParts(
        environment=shares.environment,
        hyperparameters=shares.hyperparameters,
        command=shares.command,
        objects=shares.objects,
        tags=[{"Key": key, "Value": value} for key, value in sorted(workload.tags.items())],
        vpc={"SecurityGroupIds": list(network.security_groups), "Subnets": list(network.subnets)} if network.subnets else {},
        run_prefix=f"{launch.s3_prefix}/{launch.job_name}",
    )


def set_members(request: Mapping[str, Any]) -> dict[str, Any]:
    """A request without the members that are None, False or empty, at every level: the API's own defaults are not sent."""
    members = {name: set_members(value) if isinstance(value, dict) else value for name, value in request.items()}
    return {name: value for name, value in members.items() if _is_set(value)}


def _is_set(value: Any) -> bool:
    # 0 and "" are said.
    return value is not None and value is not False and not (isinstance(value, dict | list | tuple) and not value)
