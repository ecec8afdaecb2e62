"""Processing jobs as AWS's examples have them, on both embedded targets: directories are where the API puts them."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.emulation.session import BUCKET, embedded
from lyftlearn_image.parity.compare.environment import compare_environment
from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.platforms.launch import Launch
from lyftlearn_image.run import Status
from lyftlearn_image.workload import Processing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.emulation.session import Embedded

# The layout of aws/amazon-sagemaker-examples: the script in `input/code`, the data beside it in `input`, outputs that no
# script makes a directory for.
SCRIPT = """
import json, os
rows = open("/opt/ml/processing/input/raw.csv").read().split()
print(sorted(os.listdir("/opt/ml/processing/input")), len(rows))
print(sorted(name for name in os.listdir("/opt/ml/processing") if not name.startswith(".")))
print(open("/opt/ml/processing/lookup/names.txt").read().strip())
open("/opt/ml/processing/train/train.csv", "w").write("\\n".join(rows[:2]))
open("/opt/ml/processing/output/deep/validation/validation.csv", "w").write("\\n".join(rows[2:]))
config = json.load(open("/opt/ml/config/processingjobconfig.json"))
print(sorted((one["InputName"], one["S3Input"]["LocalPath"]) for one in config["ProcessingInputs"]))
"""
FILES = {"data/raw.csv": "1\n2\n3\n", "code/preprocessing.py": SCRIPT, "lookup/names.txt": "cat\n"}
LOCAL_PATHS = {
    "data": "/opt/ml/processing/input", "code": "/opt/ml/processing/input/code", "lookup": "/opt/ml/processing/lookup/",
}  # fmt: skip
OUTPUTS = {"train": "/opt/ml/processing/train", "validation": "/opt/ml/processing/output/deep/validation"}


@pytest.fixture(scope="module")
def here(engine: None) -> Iterator[Embedded]:
    """Both targets."""
    with embedded(f"test-{uuid.uuid4().hex[:8]}") as session:
        yield session


def test_an_examples_directories_are_there_on_both(here: Embedded, lyftlearn_image_tag: str, tmp_path: Path) -> None:
    """Each input at its local path, one of them within another; each declared output before the script starts."""
    prefix = uuid.uuid4().hex
    for key, text in FILES.items():
        here.s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{key}", Body=text.encode())
    workload = Processing(
        name="prepare",
        image=lyftlearn_image_tag,
        command=("python3", "/opt/ml/processing/input/code/preprocessing.py"),
        channels={name: f"s3://{BUCKET}/{prefix}/{name}/" for name in LOCAL_PATHS},
        local_paths=LOCAL_PATHS,
        outputs=OUTPUTS,
    )
    runs = {}
    for name, target in here.targets.items():
        launch = Launch("prepare-1", f"s3://{BUCKET}/{prefix}/{name}", observe_key="00" * 16)
        (tmp_path / name).mkdir()
        runs[name] = target.run(compile_for(target.name, workload, launch), workspace=tmp_path / name)
        assert runs[name].status is Status.COMPLETED, runs[name].stderr.read_text()
        assert (runs[name].artifacts["train"] / "train.csv").read_text() == "1\n2"
        assert (runs[name].artifacts["validation"] / "validation.csv").read_text() == "3"
    said = runs["sagemaker"].stdout.read_text()
    assert runs["kubernetes"].stdout.read_text() == said
    listed, there, lookup, inputs = said.splitlines()
    assert (listed, there, lookup) == ("['code', 'raw.csv'] 3", "['input', 'lookup', 'output', 'train']", "cat")
    assert inputs.count("/opt/ml/processing/") == len(LOCAL_PATHS)
    observed = [run.observation or {} for run in runs.values()]
    for one in observed:
        assert {path for path in one["files"] if not path.startswith("/opt/ml/input/")} == {
            "/opt/ml/processing/input/code/preprocessing.py", "/opt/ml/processing/input/raw.csv",
            "/opt/ml/processing/lookup/names.txt",
        }, json.dumps(one["files"])  # fmt: skip
    assert [one for one in compare_environment(*observed).differences if not one.accepted] == []
