"""The job as its script may ask for it: directories, channels, hyperparameters, hosts."""

from __future__ import annotations

import glob
import json
import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import mapping, params

if TYPE_CHECKING:
    from collections.abc import Iterator

    _Facts = Mapping[str, Any]
else:
    _Facts = Mapping  # Python 3.8 has no types for it

SAGEMAKER_BASE_PATH = "/opt/ml"
BASE_PATH_ENV = "SAGEMAKER_BASE_DIR"
HYPERPARAMETERS_FILE = "hyperparameters.json"
RESOURCE_CONFIG_FILE = "resourceconfig.json"
INPUT_DATA_CONFIG_FILE = "inputdataconfig.json"

base_dir = os.environ.get(BASE_PATH_ENV, SAGEMAKER_BASE_PATH)
code_dir = os.path.join(base_dir, "code")
model_dir = os.path.join(base_dir, "model")
input_dir = os.path.join(base_dir, "input")
input_config_dir = os.path.join(input_dir, "config")
output_dir = os.path.join(base_dir, "output")
output_data_dir = os.path.join(output_dir, "data")
output_intermediate_dir = os.path.join(output_dir, "intermediate")
hyperparameters_file_dir = os.path.join(input_config_dir, HYPERPARAMETERS_FILE)
resource_config_file_dir = os.path.join(input_config_dir, RESOURCE_CONFIG_FILE)
input_data_config_file_dir = os.path.join(input_config_dir, INPUT_DATA_CONFIG_FILE)

_DEFAULT_GROUP = "homogeneousCluster"
# Hyperparameters by which the SDK asks for a distribution over the hosts of the current group.
_DISTRIBUTIONS = (
    params.MPI_ENABLED, params.PARAMETER_SERVER_ENABLED, "sagemaker_distributed_dataparallel_enabled",
    "sagemaker_pytorch_ddp_enabled", params.PYTORCH_XLA_MULTI_WORKER_ENABLED, params.MULTI_WORKER_MIRRORED_STRATEGY_ENABLED,
    "sagemaker_torch_distributed_enabled",
)  # fmt: skip


def read_hyperparameters() -> dict[str, Any]:
    """The hyperparameters with their types: JSON where it is JSON, else the text."""
    return {name: _decode(value) for name, value in _read_json(hyperparameters_file_dir).items()}


def read_resource_config() -> dict[str, Any]:
    """The hosts, as resourceconfig.json has them."""
    return _read_json(resource_config_file_dir)


def read_input_data_config() -> dict[str, Any]:
    """The channels, as inputdataconfig.json has them."""
    return _read_json(input_data_config_file_dir)


def channel_path(channel: str) -> str:
    """The directory of a channel."""
    return os.path.join(input_dir, "data", channel)


def num_cpus() -> int:
    """How many CPUs this container has."""
    return int(os.environ.get("SM_NUM_CPUS") or len(os.sched_getaffinity(0)))


def num_gpus() -> int:
    """How many GPUs this container has."""
    return int(os.environ.get("SM_NUM_GPUS") or len(glob.glob("/dev/nvidia[0-9]*")))


def num_neurons(_: str = "") -> int:
    """How many Neuron cores this container has."""
    return int(os.environ.get("SM_NUM_NEURONS") or 0)


def write_env_vars(env_vars: Mapping[str, str] | None = None) -> None:
    """Sets variables of this process."""
    os.environ.update(env_vars or {})


