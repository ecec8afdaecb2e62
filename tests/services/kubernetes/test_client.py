"""The service target against an API server over HTTP, with Jobs that run in real containers and servers that fail."""

from __future__ import annotations

import re
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import lightkube
import pytest
from lightkube.config.kubeconfig import KubeConfig

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.emulation.session import BUCKET, Embedded, embedded
from lyftlearn_image.errors import InvalidInputError, UnavailableError
from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.platforms.launch import Compiled, Launch
from lyftlearn_image.retry import Clock
from lyftlearn_image.run import Status, StopRequest
from lyftlearn_image.runs.tuning import TuningRun, run_tuning, trial_name
from lyftlearn_image.services.kubernetes.client import KubernetesService
from lyftlearn_image.services.service import job_name
from lyftlearn_image.workload import Tuning, Workload
from tests.services.kubernetes.api_server import Kubelet, Store, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lyftlearn_image.run import Trial

PREFIX = f"s3://{BUCKET}/service"


@pytest.fixture(scope="module")
def session(engine: None) -> Iterator[Embedded]:
    """Both emulators and a local S3."""
    with embedded(f"k8s-{uuid.uuid4().hex[:8]}") as made:
        yield made


@pytest.fixture
def store(session: Embedded, tmp_path: Path) -> Store:
    """An empty cluster."""
    return Store(Kubelet(session, tmp_path / "kubelet"))


@pytest.fixture
def service(store: Store, session: Embedded) -> Iterator[KubernetesService]:
    """The target at this cluster; its waits are short."""
    with serve(store) as url:
        config = KubeConfig.from_dict(
            {
                "current-context": "here",
                "clusters": [{"name": "here", "cluster": {"server": url}}],
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "ci", "namespace": "default"}}],
                "users": [{"name": "ci", "user": {"token": "x"}}],
            }
        )
        clock = Clock(sleep=lambda seconds: time.sleep(min(seconds, 0.05)))
        client = lightkube.Client(config=config.get())
        service = KubernetesService(client, session.s3, clock)
        yield service
        service.close()


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
    service: KubernetesService, store: Store, compiled: Callable[..., Compiled], tmp_path: Path
) -> None:
    """Created with its ConfigMaps, followed, watched and collected; the Job owns what was made for it."""
    lines: list[str] = []
    program = "open('/opt/ml/output/data/m','w').write('x'); print(open('/etc/team/c').read(), flush=True)"
    files = {"/etc/team/c": {"content": "from-a-map"}}
    run = service.run(compiled(program, files=files), workspace=tmp_path, on_line=lines.append)
    assert (run.status, run.exit_code, lines) == (Status.COMPLETED, 0, ["from-a-map"])
    assert run.stdout.read_text() == "from-a-map\n"
    owners = [one["metadata"]["ownerReferences"][0]["name"] for (kind, _), one in store.objects.items() if kind == "configmaps"]
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
    """Suspended: its script sees SIGTERM, and the Job stays, as stopped."""
    program = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('saving', flush=True), sys.exit(3)))\n"
        "print('ready', flush=True); time.sleep(60)\n"
    )
    one = compiled(program)
    run = service.run(one, workspace=tmp_path, stop=StopRequest(re.compile("ready")))
    assert (run.status, run.exit_code) == (Status.STOPPED, 3)
    assert "saving" in run.stdout.read_text()
    service.stop(service.submit(one))


def test_the_same_manifests_are_the_same_job(
    service: KubernetesService, store: Store, compiled: Callable[..., Compiled]
) -> None:
    """Submitted twice it is created once."""
    one = compiled("print('once')")
    assert service.submit(one) == service.submit(one)
    service.wait(service.submit(one), lambda _: None)
    assert len([key for key in store.objects if key[0] == "jobs"]) == 1


SLOW = "import time\nfor i in range(15): print(i, flush=True); time.sleep(0.1)\n"


def test_a_watch_survives_what_servers_do(service: KubernetesService, store: Store, compiled: Callable[..., Compiled]) -> None:
    """Dropped connections, a forgotten version (410) and a server that is away for a while: the end is learnt."""
    job = service.submit(compiled(SLOW))
    phases: list[str] = []

    def trouble() -> None:
        time.sleep(0.4)
        store.dropped_at = time.monotonic()
        time.sleep(0.4)
        store.forget()
        time.sleep(0.3)
        store.is_away = True
        time.sleep(0.5)
        store.is_away = False

    thread = threading.Thread(target=trouble)
    thread.start()
    state = service.wait(job, lambda one: phases.append(one.phase))
    thread.join()
    assert state.status is Status.COMPLETED
    assert phases[-1] == "Complete"
    assert store.requests.count("GET jobs") > 6


