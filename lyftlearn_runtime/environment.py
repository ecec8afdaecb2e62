"""The SM_* variables: the union of what SageMaker's v2 toolkit and v3 driver set. The service itself sets none of them.

Sources: aws/sagemaker-training-toolkit (src/sagemaker_training/environment.py) and aws/sagemaker-python-sdk
(container_drivers/scripts/environment.py). Where both set a name, the bytes are the toolkit's: compact, sorted JSON.
"""

from __future__ import annotations

from lyftlearn_runtime import contract, hyperparameters
from lyftlearn_runtime.cluster import CONFIG_DIR, MASTER_PORT, rank_variables
from lyftlearn_runtime.frozen import namedtuple
from lyftlearn_runtime.hyperparameters import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from lyftlearn_runtime.cluster import Cluster
    from lyftlearn_runtime.program import Program

_DATA_DIR = "/opt/ml/input/data"
_LOG_LEVEL = 20  # logging.INFO, the toolkit's default
_DIRECTORIES = {
    "SM_MODEL_DIR": "/opt/ml/model",
    "SM_INPUT_DIR": "/opt/ml/input",
    "SM_INPUT_DATA_DIR": _DATA_DIR,
    "SM_INPUT_CONFIG_DIR": CONFIG_DIR,
    "SM_OUTPUT_DIR": "/opt/ml/output",
    "SM_OUTPUT_DATA_DIR": "/opt/ml/output/data",
    "SM_OUTPUT_INTERMEDIATE_DIR": "/opt/ml/output/intermediate",
    "SM_OUTPUT_FAILURE": "/opt/ml/output/failure",
    "SM_MODULE_DIR": contract.CODE_DIR,
    "SM_SOURCE_DIR": contract.CODE_DIR,
}


# `hyperparameters` are all of them with their types; `resource_config` and `input_data_config` are the files' content.
TrainingJob = namedtuple(
    "TrainingJob",
    ["name", "hyperparameters", "cluster", "resource_config", "input_data_config", "num_cpus", "num_gpus", "program"],
)


def training_variables(job: TrainingJob) -> dict[str, str]:
    """The variables of a training job."""
    return {
        **_DIRECTORIES,
        **_program_variables(job.program),
        **_cluster_variables(job.cluster),
        **_channel_variables(job.input_data_config),
        **hyperparameters.sm_variables(hyperparameters.script_values(job.hyperparameters)),
        "SM_LOG_LEVEL": str(_log_level(job)),
        "SM_NUM_CPUS": str(job.num_cpus),
        "SM_NUM_GPUS": str(job.num_gpus),
        "SM_NUM_NEURONS": "0",
        "SM_FRAMEWORK_MODULE": "",
        "SM_FRAMEWORK_PARAMS": dumps(hyperparameters.framework_values(job.hyperparameters)),
        "SM_RESOURCE_CONFIG": dumps(job.resource_config),
        "SM_INPUT_DATA_CONFIG": dumps(job.input_data_config),
        "SM_TRAINING_ENV": dumps(_training_env(job)),
        "SAGEMAKER_JOB_NAME": str(job.hyperparameters.get("sagemaker_job_name") or job.name),
        **_submitted_variables(job.hyperparameters),
    }


def keys_by_variable(keys: Iterable[str]) -> dict[str, list[str]]:
    """The keys of a set by the variables that they become. The last of several is the one to take: a key that is spelt so."""
    found = {}  # type: dict[str, list[str]]
    for key in keys:
        found.setdefault(variable_name(key), []).append(key)
    return {name: sorted(several, key=name.__eq__) if len(several) > 1 else several for name, several in found.items()}


def python_path(own: str) -> str:
    """The PYTHONPATH of a program that `train` starts: the code's directory before what the workload or the image says.

    A program in a sub-directory imports from there under AWS's toolkit, which sets it so (seen in its log of variables).
    """
    return own if contract.CODE_DIR in own.split(":") else contract.CODE_DIR + (":" + own if own else "")


def _program_variables(program: Program) -> dict[str, str]:
    return {
        "SM_USER_ENTRY_POINT": program.name,
        "SM_ENTRY_SCRIPT": program.name,
        "SM_MODULE_NAME": _module(program.name),
        "SM_USER_ARGS": dumps(program.arguments),
    }