class Environment(_Facts):
    """All of a job's facts, as attributes and as items: `env.hosts`, `env["hosts"]`, `dict(env)`."""

    def __init__(
        self,
        resource_config: Mapping[str, Any] | None = None,
        input_data_config: Mapping[str, Any] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
    ) -> None:
        resources = dict(resource_config or read_resource_config())
        inputs = dict(input_data_config or read_input_data_config())
        said = mapping.split_by_criteria(
            hyperparameters or read_hyperparameters(), params.SAGEMAKER_HYPERPARAMETERS, params.SAGEMAKER_PREFIX
        )
        self._s3_output: str | None = said.included.get(params.S3_OUTPUT_LOCATION_PARAM)
        self._values = {
            **_directories(said.included),
            **_program(said.included),
            **_hosts(resources, _framework_parameters(said.included)),
            "additional_framework_parameters": _framework_parameters(said.included),
            "channel_input_dirs": {channel: channel_path(channel) for channel in inputs},
            "framework_module": os.environ.get(params.FRAMEWORK_TRAINING_MODULE_ENV),
            "hyperparameters": said.excluded,
            "input_data_config": inputs,
            "is_modelparallel_enabled": _is_model_parallel(),
            "is_smddpmprun_installed": False,
            "is_smddprun_installed": False,
            "job_name": os.environ.get(params.TRAINING_JOB_ENV),
            "log_level": said.included.get(params.LOG_LEVEL_PARAM, logging.INFO),
            "num_cpus": num_cpus(),
            "num_gpus": num_gpus(),
            "num_neurons": num_neurons(),
            "resource_config": resources,
        }

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_values"][name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no {name}") from None

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._values))

    def __len__(self) -> int:
        return len(self._values)

    def __str__(self) -> str:
        return str(dict(self))

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *self._values]

    def properties(self) -> list[str]:
        """The names of all facts."""
        return list(self)

    def sagemaker_s3_output(self) -> str | None:
        """Where an SDK wants intermediate output."""
        return self._s3_output

    def to_cmd_args(self) -> list[str]:
        """The hyperparameters as words of a command line."""
        return list(mapping.to_cmd_args(self.hyperparameters))

    def to_env_vars(self) -> dict[str, str]:
        """All facts as the variables of a script."""
        renamed = {"hyperparameters": "hps", "additional_framework_parameters": "framework_params"}
        left_out = {
            "channel_input_dirs", "is_master", "is_modelparallel_enabled", "is_smddpmprun_installed", "is_smddprun_installed",
            "job_name", "master_hostname", "distribution_hosts", "topology",
        }  # fmt: skip
        found = {renamed.get(name, name): value for name, value in self.items() if name not in left_out}
        found.update(channels=sorted(self.channel_input_dirs), training_env=dict(self), user_args=self.to_cmd_args())
        if self.topology:
            found["topology"] = self.topology
        found.update({f"channel_{name}": path for name, path in self.channel_input_dirs.items()})
        found.update({f"hp_{name}": value for name, value in self.hyperparameters.items()})
        return dict(mapping.to_env_vars(found))


def _read_json(path: str) -> dict[str, Any]:
    with open(path) as file:
        return dict(json.load(file))


def _decode(value: Any) -> Any:
    try:
        return json.loads(value)
    except (ValueError, TypeError):
        return value


def _framework_parameters(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name not in params.SAGEMAKER_HYPERPARAMETERS}


def _directories(said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "input_config_dir": input_config_dir,
        "input_dir": input_dir,
        "model_dir": model_dir,
        "module_dir": str(said.get(params.SUBMIT_DIR_PARAM, code_dir)),
        "output_data_dir": output_data_dir,
        "output_dir": output_dir,
        "output_intermediate_dir": output_intermediate_dir,
    }


def _program(said: Mapping[str, Any]) -> dict[str, Any]:
    name = os.environ.get(params.USER_PROGRAM_ENV) or said.get(params.USER_PROGRAM_PARAM)
    module = str(name)
    module = module[: -len(".py")] if module.endswith(".py") else module  # noqa: FURB188 - removesuffix needs Python 3.9
    return {"user_entry_point": name, "module_name": module}


def _hosts(resources: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    groups = {group["instance_group_name"]: group for group in resources.get("instance_groups", [])}
    here = resources.get("current_group_name", _DEFAULT_GROUP)
    asked = [here] if any(parameters.get(name) for name in _DISTRIBUTIONS) else []
    distributed = parameters.get(params.DISTRIBUTION_INSTANCE_GROUPS, asked)
    # Local mode says nothing of groups.
    over = [host for name, group in groups.items() if name in distributed for host in group["hosts"]]
    over = over if groups else list(resources["hosts"])
    master = (over or resources["hosts"])[0]
    return {
        "current_host": resources["current_host"],
        "current_instance_group": here,
        "current_instance_group_hosts": groups.get(here, {}).get("hosts", []),
        "current_instance_type": resources.get("current_instance_type", "local"),
        "distribution_hosts": over,
        "distribution_instance_groups": distributed,
        "hosts": resources["hosts"],
        "instance_groups": list(groups),
        "instance_groups_dict": groups,
        "is_hetero": len(groups) > 1,
        "is_master": resources["current_host"] == master,
        "master_hostname": master,
        "network_interface_name": resources.get("network_interface_name", "eth0"),
        "topology": resources.get("topology", []),
    }


def _is_model_parallel() -> bool | str | None:
    """As the toolkit has it: None where nothing is said."""
    said = os.environ.get(params.SM_HP_MP_PARAMETERS)
    return said and said != "{}"
