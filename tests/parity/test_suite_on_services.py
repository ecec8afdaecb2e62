"""Suites on any mix of backends: the services' APIs are served here, with an S3 of their own."""

from __future__ import annotations

import gc
import json
import uuid
import warnings
from typing import TYPE_CHECKING

import pytest
import yaml

from lyftlearn_image.cli.main import main
from lyftlearn_image.emulation.sagemaker.job_plan import Account
from lyftlearn_image.emulation.sagemaker.local_api.control_plane import ControlPlane, serve
from lyftlearn_image.emulation.sagemaker.local_api.jobs import EmulatedJobs
from lyftlearn_image.emulation.session import BUCKET, embedded
from tests.services.kubernetes.emulated_pods import cluster_with_containers

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    """One case with data, an output and a file, and a control that differs."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("1\n2\n3\n")
    workload = {"channels": {"train": "data"}, "files": {"/etc/team/code.py": {"content": PROGRAM}}}
    run = {"command": ["python", "/etc/team/code.py"]}
    differs = {"command": ["sh", "-c", "id -u"]}
    document = {
        "name": "mix", "image": lyftlearn_image_tag,
        "cases": [
            {"name": "same", "workload": {**workload, **run}, "outputs": {"output/sum.json": {"compare": "json"}}},
            {"name": "differs", "workload": differs, "expect": "different", "different_in": ["stdout"]},
        ],
    }  # fmt: skip
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(document))
    return tmp_path / "suite.yaml"


@pytest.mark.parametrize(
    "targets",
    [("sagemaker=service",), ("kubernetes=context:blue",), ("sagemaker=service", "kubernetes=context:blue")],
    ids="+".join,
)
def test_a_suite_runs_on_any_mix(
    targets: tuple[str, ...], cloud: dict[str, str], suite: Path, lyftlearn_image_tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same verdicts as on the embedded targets: data staged to each side's own S3, outputs and logs collected."""
    for name, value in cloud.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("lyftlearn_image.services.sagemaker.logs.LAG_S", 0.0)
    report = suite.parent / "report"
    said = [word for target in targets for word in ("--target", target)]
    code = main([
        "parity", "run", str(suite), "--report", str(report), "--quiet", *said, "--role-arn", ROLE,
        "--s3-prefix", f"s3://{BUCKET}/{len(said)}/{targets[0].partition('=')[0]}", "--image", lyftlearn_image_tag,
    ])  # fmt: skip
    document = json.loads((report / "report.json").read_text())
    assert code == 0, json.dumps(document, indent=1)[:4000]
    logs = {one: (report / "runs" / "same" / one / "stdout").read_text() for one in ("sagemaker", "kubernetes")}
    assert set(logs.values()) == {"noted\nrows 3\n"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
