"""The SM_* variables: every one of them, and its bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lyftlearn_runtime import hyperparameters
from lyftlearn_runtime.cluster import parse_resource_config, resource_config
from lyftlearn_runtime.environment import TrainingJob, training_variables, variable_name
from lyftlearn_runtime.program import Program

VALUES = {
    "lr": 0.1, "batch-size": 32, "name": "é", "sagemaker_mpi_enabled": True, "sagemaker_program": "train.py",
    "_tuning_objective_metric": "auc",
}  # fmt: skip
INPUTS = {"train": {"TrainingInputMode": "File"}, "my-data.csv": {"TrainingInputMode": "Pipe"}}
PROGRAM = Program(["python", "train.py", "--lr", "0.1"], "train.py", ["--lr", "0.1"], [], "/opt/ml/code")


def compact(value: object) -> str:
    """JSON as the v2 toolkit writes it: sorted, without a blank, in ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def job(hosts: list[str], index: int, values: dict[str, Any] | None = None) -> TrainingJob:
    """A training job as its host number `index` sees it."""
    resources = resource_config("ml.m5.large", hosts, index)
    values = VALUES if values is None else values
    return TrainingJob("job-1", values, parse_resource_config(resources), resources, INPUTS, 4, 2, PROGRAM)


def test_a_training_job_has_every_variable() -> None:
    """The union of what the v2 toolkit and the v3 driver set, on the second of two hosts: these, and no others."""
    resources = resource_config("ml.m5.large", ["algo-1", "algo-2"], 1)
    group = {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.large", "hosts": ["algo-2", "algo-1"]}
    own = {"lr": 0.1, "batch-size": 32, "name": "é"}
    directories = {
        "model_dir": "/opt/ml/model", "input_dir": "/opt/ml/input", "input_data_dir": "/opt/ml/input/data",
        "input_config_dir": "/opt/ml/input/config", "output_dir": "/opt/ml/output",
        "output_data_dir": "/opt/ml/output/data", "output_intermediate_dir": "/opt/ml/output/intermediate",
        "output_failure": "/opt/ml/output/failure", "module_dir": "/opt/ml/code", "source_dir": "/opt/ml/code",
    }  # fmt: skip
    found = training_variables(job(["algo-1", "algo-2"], 1))
    in_json = json.loads(found.pop("SM_TRAINING_ENV"))
    assert found == {
        **{f"SM_{name.upper()}": path for name, path in directories.items()},
        "SM_HPS": compact(own),
        "SM_HP_LR": "0.1",
        "SM_HP_BATCH-SIZE": "32",
        "SM_HP_BATCH_SIZE": "32",
        "SM_HP_NAME": "é",
        "SM_USER_ENTRY_POINT": "train.py",
        "SM_ENTRY_SCRIPT": "train.py",
        "SM_MODULE_NAME": "train",
        "SM_USER_ARGS": '["--lr","0.1"]',
        "SM_HOSTS": '["algo-1","algo-2"]',
        "SM_HOST_COUNT": "2",
        "SM_CURRENT_HOST": "algo-2",
        "SM_CURRENT_HOST_RANK": "1",
        "SM_CURRENT_INSTANCE_TYPE": "ml.m5.large",
        "SM_CURRENT_INSTANCE_GROUP": "homogeneousCluster",
        "SM_CURRENT_INSTANCE_GROUP_HOSTS": '["algo-2","algo-1"]',
        "SM_INSTANCE_GROUPS": '["homogeneousCluster"]',
        "SM_INSTANCE_GROUPS_DICT": compact({"homogeneousCluster": group}),
        "SM_DISTRIBUTION_INSTANCE_GROUPS": "[]",
        "SM_IS_HETERO": "false",
        "SM_NETWORK_INTERFACE_NAME": "eth0",
        "SM_MASTER_ADDR": "algo-1",
        "SM_MASTER_PORT": "7777",
        "RANK": "1",
        "NODE_RANK": "1",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "2",
        "CURRENT_HOST": "algo-2",
        "MASTER_ADDR": "algo-1",
        "MASTER_PORT": "7777",
        "SM_CHANNEL_TRAIN": "/opt/ml/input/data/train",
        "SM_CHANNEL_MY-DATA.CSV": "/opt/ml/input/data/my-data.csv",
        "SM_CHANNEL_MY_DATA_CSV": "/opt/ml/input/data/my-data.csv",
        "SM_CHANNELS": '["my-data.csv","train"]',
        "SM_LOG_LEVEL": "20",
        "SM_NUM_CPUS": "4",
        "SM_NUM_GPUS": "2",
        "SM_NUM_NEURONS": "0",
        "SM_FRAMEWORK_MODULE": "",
        "SM_FRAMEWORK_PARAMS": '{"sagemaker_mpi_enabled":true}',
        "SM_RESOURCE_CONFIG": compact(resources),
        "SM_INPUT_DATA_CONFIG": compact(INPUTS),
        "SAGEMAKER_JOB_NAME": "job-1",
    }
    assert in_json == {
        **directories,
        "additional_framework_parameters": {"sagemaker_mpi_enabled": True},
        "channel_input_dirs": {name: f"/opt/ml/input/data/{name}" for name in INPUTS},
        "current_host": "algo-2",
        "current_instance_group": "homogeneousCluster",
        "current_instance_group_hosts": ["algo-2", "algo-1"],
        "current_instance_type": "ml.m5.large",
        "distribution_hosts": [],
        "distribution_instance_groups": [],
        "framework_module": None,
        "hosts": ["algo-1", "algo-2"],
        "hyperparameters": own,
        "input_data_config": INPUTS,
        "instance_groups": ["homogeneousCluster"],
        "instance_groups_dict": {"homogeneousCluster": group},
        "is_hetero": False,
        "is_master": False,
        "is_modelparallel_enabled": None,
        "job_name": "job-1",
        "log_level": 20,
        "master_addr": "algo-1",
        "master_hostname": "algo-1",
        "master_port": "7777",
        "module_name": "train",
        "network_interface_name": "eth0",
        "num_cpus": 4,
        "num_gpus": 2,
        "num_neurons": 0,
        "resource_config": resources,
        "user_entry_point": "train.py",
    }


@given(st.dictionaries(st.text(max_size=8), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers())))
def test_sm_hps_has_the_scripts_values(values: dict[str, Any]) -> None:
    """All of them with their types and none of the toolkit's own, in the toolkit's bytes; each has its own variable too."""
    found = training_variables(job([], 0, values))
    own = hyperparameters.script_values(values)
    assert found["SM_HPS"] == compact(own)
    assert json.loads(found["SM_HPS"]) == own
    assert {f"SM_HP_{name.upper()}" for name in own} <= set(found)


