"""An estimator's script, with packages of its own, on both embedded targets: the same comes of it."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.emulation.session import BUCKET, embedded
from lyftlearn_image.parity.compare.environment import compare_environment
from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.platforms.launch import Launch
from lyftlearn_image.run import Status
from lyftlearn_image.workload import Training
from tests.archives import tar_gz
from tests.package_index import package_index, wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.emulation.session import Embedded
    from lyftlearn_image.run import Run
    from tests.package_index import Index

# As in AWS's examples: argparse, SM_* as defaults, a module beside it, a package that the image has not.
SCRIPT = """
import argparse, json, os
import greeter, helper
from sagemaker_training import environment

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--name", type=str)
parser.add_argument("--model-dir", type=str, default=os.environ["SM_MODEL_DIR"])
parser.add_argument("--train", type=str, default=os.environ["SM_CHANNEL_TRAIN"])
args = parser.parse_args()
env = environment.Environment()
assert (env.module_dir, env.model_dir) == (os.environ["SM_MODULE_DIR"], args.model_dir)
assert env.channel_input_dirs["train"] == args.train
assert (env.hyperparameters, env.num_cpus) == (json.loads(os.environ["SM_HPS"]), int(os.environ["SM_NUM_CPUS"]))
rows = open(os.path.join(args.train, "rows.csv")).read().split()
with open(os.path.join(args.model_dir, "model.json"), "w") as file:
    json.dump({"sum": helper.total(rows) * args.epochs}, file)
