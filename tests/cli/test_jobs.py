"""The verbs of jobs, against SageMaker's API as it is served here, with jobs in real containers."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import click
import pytest

from lyftlearn_image.cli.completion import complete_job
from lyftlearn_image.cli.jobs import logs
from lyftlearn_image.cli.main import main
from lyftlearn_image.emulation.sagemaker.job_plan import Account
from lyftlearn_image.emulation.sagemaker.local_api.api_server import serve
from lyftlearn_image.emulation.sagemaker.local_api.control_plane import ControlPlane
from lyftlearn_image.emulation.sagemaker.local_api.jobs import EmulatedJobs, Publisher
from lyftlearn_image.emulation.session import BUCKET, embedded
from lyftlearn_image.retry import Clock, every, wait_until
from tests.services.kubernetes.emulated_pods import cluster_with_containers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.emulation.session import Embedded

PROGRAM = "open('/opt/ml/model/m','w').write('x'); print('trained')"


@pytest.fixture(scope="module")
def session(engine: None) -> Iterator[Embedded]:
    """Both emulators and the local endpoint."""
    with embedded(f"cli-{uuid.uuid4().hex[:8]}") as made:
        yield made


@pytest.fixture(autouse=True)
def service(session: Embedded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The variables by which boto3 finds the endpoint, whose SageMaker runs jobs here."""
    for name, value in session.endpoint.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("lyftlearn_image.services.sagemaker.logs.LAG_S", 0.0)
    for waits in ("sagemaker.client._LOG_POLLS", "kubernetes.job_logs._POLLS", "service._STATE_POLLS"):
        monkeypatch.setattr(f"lyftlearn_image.services.{waits}", every(0.05))
    monkeypatch.chdir(tmp_path)
    jobs = EmulatedJobs(session.targets["sagemaker"], session.endpoint, tmp_path / "jobs")  # type: ignore[arg-type]
    with serve(ControlPlane(jobs, Account("us-east-1"), Publisher(session.endpoint))) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", url)
        yield


@pytest.fixture
def workload(tmp_path: Path, lyftlearn_image_tag: str) -> Path:
    """A workload file."""
    return written(tmp_path / "iris.yaml", lyftlearn_image_tag, PROGRAM)


def written(path: Path, image: str, program: str) -> Path:
    """A workload file for a program."""
    document = {
        "name": "iris", "image": image, "command": ["python", "-c", program], "output": f"s3://{BUCKET}/cli",
        "role_arn": "arn:aws:iam::000000000000:role/lyftlearn",
    }  # fmt: skip
    path.write_text(json.dumps(document))  # JSON is YAML
    return path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and stdout."""
    code = main(list(arguments))
    return code, capsys.readouterr().out


def test_a_job_from_submission_to_collection(workload: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each verb finds the job by its name alone; sent again it is the same one."""
    _, printed = said(capsys, "submit", str(workload), "--target", "sagemaker")
    job = printed.strip()
    assert job.startswith("training/iris-")
    assert (
        said(capsys, "submit", str(workload), "--target", "sagemaker", "--json")[1]
        == json.dumps({"job": job, "target": "sagemaker"}) + "\n"
    )
    assert said(capsys, "submit", str(workload), "--target", "sagemaker", "--again", "2")[1].strip() != job
    assert said(capsys, "wait", job) == (0, f"{job}  Completed\n")
    assert said(capsys, "logs", job) == (0, "trained\n")
    code, printed = said(capsys, "collect", job, "--json")
    document = json.loads(printed)
    assert (code, document["status"], document["exit_code"]) == (0, "Completed", 0)
    assert (tmp_path / document["artifacts"]["model"] / "m").read_text() == "x"
    # What is there is not written over.
    assert said(capsys, "collect", job)[0] == 78