def _submitted_variables(values: Mapping[str, Any]) -> dict[str, str]:
    """What of the hyperparameters that an SDK adds is a variable: the toolkit calls the archive the module's directory."""
    names = {"SM_MODULE_DIR": "sagemaker_submit_directory", "SAGEMAKER_REGION": "sagemaker_region"}
    return {name: str(values[key]) for name, key in names.items() if values.get(key)}


def _log_level(job: TrainingJob) -> Any:
    return job.hyperparameters.get("sagemaker_container_log_level", _LOG_LEVEL)


def variable_name(key: str) -> str:
    """The variable for a key of a set: as it is spelt, with `_` for what a shell cannot have in a name."""
    name = "".join(one if one.isalnum() and one.isascii() else "_" for one in key)
    return "_" + name if name[:1].isdigit() else name


def _module(name: str) -> str:
    return name[: -len(".py")] if name.endswith(".py") else name  # noqa: FURB188 - removesuffix needs Python 3.9


def _cluster_variables(cluster: Cluster) -> dict[str, str]:
    group = cluster.groups.get(cluster.group, {})
    return {
        "SM_HOSTS": dumps(cluster.hosts),
        "SM_HOST_COUNT": str(len(cluster.hosts)),
        "SM_CURRENT_HOST": cluster.host,
        "SM_CURRENT_HOST_RANK": str(cluster.rank),
        "SM_CURRENT_INSTANCE_TYPE": cluster.instance_type,
        "SM_CURRENT_INSTANCE_GROUP": cluster.group,
        "SM_CURRENT_INSTANCE_GROUP_HOSTS": dumps(group.get("hosts", [])),
        "SM_INSTANCE_GROUPS": dumps(list(cluster.groups)),
        "SM_INSTANCE_GROUPS_DICT": dumps(cluster.groups),
        "SM_DISTRIBUTION_INSTANCE_GROUPS": "[]",
        "SM_IS_HETERO": dumps(len(cluster.groups) > 1),
        "SM_NETWORK_INTERFACE_NAME": cluster.interface,
        "SM_MASTER_ADDR": cluster.hosts[0],
        "SM_MASTER_PORT": MASTER_PORT,
        **rank_variables(cluster),
        "CURRENT_HOST": cluster.host,
        "MASTER_ADDR": cluster.hosts[0],
        "MASTER_PORT": MASTER_PORT,
    }


def _channel_variables(inputs: Mapping[str, Any]) -> dict[str, str]:
    """A variable for each channel, and one more that a shell can read where the name has a hyphen or a dot."""
    exact = {"SM_CHANNEL_" + name.upper(): f"{_DATA_DIR}/{name}" for name in inputs}
    found = {name.replace("-", "_").replace(".", "_"): path for name, path in exact.items()}
    found.update(exact)
    found["SM_CHANNELS"] = dumps(sorted(inputs))
    return found


def _training_env(job: TrainingJob) -> dict[str, Any]:
    """SM_TRAINING_ENV: the keys of both, most of which are the variables above in lower case."""
    cluster = job.cluster
    return {
        **{name[len("SM_") :].lower(): path for name, path in _DIRECTORIES.items()},
        "module_dir": _submitted_variables(job.hyperparameters).get("SM_MODULE_DIR", contract.CODE_DIR),
        "additional_framework_parameters": hyperparameters.framework_values(job.hyperparameters),
        "channel_input_dirs": {name: f"{_DATA_DIR}/{name}" for name in job.input_data_config},
        "current_host": cluster.host,
        "current_instance_group": cluster.group,
        "current_instance_group_hosts": cluster.groups.get(cluster.group, {}).get("hosts", []),
        "current_instance_type": cluster.instance_type,
        "distribution_hosts": [],
        "distribution_instance_groups": [],
        "framework_module": None,
        "hosts": cluster.hosts,
        "hyperparameters": hyperparameters.script_values(job.hyperparameters),
        "input_data_config": job.input_data_config,
        "instance_groups": list(cluster.groups),
        "instance_groups_dict": cluster.groups,
        "is_hetero": len(cluster.groups) > 1,
        "is_master": cluster.rank == 0,
        "is_modelparallel_enabled": None,
        "job_name": job.name,
        "log_level": _log_level(job),
        "master_addr": cluster.hosts[0],
        "master_hostname": cluster.hosts[0],
        "master_port": MASTER_PORT,
        "module_name": _module(job.program.name),
        "network_interface_name": cluster.interface,
        "num_cpus": job.num_cpus,
        "num_gpus": job.num_gpus,
        "num_neurons": 0,
        "resource_config": job.resource_config,
        "user_entry_point": job.program.name,
    }