print(greeter.greet(args.name), len(rows), os.getcwd(), os.environ["SM_MODULE_DIR"], os.environ["SM_USER_ENTRY_POINT"])
"""
CODE = {
    "train.py": SCRIPT,
    "helper.py": "def total(rows):\n    return sum(map(int, rows))\n",
    "requirements.txt": "greeter>=1\n",
}
# What the driver of the SDK v3 does, in short: its first line is empty, it asks for Python and pip, writes its variables below
# /opt/ml/input, installs, and starts the script of the channel `code`
# (aws/sagemaker-python-sdk, sagemaker-train/src/sagemaker/train/templates.py).
DRIVER = """
#!/bin/bash
set -e
SM_PYTHON_CMD=$(command -v python3 || command -v python)
SM_PIP_CMD=$(command -v pip3 || command -v pip)
test -n "$SM_PYTHON_CMD" && test -n "$SM_PIP_CMD" && test -n "$TRAINING_JOB_NAME"
cat /opt/ml/input/config/{resourceconfig,inputdataconfig,hyperparameters}.json > /dev/null
echo "export SM_ENTRY_SCRIPT='v3.py'" > /opt/ml/input/sm_training.env
source /opt/ml/input/sm_training.env
cd /opt/ml/input/data/code
$SM_PYTHON_CMD -m pip install -q -r requirements.txt
$SM_PYTHON_CMD $SM_ENTRY_SCRIPT --lr 0.1
"""
# The container's command of every ModelTrainer (constants.py beside it).
DRIVEN = "chmod +x /opt/ml/input/data/sm_drivers/sm_train.sh && /opt/ml/input/data/sm_drivers/sm_train.sh"
WHEELS = {"greeter-1.2": wheel("greeter", "1.2", {"greeter.py": "def greet(name):\n    return f'hello {name}'\n"})}


@pytest.fixture(scope="module")
def here(engine: None) -> Iterator[Embedded]:
    """Both targets."""
    with embedded(f"test-{uuid.uuid4().hex[:8]}") as session:
        yield session


@pytest.fixture(scope="module")
def index(here: Embedded) -> Iterator[Index]:
    """An index that both targets reach."""
    with package_index(here.network.gateway, WHEELS) as started:
        yield started


def run_on(here: Embedded, name: str, workload: Training, prefix: str, tmp_path: Path) -> Run:
    """The workload on a target."""
    target = here.targets[name]
    launch = Launch("estimator-1", f"s3://{BUCKET}/{prefix}/{name}", observe_key="00" * 16)
    (tmp_path / name).mkdir()
    return target.run(compile_for(target.name, workload, launch), workspace=tmp_path / name)


def model_of(run: Run) -> Any:
    """What the script left as its model."""
    return json.loads((run.artifacts["model"] / "model.json").read_text())


def test_an_estimators_script_is_the_same(here: Embedded, lyftlearn_image_tag: str, index: Index, tmp_path: Path) -> None:
    """Its streams, its model, and all that it could see: root on SageMaker, any UID with a read-only root in a pod."""
    prefix = uuid.uuid4().hex
    here.s3.put_object(Bucket=BUCKET, Key=f"{prefix}/code/sourcedir.tar.gz", Body=tar_gz(CODE))
    here.s3.put_object(Bucket=BUCKET, Key=f"{prefix}/train/rows.csv", Body=b"1\n2\n39\n")
    source = f"s3://{BUCKET}/{prefix}/code/sourcedir.tar.gz"
    workload = Training(
        name="estimator",
        image=lyftlearn_image_tag,
        channels={"train": f"s3://{BUCKET}/{prefix}/train/"},
        hyperparameters={
            "sagemaker_program": "train.py", "sagemaker_submit_directory": source, "sagemaker_region": "us-east-1",
            "sagemaker_container_log_level": 20, "sagemaker_job_name": "estimator-2026", "epochs": 2, "name": "you",
        },
        environment={"PIP_INDEX_URL": index.url, "PIP_TRUSTED_HOST": here.network.gateway},
    )  # fmt: skip
    runs = {name: run_on(here, name, workload, prefix, tmp_path) for name in ("sagemaker", "kubernetes")}
    for run in runs.values():
        assert run.status is Status.COMPLETED, run.stderr.read_text()
        assert run.stdout.read_text() == f"hello you 3 /opt/ml/code {source} train.py\n"
        assert model_of(run) == {"sum": 84}
        assert "installed for /opt/ml/code/requirements.txt: greeter-1.2" in run.stderr.read_text()
    observed = {name: run.observation for name, run in runs.items()}
    assert (observed["sagemaker"] or {})["packages"]["greeter"] == "1.2"
    differences = compare_environment(observed["sagemaker"], observed["kubernetes"]).differences
    assert [one for one in differences if not one.accepted] == []


def test_an_installation_that_fails_is_the_same_on_both(
    here: Embedded, lyftlearn_image_tag: str, index: Index, tmp_path: Path
) -> None:
    """The code of a configuration that is wrong, and a reason that the platform shows."""
    prefix = uuid.uuid4().hex
    key = f"{prefix}/code.tar.gz"
    here.s3.put_object(Bucket=BUCKET, Key=key, Body=tar_gz({**CODE, "requirements.txt": "not-to-be-had==1\n"}))
    workload = Training(
        name="estimator",
        image=lyftlearn_image_tag,
        hyperparameters={"sagemaker_program": "train.py", "sagemaker_submit_directory": f"s3://{BUCKET}/{key}"},
        environment={"PIP_INDEX_URL": index.url, "PIP_TRUSTED_HOST": here.network.gateway},
    )
    for name in ("sagemaker", "kubernetes"):
        run = run_on(here, name, workload, prefix, tmp_path)
        assert (run.status, run.exit_code) == (Status.FAILED, 78)
        assert "No matching distribution found for not-to-be-had==1" in run.reason


@pytest.mark.parametrize("command", [None, ("/bin/bash", "-c", DRIVEN)], ids=["train", "command"])
def test_the_driver_of_a_model_trainer_finds_what_it_needs(
    here: Embedded, lyftlearn_image_tag: str, index: Index, tmp_path: Path, command: tuple[str, ...] | None
) -> None:
    """Started by `train`, or by the SDK's own command: Python and pip on the path, and a place to install to, also in a pod."""
    prefix = uuid.uuid4().hex
    script = "import greeter, os, sys\nprint(greeter.greet('v3'), sys.argv, os.getcwd())\n"
    for key, text in {
        "code/v3.py": script, "code/requirements.txt": "greeter\n", "sm_drivers/sm_train.sh": DRIVER,
    }.items():  # fmt: skip
        here.s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{key}", Body=text.encode())
    workload = Training(
        name="trainer",
        image=lyftlearn_image_tag,
        command=command,
        channels={name: f"s3://{BUCKET}/{prefix}/{name}/" for name in ("code", "sm_drivers")},
        hyperparameters={"lr": 0.1},
        environment={"PIP_INDEX_URL": index.url, "PIP_TRUSTED_HOST": here.network.gateway},
    )
    for name in ("sagemaker", "kubernetes"):
        run = run_on(here, name, workload, prefix, tmp_path)
        assert run.status is Status.COMPLETED, run.stderr.read_text()
        assert run.stdout.read_text() == "hello v3 ['v3.py', '--lr', '0.1'] /opt/ml/input/data/code\n"
