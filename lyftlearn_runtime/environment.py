"""The variables of the contract: the union of what SageMaker's v2 toolkit and v3 driver set, and the thread counts.

Sources: aws/sagemaker-training-toolkit (ENVIRONMENT_VARIABLES.md, src/sagemaker_training/environment.py) and
aws/sagemaker-python-sdk (container_drivers/scripts/environment.py). Neither service sets an SM_* variable itself.
"""

from __future__ import annotations

import json
import os

from lyftlearn_runtime import hyperparameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_CONFIG_DIR = "/opt/ml/input/config"
# One NAME=value string may have 131,072 bytes with its NUL (Linux MAX_ARG_STRLEN).
LONGEST_STRING = 131072
# All variables and arguments together may take a quarter of the stack's limit, 2 MiB of 8; the rest is for the script.
LARGEST_TOTAL = 1 << 20


def read_config(name: str) -> dict[str, Any]:
    """A file of /opt/ml/input/config as an object; {} when it is not there or is none."""
    try:
        with open("%s/%s" % (_CONFIG_DIR, name), "rb") as file:
            document = json.loads(file.read().decode("utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def training(  # noqa: PLR0913, PLR0917 - its parts, each said once
    values: Mapping[str, Any],
    resources: Mapping[str, Any],
    inputs: Mapping[str, Any],
    cpus: int,
    program: str,
    arguments: list[str],
) -> dict[str, str]:
    """The SM_* variables of a training job."""
    hosts = resources.get("hosts") or ["algo-1"]
    host = resources.get("current_host") or hosts[0]
    groups = resources.get("instance_groups") or []
    group = resources.get("current_group_name") or "homogeneousCluster"
    interface = resources.get("network_interface_name") or "eth0"
    channels = sorted(inputs)
    found = {
        "SM_MODEL_DIR": "/opt/ml/model",
        "SM_INPUT_DIR": "/opt/ml/input",
        "SM_INPUT_DATA_DIR": "/opt/ml/input/data",
        "SM_INPUT_CONFIG_DIR": _CONFIG_DIR,
        "SM_OUTPUT_DIR": "/opt/ml/output",
        "SM_OUTPUT_DATA_DIR": "/opt/ml/output/data",
        "SM_OUTPUT_INTERMEDIATE_DIR": "/opt/ml/output/intermediate",
        "SM_OUTPUT_FAILURE": "/opt/ml/output/failure",
        "SM_MODULE_DIR": "/opt/ml/code",
        "SM_SOURCE_DIR": "/opt/ml/code",
        "SM_LOG_LEVEL": "20",
        "SM_CHANNELS": hyperparameters.dumps(channels),
        "SM_HOSTS": hyperparameters.dumps(hosts),
        "SM_HOST_COUNT": str(len(hosts)),
        "SM_CURRENT_HOST": host,
        "SM_CURRENT_HOST_RANK": str(hosts.index(host) if host in hosts else 0),
        "SM_CURRENT_INSTANCE_TYPE": resources.get("current_instance_type") or "",
        "SM_CURRENT_INSTANCE_GROUP": group,
        "SM_CURRENT_INSTANCE_GROUP_HOSTS": hyperparameters.dumps(hosts),
        "SM_INSTANCE_GROUPS": hyperparameters.dumps([one.get("instance_group_name") for one in groups] or [group]),
        "SM_INSTANCE_GROUPS_DICT": hyperparameters.dumps({one.get("instance_group_name"): one for one in groups}),
        "SM_DISTRIBUTION_INSTANCE_GROUPS": "[]",
        "SM_IS_HETERO": "false",
        "SM_NETWORK_INTERFACE_NAME": interface,
        "SM_MASTER_ADDR": hosts[0],
        "SM_MASTER_PORT": "7777",
        "SM_NUM_CPUS": str(cpus),
        "SM_NUM_GPUS": str(gpus()),
        "SM_NUM_NEURONS": "0",
        "SM_FRAMEWORK_MODULE": "",
        "SM_FRAMEWORK_PARAMS": "{}",
        "SM_USER_ENTRY_POINT": os.path.basename(program),
        "SM_ENTRY_SCRIPT": program,
        "SM_MODULE_NAME": os.path.splitext(os.path.basename(program))[0],
        "SM_USER_ARGS": hyperparameters.dumps(arguments),
        "SM_RESOURCE_CONFIG": hyperparameters.dumps(resources),
        "SM_INPUT_DATA_CONFIG": hyperparameters.dumps(inputs),
        "CURRENT_HOST": host,
        "MASTER_ADDR": hosts[0],
        "MASTER_PORT": "7777",
    }
    for channel in channels:
        found["SM_CHANNEL_" + channel.upper()] = found["SM_CHANNEL_" + channel.upper().replace("-", "_").replace(".", "_")] = (
            "/opt/ml/input/data/" + channel
        )
    found.update(hyperparameters.variables(values))
    keys = {
        "channel_input_dirs": {one: "/opt/ml/input/data/" + one for one in channels},
        "hyperparameters": values,
        "hosts": hosts,
    }
    keys.update(current_host=host, network_interface_name=interface, num_cpus=cpus, num_gpus=gpus(), model_dir="/opt/ml/model")
    keys.update(output_data_dir="/opt/ml/output/data", input_data_config=inputs, resource_config=resources)
    found["SM_TRAINING_ENV"] = hyperparameters.dumps(keys)
    return found


def threads(cpus: int) -> dict[str, str]:
    """How many threads numerical libraries may start: by default they take the node's cores, not the container's."""
    return {name: str(cpus) for name in _THREADS}


def cpu_count(quota: float | None) -> int:
    """Whole CPUs that this container may use: its affinity, cut to its cgroup's quota, at least one."""
    available = len(os.sched_getaffinity(0))
    return available if quota is None else max(1, min(available, int(quota)))


def gpus() -> int:
    """NVIDIA devices in this container. A variable such as NVIDIA_VISIBLE_DEVICES is set on machines without any, too."""
    try:
        names = os.listdir("/dev")
    except OSError:
        return 0
    return sum(1 for name in names if name.startswith("nvidia") and name[len("nvidia") :].isdigit())


def cpu_quota(root: str = "/sys/fs/cgroup") -> float | None:
    """CPUs that the cgroup allows (v2 cpu.max, v1 cfs quota), None without a limit."""
    quota = _words("%s/cpu.max" % root)
    if quota:
        return None if quota[0] == "max" else int(quota[0]) / int(quota[1])
    for controller in ("cpu", "cpu,cpuacct"):
        value = _words("%s/%s/cpu.cfs_quota_us" % (root, controller))
        period = _words("%s/%s/cpu.cfs_period_us" % (root, controller))
        if value and period:
            return int(value[0]) / int(period[0]) if int(value[0]) > 0 else None
    return None


def memory_limit(root: str = "/sys/fs/cgroup") -> int | None:
    """Bytes that the cgroup allows, None without a limit."""
    value = _words("%s/memory.max" % root) or _words("%s/memory/memory.limit_in_bytes" % root)
    # v1 says "no limit" with the largest multiple of a page that a signed 64-bit number holds.
    return None if not value or value[0] == "max" or int(value[0]) > 1 << 60 else int(value[0])


def _words(path: str) -> list[str]:
    try:
        with open(path) as file:
            return file.read().split()
    except OSError:
        return []


def fitting(variables: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The variables that execve takes, and the names of those that it does not: too long, a NUL, too much in all."""
    kept: dict[str, str] = {}
    left: list[str] = []
    total = 0
    for name, value in variables.items():
        size = len(os.fsencode(name)) + len(value.encode("utf-8", "surrogatepass")) + 2
        if size > LONGEST_STRING or total + size > LARGEST_TOTAL or "\0" in value or "\0" in name or "=" in name:
            left.append(name)
        else:
            kept[name] = value
            total += size
    return kept, left
