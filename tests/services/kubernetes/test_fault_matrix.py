"""Every fault at every request and at every tick of a run: what comes of it is what comes of it without.

A run submits a workload, follows its log, waits for its end and collects. The world is deterministic up to the threads of its
server; delays of a pod's states are drawn by a seed. A sample is tried; `make faults` tries all, which takes an hour.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightkube
import pytest

from lyftlearn_image.run import Status
from lyftlearn_image.services.kubernetes.client import KubernetesService
from lyftlearn_runtime.run_record import LogTail, write_record
from tests.services.kubernetes.simulator import admission, faults
from tests.services.kubernetes.simulator.cluster import Cluster, simulated_cluster
from tests.services.kubernetes.simulator.lives import begins, runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.platforms.launch import Compiled
    from tests.services.kubernetes.simulator.pods import Pod

# Equal lines, an empty one, one longer than the runtime's buffer, and what looks like a time of the kubelet's.
pytestmark = pytest.mark.slow
LINES = ("begin", "", "same", "same", "x" * 40_000, "2026-11-28T12:00:00Z like a time", "50 %\r100 %", "näher", "end")
SAMPLE = 6
LONGEST_RUN = 60


def bursts(pod: Pod) -> Iterator[None]:
    """Lines of which many have the same time, written in pieces that are no lines."""
    yield from begins(pod)
    data = "".join(f"{line}\n" for line in LINES * 2).removesuffix("\n").encode()
    for at in range(0, len(data), 30_011):
        pod.write(data[at : at + 30_011])
        yield
    pod.exit(0)


def delayed(life: Callable[[Pod], Iterator[None]], source: random.Random) -> Callable[[Pod], Iterator[None]]:
    """The same life, with ticks between its steps in which nothing happens."""

    def slower(pod: Pod) -> Iterator[None]:
        for _ in life(pod):
            for _ in range(1 + source.choice((0, 0, 0, 1, 5))):
                yield

    return slower


def with_shim(life: Callable[[Pod], Iterator[None]], s3: S3Client, uri: str) -> Callable[[Pod], Iterator[None]]:
    """The same life, whose container leaves its record in S3 before it is seen to have ended, as the shim does."""

    def recorded(pod: Pod) -> Iterator[None]:
        for _ in life(pod):
            leave_record(pod, s3, uri)
            yield
        leave_record(pod, s3, uri)

    return recorded


def leave_record(pod: Pod, s3: S3Client, uri: str) -> None:
    """What the shim leaves of a container that has ended."""
    if not pod.is_there:
        return
    ended = [
        one["state"].get("terminated") for one in pod.document["status"].get("containerStatuses", ()) if one["name"] == "main"
    ]
    if not (ended and ended[0]):
        return
    log = LogTail(())
    log.feed(1, b"".join(entry.data for entry in pod.logs["main"].entries))
    index = pod.document["metadata"].get("annotations", {}).get("batch.kubernetes.io/job-completion-index", "0")
    environ = {"LYFTLEARN_RECORD": uri, "JOB_COMPLETION_INDEX": index}
    ((path, target),) = write_record(log, ended[0]["exitCode"], environ).items()
    document = json.loads(Path(path).read_text()) | {"ended_at": pod.now}
    Path(path).unlink()
    bucket, _, key = target.removeprefix("s3://").partition("/")
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(document).encode())


@dataclass(frozen=True)
class Scenario:
    """What a run meets without any fault, and what comes of it."""

    life: Callable[[Pod], Iterator[None]]
    status: Status
    code: int
    lines: tuple[str, ...]
    webhooks: tuple[Any, ...] = ()
    fields: dict[str, Any] = field(default_factory=dict)


SCENARIOS = {
    "echo": Scenario(runs("hi"), Status.COMPLETED, 0, ("hi",)),
    "lines": Scenario(runs(*LINES), Status.COMPLETED, 0, LINES),
    "bursts": Scenario(bursts, Status.COMPLETED, 0, LINES * 2),
    "silent": Scenario(runs(), Status.COMPLETED, 0, ()),
    "failing": Scenario(runs(*LINES, code=3, message="no data"), Status.FAILED, 3, LINES),
    "two hosts": Scenario(runs(*LINES), Status.COMPLETED, 0, LINES * 2, fields={"nodes": 2}),
    "sidecar": Scenario(
        runs(*LINES, code=3),
        Status.FAILED,
        3,
        LINES,
        (admission.inject("agent", is_native=True), admission.inject("mesh", is_native=True)),
    ),
}
FAULTS: dict[str, faults.Edit] = {
    **{f"{code}": faults.refuse(code) for code in (429, 500, 502, 503, 504)},
    **{f"{code} of a balancer": faults.refuse(code, is_status=False) for code in (502, 503)},
    "no answer": faults.cut,
    "streams break in a line": faults.break_streams(),
    "streams are closed": faults.break_streams(is_clean=True),
    "server down for 6 s": faults.go_away(6),
    "versions forgotten": faults.forget_versions,
    "kubelet restarted": faults.restart_kubelet(4),
    "kubelet away for a minute": faults.restart_kubelet(60),
    "log rotated": faults.rotate_logs,
    "token replaced": lambda cluster: faults.replace_tokens("new", cluster.plugin)(cluster),  # type: ignore[attr-defined]
}


@dataclass(frozen=True)
class Outcome:
    """What a user sees of a run."""

    status: Status
    code: int
    followed: tuple[str, ...]
    collected: tuple[str, ...]
    cut: tuple[str, ...]


class Rehearsal:
    """Runs of one scenario, each in a new world."""

    def __init__(self, scenario: Scenario, s3: S3Client, compiled: Callable[..., Compiled], directory: Path) -> None:
        self._scenario = scenario
        self._s3 = s3
        self._compiled = compiled(**scenario.fields)
        self._directory = directory

    def run(self, seed: int, fault: Callable[[Cluster], None] | None = None) -> tuple[Outcome, Cluster]:
        """One run; `fault` puts its edits in."""
        token = self._directory / "token.json"
        _write_token(token, "old")
        with simulated_cluster(seed) as cluster:
            uri = f"s3://runs/{self._compiled.documents[-1]['metadata']['name']}/record/"
            cluster.life = with_shim(delayed(self._scenario.life, cluster.random), self._s3, uri)
            cluster.admission = list(self._scenario.webhooks)
            cluster.tokens = {"old"}
            cluster.plugin = lambda new: _write_token(token, new)  # type: ignore[attr-defined]
            if fault:
                fault(cluster)
            config = cluster.kubeconfig(exec_command=["cat", str(token)])
            service = KubernetesService(lightkube.Client(config=config), self._s3, cluster.clock())
            workspace = Path(tempfile.mkdtemp(dir=self._directory))
            try:
                job = service.submit(self._compiled)
                followed = tuple(service.logs(job, follow=True, keep=True))
                service.wait(job, lambda _: None)
                run = service.collect(job, workspace)
                collected = run.stdout.read_bytes().decode()
            except BaseException:
                cluster.dump(self._directory / "world.json")
                raise
            finally:
                service.close()
                shutil.rmtree(workspace)
        lines = tuple(collected.removesuffix("\n").split("\n")) if collected else ()
        return Outcome(run.status, run.exit_code, followed, lines, run.cut), cluster


def _write_token(path: Path, token: str) -> None:
    credential = {"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": {"token": token}}
    path.write_text(json.dumps(credential))


def places(cluster: Cluster) -> list[tuple[str, int]]:
    """Where a fault can come in a run as that one was: at each request, and at each tick."""
    requests = [("request", number) for number in range(len(cluster.requests))]
    return requests + [("tick", number) for number in range(1, min(cluster.ticks, LONGEST_RUN))]


def cases(name: str, rehearsal: Rehearsal) -> Iterator[tuple[str, str, int]]:
    """Every fault at every place of a scenario. What is an answer can only come at a request."""
    scenario = SCENARIOS[name]
    outcome, cluster = rehearsal.run(0)
    assert outcome == Outcome(scenario.status, scenario.code, scenario.lines, scenario.lines, ())
    for fault, (kind, number) in itertools.product(FAULTS, places(cluster)):
        if kind == "request" or not (fault[0].isdigit() or fault == "no answer"):
            yield fault, kind, number


def survives(scenario: Scenario, outcome: Outcome, *, has_rotated: bool) -> bool:
    """Whether a run ended as it does without a fault.

    Of a log that was rotated away before it was read, what is followed may miss lines, or the beginning of one; what is
    collected has them.
    """
    whole = Outcome(scenario.status, scenario.code, outcome.followed, scenario.lines, ())
    rest = iter(scenario.lines)
    # Of several pods the lines are collected one after the other, and followed as the streams come and go.
    is_part = sorted(outcome.followed) == sorted(scenario.lines) or (
        has_rotated and all(any(one.endswith(line) for one in rest) for line in outcome.followed)
    )
    return outcome == whole and is_part


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_fault_at_every_request_is_come_through(
    name: str, s3: S3Client, compiled: Callable[..., Compiled], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """No line is lost or doubled, and status and exit code are the same. LYFTLEARN_FAULTS is how many are tried, or `all`."""
    seed = int(os.environ.get("LYFTLEARN_SEED", "1"))
    rehearsal = Rehearsal(SCENARIOS[name], s3, compiled, tmp_path)
    chosen = list(cases(name, rehearsal))
    wanted = os.environ.get("LYFTLEARN_FAULTS", str(SAMPLE))
    if wanted != "all":
        chosen = random.Random(seed).sample(chosen, min(int(wanted), len(chosen)))  # noqa: S311 - which are tried
    tried, failed = Counter[str](), list[str]()
    for fault, kind, number in chosen:

        def put_in(cluster: Cluster, fault: str = fault, kind: str = kind, number: int = number) -> None:
            place = cluster.at_request if kind == "request" else cluster.at_tick
            place(number, FAULTS[fault])

        tried[fault] += 1
        try:
            outcome, cluster = rehearsal.run(seed, put_in)
        except Exception as error:  # noqa: BLE001 - all that do not come through are told together
            failed.append(f"{fault} at {kind} {number}: {error!r}")
            continue
        if not survives(SCENARIOS[name], outcome, has_rotated=fault == "log rotated"):
            cluster.dump(tmp_path / "world.json")
            failed.append(f"{fault} at {kind} {number}: {outcome}")
    for word, count in (("tried", tried.total()), ("survived", tried.total() - len(failed))):
        record_property(f"faults {word}", count)
    assert not failed, "\n".join(failed[:20])
