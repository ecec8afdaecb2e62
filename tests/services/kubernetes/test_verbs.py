"""The verbs of the command line against a cluster that is simulated: what people type, and what they read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lyftlearn_image.cli.main import main
from tests.services.kubernetes.simulator import admission
from tests.services.kubernetes.simulator.lives import begins, runs, serves

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from tests.services.kubernetes.simulator.cluster import Cluster
    from tests.services.kubernetes.simulator.pods import Pod


@pytest.fixture(autouse=True)
def user(cluster: Cluster, s3: S3Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who runs the toolkit: a kubeconfig with two contexts, of which the current one has a namespace of its own."""
    del s3
    cluster.namespaces |= {"ml", "team"}
    contexts = {"blue": {"cluster": "c", "user": "u", "namespace": "team"}, "green": {"cluster": "c", "user": "u"}}
    config = {
        "current-context": "blue",
        "clusters": [{"name": "c", "cluster": {"server": cluster.server.url}}],
        "contexts": [{"name": name, "context": context} for name, context in contexts.items()],
        "users": [{"name": "u", "user": {"token": "x"}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setattr("lyftlearn_image.services.kubernetes.client.Clock", cluster.clock)
    monkeypatch.chdir(tmp_path)


def written(path: Path, **fields: Any) -> str:
    """A workload file."""
    described = {"name": "churn", "image": "i", "output": "s3://runs/churn", **fields}
    path.write_text(yaml.safe_dump(described))
    return str(path)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    code = main(list(arguments))
    return code, *capsys.readouterr()


@pytest.mark.parametrize(("options", "namespace"), [({"namespace": "ml"}, "ml"), ({}, "team")])
def test_a_job_is_found_again_in_its_own_namespace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: dict[str, str], namespace: str
) -> None:
    """The workload's wins over the context's; every verb takes the id that `submit` prints, from any context."""
    file = written(tmp_path / "churn.yaml", command=["true"], kubernetes=options)
    _, out, _ = told(capsys, "submit", file, "--target", "kubernetes")
    job = out.strip()
    kind, found, name = job.split("/")
    assert (kind, found) == ("job", namespace)
    assert told(capsys, "wait", job, "--context", "green")[:2] == (0, f"{job}  Completed\n")
    assert told(capsys, "logs", job, "--context", "green")[0] == 0
    short = f"job/{name}"
    assert told(capsys, "wait", short, "--namespace", namespace, "--context", "green")[:2] == (0, f"{short}  Completed\n")
    # An id of an earlier version has no namespace: it is the context's.
    assert told(capsys, "wait", short)[0] == (0 if namespace == "team" else 78)
    code, _, err = told(capsys, "logs", job, "--namespace", "other")
    assert (code, f"{job} is not in the namespace other" in err) == (78, True)
    assert told(capsys, "collect", job, "-o", "out")[:2] == (0, f"{job}  Completed  out\n")
    assert told(capsys, "delete", job) == (0, "", f"{job} is deleted\n")
    code, _, err = told(capsys, "wait", job)
    assert (code, f"there is no Job {name} in the namespace {namespace}" in err) == (78, True)


def test_a_server_that_runs_is_told_with_its_address(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For people and for programs; then it is read, stopped, started again and deleted by its id."""
    cluster.life = serves("up", starts=2)
    fields = {"kind": "serving", "model": "s3://runs/model/", "kubernetes": {"namespace": "ml"}}
    file = written(tmp_path / "serve.yaml", **fields)
    code, out, err = told(capsys, "run", file, "--target", "kubernetes", "--context", "blue")
    job = out.split()[0]
    name = job.rpartition("/")[2]
    forward = f"kubectl --context blue --namespace ml port-forward service/{name} 8080:8080"
    assert code == 0
    assert out.splitlines() == [
        f"{job}  Available  http://{name}.ml.svc:8080",
        f"from here: {forward}   and then http://localhost:8080",
    ]
    assert f"job: {job}\n" in err
    assert f"{job}  0 of 1 ready" in err
    assert told(capsys, "logs", job)[1].endswith("] up\n")
    assert told(capsys, "stop", job)[0] == 0
    assert told(capsys, "wait", job)[:2] == (1, f"{job}  Stopped\n")
    _, out, _ = told(capsys, "run", file, "--target", "kubernetes", "--json")
    document = json.loads(out)
    assert document["job"] == job
    assert document["url"] == f"http://{name}.ml.svc:8080"
    assert document["forward"] == forward.replace(" --context blue", "")
    assert told(capsys, "delete", job)[0] == 0
    assert {kind for kind, _, _ in cluster.objects.by_key} <= {"events"}


def test_what_a_job_waits_for_is_read_while_it_waits(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, on stderr, beside the log; the end has its own line."""

    def life(pod: Pod) -> Iterator[None]:
        pod.schedule()
        pod.wait("CreateContainerConfigError", 'secret "db" not found')
        for _ in range(50):
            yield
        yield from runs("trained")(pod)

    cluster.life = life
    file = written(tmp_path / "churn.yaml", command=["true"])
    code, out, err = told(capsys, "run", file, "--target", "kubernetes", "-o", "out")
    assert code == 0
    waits = [line for line in err.splitlines() if "CreateContainerConfigError" in line]
    assert len(waits) == 1
    assert waits[0].endswith('container main: secret "db" not found')
    assert "trained" in err
    assert out.endswith("  Completed  out\n")


def test_a_job_that_waits_too_long_is_a_failure(cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and the reason."""

    def life(pod: Pod) -> Iterator[None]:
        pod.unschedulable()
        yield

    cluster.life = life
    file = written(tmp_path / "churn.yaml", command=["true"], kubernetes={"pending_timeout_s": 30})
    code, out, _ = told(capsys, "submit", file, "--target", "kubernetes")
    assert code == 0
    code, out, _ = told(capsys, "wait", out.strip())
    assert code == 1
    assert "Failed  it has waited for 30 s: Unschedulable: pod churn-" in out


def test_a_stopped_job_is_told_as_such(cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And collected with its log and exit code."""

    def life(pod: Pod) -> Iterator[None]:
        yield from begins(pod)
        while not pod.is_asked_to_end:
            yield
        pod.write("saved\n")
        pod.exit(5)

    cluster.life = life
    job = told(capsys, "submit", written(tmp_path / "churn.yaml", command=["true"]), "--target", "kubernetes")[1].strip()
    cluster.sleep(10)
    assert told(capsys, "stop", job) == (0, "", f"{job} is being stopped\n")
    assert told(capsys, "wait", job)[:2] == (1, f"{job}  Stopped\n")
    document = json.loads(told(capsys, "collect", job, "--json", "-o", "out")[1])
    assert (document["status"], document["exit_code"]) == ("Stopped", 5)
    assert (tmp_path / "out" / "stdout").read_text() == "saved\n"


@pytest.mark.parametrize("words", ["exceeded quota: team", 'admission webhook "w" denied the request: no'])
def test_a_refusal_is_no_denied_access(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    """One error with the cluster's own words."""
    cluster.admission.append(admission.deny("jobs", words))
    code, _, err = told(capsys, "submit", written(tmp_path / "churn.yaml", command=["true"]), "--target", "kubernetes")
    assert code == 78
    assert f"the cluster refuses it: {words}" in err
    assert "access denied" not in err
