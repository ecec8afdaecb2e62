"""The hosts of a job and this one's place among them, from resourceconfig.json."""

from __future__ import annotations

import time

from lyftlearn_runtime import contract
from lyftlearn_runtime.deadline import hosts_timeout
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.frozen import namedtuple
from lyftlearn_runtime.quick_json import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

CONFIG_DIR = "/opt/ml/input/config"
HOST = "algo-1"
GROUP = "homogeneousCluster"
INTERFACE = "eth0"
# The v3 driver's; the same on every host, so that all find the first one.
MASTER_PORT = "7777"
_ASK_S = 0.5

Cluster = namedtuple("Cluster", ["hosts", "host", "rank", "instance_type", "group", "groups", "interface"])


def read_config(name: str, directory: str = CONFIG_DIR) -> dict[str, Any]:
    """A file that SageMaker writes for a job, as an object; {} when it is not there. ShimError when it is malformed."""
    path = f"{directory}/{name}"
    try:
        with open(path, "rb") as file:
            document = loads(file.read().decode("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ShimError(f"{path} cannot be read: {error}", contract.EXIT_CONFIG) from None
    if not isinstance(document, dict):
        raise ShimError(f"{path} is not an object", contract.EXIT_CONFIG)
    return document


def parse_resource_config(resources: Mapping[str, Any]) -> Cluster:
    """The cluster that resourceconfig.json describes; one host of its own where there is no such file.

    Ranks follow the sorted `hosts`: the hosts of an instance group come unsorted (SageMaker developer guide,
    train-heterogeneous-cluster). ShimError when something in it is of another kind than SageMaker writes.
    """
    try:
        hosts = sorted(_text(one) for one in resources.get("hosts") or [HOST])
        host = _text(resources.get("current_host") or hosts[0])
        return Cluster(
            hosts,
            host,
            hosts.index(host) if host in hosts else 0,
            _text(resources.get("current_instance_type") or ""),
            _text(resources.get("current_group_name") or GROUP),
            {_text(one["instance_group_name"]): dict(one) for one in resources.get("instance_groups") or []},
            _text(resources.get("network_interface_name") or INTERFACE),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ShimError(f"{CONFIG_DIR}/resourceconfig.json is malformed: {error}", contract.EXIT_CONFIG) from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a string")
    return value


def wait_for_hosts(cluster: Cluster, environ: Mapping[str, str]) -> None:
    """Returns when every host of the job has an address; ShimError that names those that have none in time.

    Hosts of a job start one after the other, and a name is known when its host has started.
    """
    import socket  # noqa: PLC0415 - only for several hosts

    deadline = time.monotonic() + hosts_timeout(environ)
    missing = list(cluster.hosts)
    while missing:
        missing = [host for host in missing if not _has_address(socket, host)]
        if missing and time.monotonic() > deadline:
            raise ShimError(
                f"no address for {', '.join(missing)}: are all {len(cluster.hosts)} hosts of the job running?",
                contract.EXIT_UNAVAILABLE,
            )
        if missing:
            time.sleep(_ASK_S)


def _has_address(socket: Any, host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True


def rank_variables(cluster: Cluster) -> dict[str, str]:
    """What torch's `env://` reads (torch.distributed), one process a host; nothing for a job on one host."""
    if len(cluster.hosts) < 2:
        return {}
    rank, size = str(cluster.rank), str(len(cluster.hosts))
    return {"RANK": rank, "NODE_RANK": rank, "LOCAL_RANK": "0", "WORLD_SIZE": size}


def resource_config(instance_type: str, hosts: Sequence[str], index: int) -> dict[str, Any]:
    """What SageMaker writes to resourceconfig.json for the job's host number `index` (keys as seen in real training jobs).

    The hosts of the group are not in the order of `hosts`, in real jobs neither: who takes ranks from there must notice.
    """
    names = list(hosts) or [HOST]
    return {
        "current_host": names[index],
        "current_instance_type": instance_type,
        "current_group_name": GROUP,
        "hosts": sorted(names),
        "instance_groups": [{"instance_group_name": GROUP, "instance_type": instance_type, "hosts": names[::-1]}],
        "network_interface_name": INTERFACE,
        "topology": None,
    }