def test_a_log_that_breaks_off_goes_on(service: KubernetesService, store: Store, compiled: Callable[..., Compiled]) -> None:
    """No line is lost and none comes twice."""
    job = service.submit(compiled(SLOW))
    lines = []
    for line in service.logs(job, follow=True):
        lines.append(line)
        if len(lines) in {3, 8}:
            store.dropped_at = time.monotonic()
    assert lines == [str(number) for number in range(15)]


def test_a_server_that_stays_away_is_told(service: KubernetesService, store: Store, compiled: Callable[..., Compiled]) -> None:
    """After ten minutes, with the way to go on: the Job runs without us."""
    job = service.submit(compiled("print('x')"))
    store.is_away = True
    moved = iter(range(0, 100_000, 200))
    service._clock = Clock(lambda: next(moved), lambda _: None)
    with pytest.raises(UnavailableError) as told:
        service.wait(job, lambda _: None)
    assert f"lyftlearn-image wait {job}" in told.value.hint
    store.is_away = False
    service._clock = Clock()
    service.wait(job, lambda _: None)


def test_forbidden_is_told_with_verb_and_resource(
    service: KubernetesService, store: Store, compiled: Callable[..., Compiled]
) -> None:
    """As the API words it, and nothing was made."""
    store.forbidden.add(("create", "jobs"))
    with pytest.raises(InvalidInputError, match=r"creating Job svc-\w+: access denied: it needs create on jobs"):
        service.submit(compiled("print('never')"))
    assert not [key for key in store.objects if key[0] in {"jobs", "pods"}]


def test_nothing_is_left_of_a_job_that_is_refused(
    service: KubernetesService, store: Store, compiled: Callable[..., Compiled], session: Embedded
) -> None:
    """Neither ConfigMaps nor the bundle in S3; what was there before stays, and so does a job that is sent again."""
    store.put("configmaps", {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "of-others"}}, "ADDED")
    request = compiled("print()", files={"/etc/big": {"content": "x" * (1 << 20)}})
    assert request.objects
    store.forbidden.add(("create", "jobs"))
    with pytest.raises(InvalidInputError, match="create on jobs"):
        service.submit(request)
    assert [name for kind, name in store.objects if kind == "configmaps"] == ["of-others"]
    assert not [uri for uri in request.objects if objects.list_keys(session.s3, uri)]
    store.forbidden.clear()
    job = service.submit(request)
    store.forbidden.add(("create", "jobs"))
    assert service.submit(request) == job
    assert all(objects.list_keys(session.s3, uri) for uri in request.objects)
    service.wait(job, lambda _: None)


def test_a_busy_server_is_asked_again(service: KubernetesService, store: Store, compiled: Callable[..., Compiled]) -> None:
    """429 is API Priority and Fairness; it passes. One that stays busy is told as such."""
    store.busy = 3
    job = service.submit(compiled("print()"))
    assert store.busy == 0
    assert service.wait(job, lambda _: None).status is Status.COMPLETED
    store.busy = 1000
    with pytest.raises(UnavailableError, match="the Kubernetes API answers 429"):
        service.state(job)


def test_what_is_not_there_is_told(service: KubernetesService) -> None:
    """A Job that is none, and a word that names none."""
    with pytest.raises(InvalidInputError, match="there is no Job no-such"):
        service.state("job/no-such")
    with pytest.raises(InvalidInputError, match="'training/x' is no job"):
        service.state("training/x")


def test_a_search_is_a_job_a_trial_and_goes_on_where_it_was(
    service: KubernetesService, store: Store, session: Embedded, lyftlearn_image_tag: str, tmp_path: Path
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
    begun = [name for kind, name in store.objects if kind == "jobs"]
    run = run_tuning(service, workload, launch, TuningRun(tmp_path / "second"))
    names = [name for kind, name in store.objects if kind == "jobs"]
    assert names[: len(begun)] == begun
    assert sorted(names) == [trial_name("search-1", number) for number in range(3)]
    assert run.trials[:2] == tuple(lost)
    depths = [int(one.values["depth"]) for one in run.trials]
    assert [one.objective for one in run.trials] == [(depth - 3) ** 2 for depth in depths]
    assert (run.artifacts["model"] / "m").read_text() == str(min(depths, key=lambda depth: (depth - 3) ** 2))
