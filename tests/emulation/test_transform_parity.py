"""The same transform workload on both embedded targets, with the real image: the same files come out."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.emulation.session import BUCKET, embedded
from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.platforms.launch import Launch
from lyftlearn_image.run import Run, Status
from lyftlearn_image.workload import Transform
from tests.archives import tar_gz

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.emulation.session import Embedded

# Each answer says how the request came, so that a difference in what is sent is one in what comes out.
HANDLERS = """
import json, os

def model_fn(model_dir):
    return float(open(os.path.join(model_dir, "weight")).read())

def input_fn(body, content_type):
    return content_type, body if isinstance(body, str) else body.decode()

def predict_fn(said, model):
    content_type, text = said
    rows = [row for row in text.split("\\n")]
    if any("broken" in row for row in rows):
        raise ValueError("a broken row")
    return [[content_type, len(text), *(float(cell) * model for cell in row.split(",") if cell)] for row in rows]

def output_fn(prediction, accept):
    return json.dumps([accept, prediction])
"""
ROWS = b"".join(b"%d,%d\n" % (number, number * number) for number in range(50))
INPUTS = {"a.csv": ROWS, "deep/b.csv": b"1,2\n\n3,4", "c.csv": b"5,6\n"}


@pytest.fixture(scope="module")
def here(engine: None) -> Iterator[Embedded]:
    """Both targets."""
    with embedded(f"test-{uuid.uuid4().hex[:8]}") as session:
        yield session


@pytest.fixture
def run_both(here: Embedded, lyftlearn_image_tag: str, tmp_path: Path) -> Any:
    """Runs a transform workload on both targets; the runs by the target's name."""
    packed = tar_gz({"code/inference.py": HANDLERS, "weight": "0.5"})
    place = f"s3://{BUCKET}/{tmp_path.name}"
    here.s3.put_object(Bucket=BUCKET, Key=f"{tmp_path.name}/model.tar.gz", Body=packed)

    def run(inputs: dict[str, bytes], **fields: Any) -> dict[str, Run]:
        for name, content in inputs.items():
            here.s3.put_object(Bucket=BUCKET, Key=f"{tmp_path.name}/in/{name}", Body=content)
        model = f"{place}/model.tar.gz"
        workload = Transform(name="score", image=lyftlearn_image_tag, model=model, input=f"{place}/in/", **fields)
        runs = {}
        for name, target in here.targets.items():
            compiled = compile_for(target.name, workload, Launch("score-1", f"{place}/{name}"))
            for uri, content in compiled.objects.items():
                here.s3.put_object(Bucket=BUCKET, Key=uri.removeprefix(f"s3://{BUCKET}/"), Body=content)
            (tmp_path / name).mkdir()
            runs[name] = target.run(compiled, workspace=tmp_path / name)
        return runs

    return run


def files_of(run: Run) -> dict[str, bytes]:
    """What came out, by name."""
    top = run.artifacts["output"]
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    "fields",
    [
        {"content_type": "text/csv", "accept": "application/json", "split": "Line", "assemble": "Line", "batch": "MultiRecord"},
        {"content_type": "text/csv", "split": "Line", "batch": "SingleRecord", "max_concurrent": 4, "nodes": 2},
        {"content_type": "text/csv"},
        {"split": "Line", "assemble": "Line"},
        {},
    ],
    ids=["batches", "single-records-on-two", "whole", "nothing-is-said", "nothing-at-all"],
)
def test_the_same_files_come_out_of_both_targets(run_both: Any, fields: dict[str, Any]) -> None:
    """Names and bytes, whatever the workload leaves to the platform."""
    runs = run_both(INPUTS, **fields)
    told = {name: (run.status, run.exit_code, run.reason, run.stderr.read_text()[-2000:]) for name, run in runs.items()}
    assert all(run.status is Status.COMPLETED for run in runs.values()), told
    found = {name: files_of(run) for name, run in runs.items()}
    assert set(found["sagemaker"]) == {"a.csv.out", "deep/b.csv.out", "c.csv.out"}
    assert found["sagemaker"] == found["kubernetes"]
    if fields.get("assemble") == "Line":
        assert all(json.loads(line)[1] for content in found["sagemaker"].values() for line in content.splitlines())


def test_both_targets_fail_for_the_same_record(run_both: Any) -> None:
    """A job whose server breaks at one record fails on both, and the other objects come out of both."""
    runs = run_both({"a.csv": b"1,2\nbroken\n", "b.csv": b"1,2\n"}, content_type="text/csv", split="Line")
    assert {name: (run.status, run.exit_code) for name, run in runs.items()} == {
        "sagemaker": (Status.FAILED, 1), "kubernetes": (Status.FAILED, 1),
    }  # fmt: skip
    assert set(files_of(runs["sagemaker"])) == {"b.csv.out"}
    assert files_of(runs["sagemaker"]) == files_of(runs["kubernetes"])