def test_run_is_all_of_it(workload: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Started again it finds its job, and collects it once more."""
    workload.write_text(workload.read_text().replace("iris", "run"))
    for directory in ("one", "two"):
        code, printed = said(capsys, "run", str(workload), "--target", "sagemaker", "-o", directory, "--json")
        assert (code, json.loads(printed)["status"]) == (0, "Completed")
        assert (tmp_path / directory / "stdout").read_text() == "trained\n"


def test_a_failure_is_exit_code_1(tmp_path: Path, lyftlearn_image_tag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Also by events; the reason is printed."""
    file = written(tmp_path / "bad.yaml", lyftlearn_image_tag, "import sys; sys.exit('no data')")
    job = said(capsys, "submit", str(file), "--target", "sagemaker")[1].strip()
    code, printed = said(capsys, "wait", job, "--events", "--json")
    assert code == 1
    assert "no data" in json.loads(printed)[0]["reason"]


def test_a_job_is_stopped(
    tmp_path: Path, lyftlearn_image_tag: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is told as such; a shell completes it, and who misspells it is told its name."""
    file = written(tmp_path / "slow.yaml", lyftlearn_image_tag, "import time; print('ready', flush=True); time.sleep(60)")
    job = said(capsys, "submit", str(file), "--target", "sagemaker")[1].strip()
    # A signal that comes before the script has begun is not heard, and the sleep would go on.
    assert wait_until(lambda: said(capsys, "logs", job) == (0, "ready\n"), every(0.2, deadline_s=120), Clock())
    assert said(capsys, "stop", job)[0] == 0
    assert said(capsys, "wait", job) == (1, f"{job}  Stopped\n")
    monkeypatch.setattr("lyftlearn_image.cli.completion.PATIENCE_S", 60.0)
    assert job in complete_job(click.Context(logs), logs.params[0], job[:-4])
    assert job in complete_job(click.Context(logs), logs.params[0], "tr")
    assert main(["logs", job[:-2]]) == 78
    assert f"Did you mean {job.partition('/')[2]}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("wait", "iris"), "'iris' is no job"),
        (("logs", "training/none"), "there is no training job none"),
        (("logs", "job/none", "--context", "none"), "reading the context none"),
    ],
)
def test_a_mistake_is_told_in_one_error(
    arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a traceback, with exit code 78."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no-config"))
    assert main(list(arguments)) == 78
    assert told in capsys.readouterr().err


@pytest.fixture
def cluster(session: Embedded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A kubeconfig whose current context is an API server here, with Jobs that run in the emulator."""
    with cluster_with_containers(session, tmp_path / "kubelet") as made:
        config = {
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": made.server.url}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "ci", "namespace": "default"}}],
            "users": [{"name": "ci", "user": {"token": "x"}}],
        }
        (tmp_path / "kubeconfig").write_text(json.dumps(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        yield


@pytest.mark.usefixtures("cluster")
def test_a_search_on_kubernetes_is_run_from_here(
    session: Embedded, lyftlearn_image_tag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every trial is told at its end; what the best one left is collected. It cannot be sent and left alone."""
    program = b"import sys; print('loss=' + sys.argv[sys.argv.index('--depth') + 1])"
    session.s3.put_object(Bucket=BUCKET, Key="cli-search/train.py", Body=program)
    document = {
        "kind": "tuning", "name": "search", "image": lyftlearn_image_tag, "program": "/opt/ml/input/data/code/train.py",
        "output": f"s3://{BUCKET}/cli", "channels": {"code": f"s3://{BUCKET}/cli-search/"}, "cpus": 1, "memory_mib": 512,
        "metrics": {"loss": r"loss=(\S+)"}, "objective": "loss", "goal": "minimize", "strategy": "grid",
        "search_space": {"depth": {"type": "choice", "values": [4, 2]}},
    }  # fmt: skip
    path = tmp_path / "search.yaml"
    path.write_text(json.dumps(document))
    assert main(["submit", str(path), "--target", "kubernetes"]) == 78
    assert "lyftlearn-image run" in capsys.readouterr().err
    assert main(["run", str(path), "--target", "kubernetes", "--json", "-o", str(tmp_path / "found")]) == 0
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert (told["job"].partition("-")[0], told["status"]) == ("tuning/search", "Completed")
    assert told["trials"] == [
        {"number": 0, "values": {"depth": 4}, "objective": 4.0}, {"number": 1, "values": {"depth": 2}, "objective": 2.0},
    ]  # fmt: skip
    assert "trial 2  {'depth': 2}  2.0" in printed.err
