"""The shim and the module `sagemaker_training` beside what AWS's package gave for the same jobs.

`recorded/sagemaker_training.json` was written by sagemaker-training 5.1.4 of PyPI: `dict(Environment())`, `to_cmd_args()` and
`to_env_vars()` for the files under `given`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lyftlearn_runtime import cluster, environment, hyperparameters
from lyftlearn_runtime.environment import TrainingJob
from lyftlearn_runtime.program import Program

COMPAT = Path(environment.__file__).parent / "compat"
RECORDED: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "recorded" / "sagemaker_training.json").read_text())
ASK = """
import json
import sagemaker_training.environment
from sagemaker_training import environment, files, logging_config, mapping, params
from sagemaker_training.environment import Environment
env = environment.Environment()
assert env.hosts == env["hosts"] == getattr(env, "hosts") and len(env) == len(dict(env)) and not hasattr(env, "nothing")
assert params.SUBMIT_DIR_ENV == "SAGEMAKER_SUBMIT_DIRECTORY"
logging_config.configure_logger(env.log_level)
logging_config.get_logger().info("told")
files.write_failure_file("why")
files.write_failure_file("not again")
print(json.dumps({
    "env": dict(env), "arguments": env.to_cmd_args(), "variables": env.to_env_vars(), "s3_output": env.sagemaker_s3_output(),
}))
"""
# Of a machine, and not of the job.
MACHINE = {"num_cpus", "num_gpus", "num_neurons"}


def without_machine(said: dict[str, Any]) -> dict[str, Any]:
    """What was said, with nothing of the machine that said it, and the JSON in variables read."""
    variables = dict(said["variables"])
    variables = {name: value for name, value in variables.items() if name.removeprefix("SM_").lower() not in MACHINE}
    training = json.loads(variables.pop("SM_TRAINING_ENV"))
    return {
        **{name: said[name] for name in ("arguments", "s3_output")},
        "env": {name: value for name, value in said["env"].items() if name not in MACHINE},
        "training": {name: value for name, value in training.items() if name not in MACHINE},
        "variables": variables,
    }


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_the_module_says_what_the_package_says(tmp_path: Path, name: str) -> None:
    """Every fact, word and variable, byte for byte."""
    (tmp_path / "input" / "config").mkdir(parents=True)
    (tmp_path / "output").mkdir()
    for file, content in RECORDED[name]["given"].items():
        (tmp_path / "input" / "config" / f"{file}.json").write_text(json.dumps(content))
    variables = {"SAGEMAKER_BASE_DIR": str(tmp_path), "TRAINING_JOB_NAME": "job-1", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", ASK], env={**variables, "PYTHONPATH": str(COMPAT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "sagemaker-training-toolkit INFO     told" in done.stderr
    assert (tmp_path / "output" / "failure").read_text() == "why"
    assert without_machine(json.loads(done.stdout.replace(str(tmp_path), "/opt/ml"))) == without_machine(RECORDED[name])


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_a_script_sees_what_the_toolkit_shows(name: str) -> None:
    """The words of its command line, and each SM_* variable byte for byte; of SM_TRAINING_ENV each key of the toolkit's.

    Which groups a distribution is over is not among them: the shim starts none.
    """
    recorded = RECORDED[name]
    given, said = recorded["given"], without_machine(recorded)
    values = hyperparameters.decode(given["hyperparameters"])
    own = hyperparameters.script_values(values)
    words = [word for pair in hyperparameters.arguments(own, "--key value", as_toolkit=True) for word in pair]
    assert words == said["arguments"]
    job = TrainingJob(
        name="job-1", hyperparameters=values, cluster=cluster.parse_resource_config(given["resourceconfig"]),
        resource_config=given["resourceconfig"], input_data_config=given["inputdataconfig"], num_cpus=1, num_gpus=0,
        program=Program([], values["sagemaker_program"], words, [], None),
    )  # fmt: skip
    found = environment.training_variables(job)
    distribution = {"SM_DISTRIBUTION_INSTANCE_GROUPS"}
    assert {key: found.get(key) for key in said["variables"].keys() - distribution} == {
        key: value for key, value in said["variables"].items() if key not in distribution
    }
    training = json.loads(found["SM_TRAINING_ENV"])
    unlike = {key for key, value in said["training"].items() if training.get(key, value) != value}
    assert unlike <= {"distribution_hosts", "distribution_instance_groups", "is_master", "master_hostname"}
    assert not unlike or values.get("sagemaker_mpi_enabled")
