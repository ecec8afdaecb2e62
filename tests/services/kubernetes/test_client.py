"""The service target against an API server over HTTP, with Jobs that run in real containers and servers that fail."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import lightkube
import pytest

from lyftlearn_image.emulation.session import BUCKET, Embedded, embedded
from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.platforms.launch import Compiled, Launch
from lyftlearn_image.run import Status, StopRequest
from lyftlearn_image.runs.tuning import TuningRun, run_tuning, trial_name
from lyftlearn_image.services.kubernetes.client import KubernetesService
from lyftlearn_image.services.service import job_name
from lyftlearn_image.workload import Tuning, Workload
from tests.services.kubernetes.emulated_pods import cluster_with_containers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lyftlearn_image.run import Trial
    from tests.services.kubernetes.simulator.cluster import Cluster

PREFIX = f"s3://{BUCKET}/service"


@pytest.fixture(scope="module")
def session(engine: None) -> Iterator[Embedded]:
    """Both emulators and a local S3."""
    with embedded(f"k8s-{uuid.uuid4().hex[:8]}") as made:
        yield made


@pytest.fixture
def cluster(session: Embedded, tmp_path: Path) -> Iterator[Cluster]:
    """An empty cluster whose pods are real containers."""
    with cluster_with_containers(session, tmp_path / "kubelet") as made:
        yield made


@pytest.fixture
def service(cluster: Cluster, session: Embedded) -> Iterator[KubernetesService]:
    """The target at this cluster; its waits are short."""
    made = KubernetesService(lightkube.Client(config=cluster.kubeconfig()), session.s3, cluster.clock())
    yield made
    made.close()


@pytest.fixture
def compiled(lyftlearn_image_tag: str, service: KubernetesService) -> Callable[..., Compiled]:
    """The manifests for a program."""

    def compile_(program: str, **fields: Any) -> Compiled:
        limits = {"cpus": 1, "memory_mib": 512}
        command = ("python", "-c", program)
        workload = Workload.model_validate(
            {"name": "svc", "image": lyftlearn_image_tag, "command": command, **limits, **fields}
        )
        return compile_for(service.name, workload, Launch(job_name(workload, "kubernetes", PREFIX), PREFIX))

    return compile_


def test_a_job_goes_through_the_api(
    service: KubernetesService, cluster: Cluster, compiled: Callable[..., Compiled], tmp_path: Path
) -> None:
    """Created with its ConfigMaps, followed, watched and collected, also by another client when the pod is gone."""
    lines: list[str] = []
    program = "open('/opt/ml/output/data/m','w').write('x'); print(open('/etc/team/c').read(), flush=True)"
    files = {"/etc/team/c": {"content": "from-a-map"}}
    run = service.run(compiled(program, files=files), workspace=tmp_path, on_line=lines.append)
    assert (run.status, run.exit_code, lines) == (Status.COMPLETED, 0, ["from-a-map"])
    assert run.stdout.read_text() == "from-a-map\n"
    for pod in cluster.pods():
        pod.delete()
    (tmp_path / "again").mkdir()
    other = KubernetesService(lightkube.Client(config=cluster.kubeconfig()), service.s3, cluster.clock())
    again = other.collect(f"job/{run.job_name}", tmp_path / "again")
    other.close()
    assert (again.stdout.read_text(), again.exit_code, again.cut) == ("from-a-map\n", 0, ())
    owners = [
        one["metadata"]["ownerReferences"][0]["name"]
        for (kind, _, _), one in cluster.objects.by_key.items()
        if kind == "configmaps"
    ]
    assert owners
    assert set(owners) == {run.job_name}


def test_a_failure_comes_with_its_code_and_reason(
    service: KubernetesService, compiled: Callable[..., Compiled], tmp_path: Path
) -> None:
    """The container's exit code and its termination message."""
    run = service.run(compiled("import sys; sys.exit('no data')"), workspace=tmp_path)
    assert (run.status, run.exit_code) == (Status.FAILED, 1)
    assert "no data" in run.reason


def test_a_job_is_stopped(service: KubernetesService, compiled: Callable[..., Compiled], tmp_path: Path) -> None:
    """Its script sees SIGTERM, and what it then writes is kept; the Job stays, as stopped."""
    program = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('saving', flush=True), sys.exit(3)))\n"
        "print('ready', flush=True); time.sleep(60)\n"
    )
    # The cluster's time runs ahead of that of real containers.
    one = compiled(program, kubernetes={"grace_s": 36_000})
    run = service.run(one, workspace=tmp_path, stop=StopRequest(re.compile("ready")))
    assert (run.status, run.exit_code) == (Status.STOPPED, 3)
    assert run.stdout.read_text() == "ready\nsaving\n"
    service.stop(service.submit(one))


def test_a_search_is_a_job_a_trial_and_goes_on_where_it_was(
    service: KubernetesService, cluster: Cluster, session: Embedded, lyftlearn_image_tag: str, tmp_path: Path
) -> None:
    """Begun again after its client was lost, it finds the trials that have ended, and makes only those that have not."""
    program = b"""
import sys
depth = int(sys.argv[sys.argv.index('--depth') + 1])
open('/opt/ml/model/m', 'w').write(str(depth))
print('loss=%s' % (depth - 3) ** 2)
"""
    session.s3.put_object(Bucket=BUCKET, Key="search/train.py", Body=program)
    workload = Tuning(
        name="search", image=lyftlearn_image_tag, program="/opt/ml/input/data/code/train.py", seed=1, cpus=1,
        channels={"code": f"s3://{BUCKET}/search/"}, metrics={"loss": r"loss=(\S+)"}, objective="loss", goal="minimize",
        max_trials=3, memory_mib=512, search_space={"depth": {"type": "int", "low": 1, "high": 6}},
    )  # fmt: skip
    launch = Launch("search-1", PREFIX)
    lost: list[Trial] = []

    def lose(trial: Trial) -> None:
        lost.append(trial)
        if len(lost) == 2:
            raise KeyboardInterrupt

    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with pytest.raises(KeyboardInterrupt):
        run_tuning(service, workload, launch, TuningRun(tmp_path / "first", on_trial=lose))
    begun = [name for kind, _, name in cluster.objects.by_key if kind == "jobs"]
    run = run_tuning(service, workload, launch, TuningRun(tmp_path / "second"))
    names = [name for kind, _, name in cluster.objects.by_key if kind == "jobs"]
    assert names[: len(begun)] == begun
    assert sorted(names) == [trial_name("search-1", number) for number in range(3)]
    assert run.trials[:2] == tuple(lost)
    depths = [int(one.values["depth"]) for one in run.trials]
    assert [one.objective for one in run.trials] == [(depth - 3) ** 2 for depth in depths]
    assert (run.artifacts["model"] / "m").read_text() == str(min(depths, key=lambda depth: (depth - 3) ** 2))
