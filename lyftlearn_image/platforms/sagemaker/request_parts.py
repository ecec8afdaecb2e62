"""Parts that many requests share, for as far as the workload says something of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lyftlearn_image.workload import Workload


def filled(values: dict[str, Any]) -> dict[str, Any]:
    """Without what was not said."""
    return {name: value for name, value in values.items() if value is not None}


def tags(workload: Workload) -> dict[str, Any]:
    """`Tags`, or nothing."""
    listed = [{"Key": key, "Value": value} for key, value in sorted(workload.tags.items())]
    return {"Tags": listed} if listed else {}


def vpc(workload: Workload) -> dict[str, Any]:
    """A VpcConfig."""
    network = workload.network
    return {"SecurityGroupIds": list(network.security_groups), "Subnets": list(network.subnets)}
