"""The hosts of a job and this one's place among them, from resourceconfig.json."""

from __future__ import annotations

import json
from collections import namedtuple

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CONFIG_DIR = "/opt/ml/input/config"
HOST = "algo-1"
GROUP = "homogeneousCluster"
INTERFACE = "eth0"
# The v3 driver's; the same on every host, so that all find the first one.
MASTER_PORT = "7777"

Cluster = namedtuple("Cluster", ["hosts", "host", "rank", "instance_type", "group", "groups", "interface"])


def read_config(name: str, directory: str = CONFIG_DIR) -> dict[str, Any]:
    """A file that SageMaker writes for a job, as an object; {} when it is not there. ShimError when it is malformed."""
    path = f"{directory}/{name}"
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read().decode("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ShimError(f"{path} cannot be read: {error}", contract.EXIT_CONFIG) from None
    if not isinstance(document, dict):
        raise ShimError(f"{path} is not an object", contract.EXIT_CONFIG)
    return document


def of(resources: Mapping[str, Any]) -> Cluster:
    """The cluster that resourceconfig.json describes; one host of its own where there is no such file.

    Ranks follow the sorted `hosts`: the hosts of an instance group come unsorted (SageMaker developer guide,
    train-heterogeneous-cluster).
    """
    hosts = sorted(resources.get("hosts") or [HOST])
    host = resources.get("current_host") or hosts[0]
    return Cluster(
        hosts,
        host,
        hosts.index(host) if host in hosts else 0,
        resources.get("current_instance_type") or "",
        resources.get("current_group_name") or GROUP,
        {one["instance_group_name"]: one for one in resources.get("instance_groups") or []},
        resources.get("network_interface_name") or INTERFACE,
    )


def resource_config(instance_type: str) -> dict[str, Any]:
    """What SageMaker writes to resourceconfig.json for a job on one host (keys as seen in real training jobs)."""
    return {
        "current_host": HOST,
        "current_instance_type": instance_type,
        "current_group_name": GROUP,
        "hosts": [HOST],
        "instance_groups": [{"instance_group_name": GROUP, "instance_type": instance_type, "hosts": [HOST]}],
        "network_interface_name": INTERFACE,
        "topology": None,
    }
