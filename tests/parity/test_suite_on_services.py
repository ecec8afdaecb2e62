"""Suites on any mix of backends: the services' APIs are served here, with an S3 of their own."""

from __future__ import annotations

import gc
import uuid
import warnings
from typing import TYPE_CHECKING

import pytest
import yaml

from lyftlearn_image.cli.main import main
from lyftlearn_image.emulation.sagemaker.job_plan import Account
from lyftlearn_image.emulation.sagemaker.local_api.api_server import serve
from lyftlearn_image.emulation.sagemaker.local_api.control_plane import ControlPlane
from lyftlearn_image.emulation.sagemaker.local_api.jobs import EmulatedJobs
from lyftlearn_image.emulation.session import BUCKET, embedded
from lyftlearn_image.platforms.launch import TARGETS
from tests.services.kubernetes.emulated_pods import cluster_with_containers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# lightkube leaves the connection of a watch or a log that is not read to its end to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
ROLE = "arn:aws:iam::000000000000:role/lyftlearn"
PROGRAM = """
import json, os, sys
rows = open(os.environ["SM_CHANNEL_TRAIN"] + "/a.csv").read().split()
print("rows", len(rows)); print("noted", file=sys.stderr)
json.dump({"sum": sum(map(int, rows))}, open(os.environ["SM_OUTPUT_DATA_DIR"] + "/sum.json", "w"))
"""
STOPPED = """
import json, os, signal, sys, time
def save(*_):
    json.dump({"step": 3}, open(os.environ["SM_OUTPUT_DATA_DIR"] + "/step.json", "w"))
    print("saved", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def cloud(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Both services, as a user's variables name them."""
    directory = tmp_path_factory.mktemp("cloud")
    with embedded(f"cloud-{uuid.uuid4().hex[:8]}") as session:
        aws = session.endpoint.environment()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", session.endpoint.url)  # for the clients of the jobs' log
            jobs = EmulatedJobs(session.targets["sagemaker"], session.endpoint, directory / "jobs")  # type: ignore[arg-type]
        account = Account("us-east-1")
        with (
            serve(ControlPlane(jobs, account)) as sagemaker,
            cluster_with_containers(session, directory / "kubelet") as cluster,
        ):
            config = {
                "contexts": [{"name": "blue", "context": {"cluster": "c", "user": "u", "namespace": "default"}}],
                "clusters": [{"name": "c", "cluster": {"server": cluster.server.url}}],
                "users": [{"name": "u", "user": {"token": "x"}}],
            }
            (directory / "config").write_text(yaml.safe_dump(config))
            yield {**aws, "AWS_ENDPOINT_URL_SAGEMAKER": sagemaker, "KUBECONFIG": str(directory / "config")}


@pytest.fixture
def suite(tmp_path: Path, lyftlearn_image_tag: str) -> Path:
    """A case with data, an output and a file, one that is stopped where it is asked for, and a control that differs."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("1\n2\n3\n")
    workload = {"channels": {"train": "data"}, "files": {"/etc/team/code.py": {"content": PROGRAM}}}
    run = {"command": ["python", "/etc/team/code.py"]}
    # The cluster's time runs ahead of that of real containers.
    stopped = {"command": ["python", "-c", STOPPED], "kubernetes": {"grace_s": 36_000}}
    differs = {"command": ["sh", "-c", "id -u"]}
    document = {
        "name": "mix", "image": lyftlearn_image_tag,
        "cases": [
            {"name": "same", "workload": {**workload, **run}, "outputs": {"output/sum.json": {"compare": "json"}}},
            {
                "name": "stopped", "workload": stopped, "stop_when": "^ready",
                "outputs": {"output/step.json": {"compare": "json"}},
            },
            {"name": "differs", "workload": differs, "expect": "different", "different_in": ["stdout"]},
        ],
    }  # fmt: skip
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(document))
    return tmp_path / "suite.yaml"


@pytest.fixture
def run(
    cloud: dict[str, str], suite: Path, lyftlearn_image_tag: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Path]]:
    """Runs cases of the suite on targets: where the runs are that came out as expected."""
    for name, value in cloud.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("lyftlearn_image.services.sagemaker.logs.LAG_S", 0.0)
    report = suite.parent / "report"

    def run_(targets: tuple[str, ...], *cases: str) -> Path:
        said = [word for target in targets for word in ("--target", target)]
        chosen = [word for case in cases for word in ("--case", case)]
        code = main([
            "parity", "run", str(suite), "--report", str(report), "--quiet", *said, *chosen, "--role-arn", ROLE,
            "--s3-prefix", f"s3://{BUCKET}/{len(said)}/{targets[0].partition('=')[0]}", "--image", lyftlearn_image_tag,
        ])  # fmt: skip
        assert code == 0, (report / "report.json").read_text()[:4000]
        return report / "runs"

    yield run_
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.parametrize(
    "targets",
    [("sagemaker=service",), ("kubernetes=context:blue",), ("sagemaker=service", "kubernetes=context:blue")],
    ids="+".join,
)
def test_a_suite_runs_on_any_mix(targets: tuple[str, ...], run: Callable[..., Path]) -> None:
    """The same verdicts as on the embedded targets: data staged to each side's own S3, outputs and logs collected."""
    runs = run(targets, "same", "differs")
    assert {(runs / "same" / one / "stdout").read_text() for one in TARGETS} == {"noted\nrows 3\n"}


@pytest.mark.parametrize("target", ["kubernetes=context:blue", "sagemaker=service"])
def test_a_case_that_is_stopped_is_parity_on_a_service(run: Callable[..., Path], target: str) -> None:
    """What its script does after SIGTERM, its log and its output are kept on both sides; so is its exit code on a cluster.

    SageMaker has no exit code of a job that it was asked to stop.
    """
    runs = run((target,), "stopped")
    assert {(runs / "stopped" / one / "stdout").read_text() for one in TARGETS} == {"ready\nsaved\n"}
