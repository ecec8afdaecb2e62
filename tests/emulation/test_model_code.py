"""A model whose archive has `code/` with handlers and a requirements.txt, on both embedded targets: the same answers."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.emulation.session import BUCKET, embedded
from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.platforms.launch import Launch
from lyftlearn_image.run import Run, Status
from lyftlearn_image.workload import Transform
from tests.archives import tar_gz
from tests.package_index import package_index, wheel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.session import Embedded
    from tests.package_index import Index

# A package that the image has not, a module beside the handlers, a file of the model by its name alone.
HANDLERS = """
import json, os, subprocess
import greeter
import helper
from preprocessing import steps

def model_fn(model_dir):
    with open("labels.txt") as file:
        return file.read().strip()

def predict_fn(rows, model):
    found = subprocess.run(["greet"], capture_output=True, text=True).stdout.strip()
    return [model, greeter.greet("you"), helper.NAME, steps.NAME, found, os.getcwd()]

def output_fn(prediction, accept):
    return json.dumps(prediction)
"""
MODEL = {
    "labels.txt": "cat,dog\n",
    "code/inference.py": HANDLERS,
    "code/helper.py": "NAME = 'beside'\n",
    "code/preprocessing/steps.py": "NAME = 'below'\n",
    "code/requirements.txt": "greeter>=1\n",
}
GREETER = {"greeter.py": "def greet(name='all'):\n    return f'hello {name}'\ndef main():\n    print(greet())\n"}
WHEELS = {"greeter-1.2": wheel("greeter", "1.2", GREETER, requires=("numpy",), scripts="greet = greeter:main")}


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


def runs_of(here: Embedded, image: str, index: Index, tmp_path: Path, model: Mapping[str, str]) -> dict[str, Run]:
    """One row scored by the model on each target."""
    place = uuid.uuid4().hex
    here.s3.put_object(Bucket=BUCKET, Key=f"{place}/model.tar.gz", Body=tar_gz(model))
    here.s3.put_object(Bucket=BUCKET, Key=f"{place}/in/row.csv", Body=b"1,2\n")
    workload = Transform(
        name="score", image=image, model=f"s3://{BUCKET}/{place}/model.tar.gz", input=f"s3://{BUCKET}/{place}/in/",
        content_type="text/csv", environment={"PIP_INDEX_URL": index.url, "PIP_TRUSTED_HOST": here.network.gateway},
    )  # fmt: skip
    runs = {}
    for name, target in here.targets.items():
        compiled = compile_for(target.name, workload, Launch("score-1", f"s3://{BUCKET}/{place}/{name}"))
        for uri, content in compiled.objects.items():
            here.s3.put_object(Bucket=BUCKET, Key=uri.removeprefix(f"s3://{BUCKET}/"), Body=content)
        (tmp_path / name).mkdir()
        runs[name] = target.run(compiled, workspace=tmp_path / name)
    return runs


def test_a_models_own_code_and_packages_serve(here: Embedded, lyftlearn_image_tag: str, index: Index, tmp_path: Path) -> None:
    """Imports from `code/`, what its requirements.txt asks for, and the model's directory as the one to begin in, as on AWS."""
    runs = runs_of(here, lyftlearn_image_tag, index, tmp_path, MODEL)
    for run in runs.values():
        assert run.status is Status.COMPLETED, (run.reason, run.stderr.read_text()[-2000:])
        (answer,) = [path for path in run.artifacts["output"].rglob("*") if path.is_file()]
        assert json.loads(answer.read_text()) == ["cat,dog", "hello you", "beside", "below", "hello all", "/opt/ml/model"]