def test_one_host_has_no_rank() -> None:
    """A script that finds WORLD_SIZE waits for others."""
    found = training_variables(job([], 0))
    assert found["SM_HOSTS"] == '["algo-1"]'
    assert not {"RANK", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE"} & set(found)
    assert json.loads(found["SM_TRAINING_ENV"])["is_master"] is True


def test_a_name_of_the_job_among_the_hyperparameters_wins() -> None:
    """The SDKs put it there."""
    assert training_variables(job([], 0, {"sagemaker_job_name": "own"}))["SAGEMAKER_JOB_NAME"] == "own"


@pytest.mark.parametrize(
    ("name", "module"), [("train.py", "train"), ("package.module", "package.module"), ("run.sh", "run.sh")]
)
def test_the_module_is_the_program_without_its_suffix(name: str, module: str) -> None:
    """A shell script keeps its own."""
    found = training_variables(job([], 0)._replace(program=PROGRAM._replace(name=name)))
    assert found["SM_MODULE_NAME"] == json.loads(found["SM_TRAINING_ENV"])["module_name"] == module


@pytest.mark.parametrize(
    ("key", "name"), [("a", "a"), ("db/password", "db_password"), ("a.b-c", "a_b_c"), ("1a", "_1a"), ("é", "_"), ("", "")]
)
def test_a_key_of_a_set_becomes_a_name_that_a_shell_can_have(key: str, name: str) -> None:
    """As it is spelt, with `_` for what cannot be in a name."""
    assert variable_name(key) == name
