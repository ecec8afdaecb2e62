"""Jobs that were not recorded: retries, failure policies, indexes, and names that appear when a pod is ready."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.emulation.kubernetes.job_controller import pod_of as pod_of_job
from lyftlearn_image.emulation.kubernetes.job_policy import Failure, Tally, backoff_s, failed_indexes, failure_of, verdict
from lyftlearn_image.emulation.kubernetes.pod_status import ContainerStatus, PodStatus, Terminated
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.run import Status, StopRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lyftlearn_image.emulation.kubernetes.emulator import KubernetesEmulator

    Make = Callable[..., dict[str, Any]]

INDEX = "import os; index = int(os.environ['JOB_COMPLETION_INDEX']); "


def reasons(status: Any) -> list[tuple[str, str]]:
    """Type and reason of a Job's conditions."""
    return [(one.type, one.reason) for one in status.conditions]


def test_each_index_runs_until_it_succeeds(
    emulator: KubernetesEmulator, container_of: Make, job_of: Make, tmp_path: Path
) -> None:
    """At most `parallelism` at a time; an index that fails is tried again under its own hostname, with a new pod."""
    container = container_of(INDEX + "import socket; print(socket.gethostname()); raise SystemExit(index == 1)")
    job = job_of(container, completionMode="Indexed", completions=3, parallelism=2, backoffLimitPerIndex=1, backoffLimit=9)
    status = emulator.job([], job, tmp_path).run()
    assert reasons(status) == [("FailureTarget", "FailedIndexes"), ("Failed", "FailedIndexes")]
    assert (status.completed_indexes, status.failed_indexes) == ((0, 2), (1,))
    assert sorted(one.index for one in status.pods) == [0, 1, 1, 2]
    hosts = sorted((one.workspace / "stdout").read_text().strip() for one in status.pods)
    assert hosts == ["demo-0", "demo-1", "demo-1", "demo-2"]
    assert len({one.name for one in status.pods}) == 4


def test_restarts_in_a_pod_count_as_failures(
    emulator: KubernetesEmulator, container_of: Make, job_of: Make, tmp_path: Path
) -> None:
    """With OnFailure the pod is kept and its container restarted, until the backoffLimit."""
    job = job_of(container_of("raise SystemExit(3)"), {"restartPolicy": "OnFailure"}, backoffLimit=2)
    status = emulator.job([], job, tmp_path).run()
    assert reasons(status)[-1] == ("Failed", "BackoffLimitExceeded")
    assert len(status.pods) == 1
    assert status.pods[0].status.containers[0].restart_count == 2


def test_a_retried_job_completes(emulator: KubernetesEmulator, container_of: Make, job_of: Make, tmp_path: Path) -> None:
    """What the target tells of it is the run that succeeded."""
    container = container_of(
        "import socket; print(socket.gethostname()); raise SystemExit(socket.gethostname() == 'HOST')".replace(
            "HOST", pod_of_job(job_of(container_of("")), "", None, 0)["metadata"]["name"]
        )
    )
    run = emulator.run(Compiled("kubernetes", "Job", (job_of(container, backoffLimit=1),)), workspace=tmp_path)
    assert (run.status, run.exit_code) == (Status.COMPLETED, 0)
    assert run.stdout.read_text() != (tmp_path / "stdout").read_text()


def test_a_job_is_stopped_as_a_user_stops_it(
    emulator: KubernetesEmulator, container_of: Make, job_of: Make, tmp_path: Path
) -> None:
    """Its pod is told to end, and not made again."""
    container = container_of("import time; print('working'); time.sleep(300)")
    compiled = Compiled("kubernetes", "Job", (job_of(container),))
    run = emulator.run(compiled, workspace=tmp_path, stop=StopRequest(re.compile("working")))
    assert (run.status, run.exit_code) == (Status.STOPPED, 137)


# On SIGTERM it leaves a line and ends; where there is a line already, it is the second pod and completes.
LOST = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print('told to end', flush=True), sys.exit(143)))
print('working', os.environ.get('JOB_COMPLETION_INDEX'), flush=True)
time.sleep(2 if os.uname().nodename in os.environ['SECOND'].split() else 300)
print('done', flush=True)
"""
IGNORED = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}


def test_a_pod_that_loses_its_node_is_made_again(
    emulator: KubernetesEmulator, container_of: Make, job_of: Make, tmp_path: Path
) -> None:
    """It is no failure where the policy ignores disruptions; the log is that of both pods, with the grace between them."""
    container = container_of(LOST)
    names = [pod_of_job(job_of(container), "", None, number)["metadata"]["name"] for number in range(2)]
    container["env"] = [{"name": "SECOND", "value": names[1]}]
    compiled = Compiled("kubernetes", "Job", (job_of(container, backoffLimit=0, podFailurePolicy=IGNORED),))
    run = emulator.run(compiled, workspace=tmp_path, stop=StopRequest(re.compile("working"), is_interruption=True))
    assert (run.status, run.exit_code) == (Status.COMPLETED, 0)
    assert run.stdout.read_text() == "working None\ntold to end\nworking None\ndone\n"


def test_a_job_without_that_policy_fails_with_its_node(
    emulator: KubernetesEmulator, container_of: Make, job_of: Make, tmp_path: Path
) -> None:
    """The lost pod counts, and the backoffLimit is 0."""
    container = {**container_of(LOST), "env": [{"name": "SECOND", "value": "none"}]}
    compiled = Compiled("kubernetes", "Job", (job_of(container, backoffLimit=0),))
    run = emulator.run(compiled, workspace=tmp_path, stop=StopRequest(re.compile("working"), is_interruption=True))
    assert (run.status, run.exit_code) == (Status.FAILED, 143)
    assert run.stdout.read_text() == "working None\ntold to end\n"


def test_the_log_of_a_complete_job_is_the_first_hosts(
    emulator: KubernetesEmulator, container_of: Make, job_of: Make, tmp_path: Path
) -> None:
    """Whichever pod ends first."""
    container = container_of(INDEX + "import time; time.sleep(2 - 2 * index); print('index', index)")
    job = job_of(container, completionMode="Indexed", completions=2, parallelism=2)
    run = emulator.run(Compiled("kubernetes", "Job", (job,)), workspace=tmp_path)
    assert run.stdout.read_text() == "index 0\n"


@pytest.mark.parametrize(
    ("program", "limit", "exit_code", "reason"),
    [
        ("open('/dev/termination-log', 'w').write('why it failed'); raise SystemExit(3)", 60, 3, "why it failed"),
        ("import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(0)); time.sleep(300)", 2, 0, "DeadlineExceeded"),
    ],
)
def test_the_reason_of_a_failed_job_is_told(  # noqa: PLR0913, PLR0917 - fixtures
    emulator: KubernetesEmulator,
    container_of: Make,
    job_of: Make,
    tmp_path: Path,
    program: str,
    limit: int,
    exit_code: int,
    reason: str,
) -> None:
    """The termination message of the pod that decided it, or the deadline, which fails a Job whatever it ends with."""
    job = job_of(container_of(program), backoffLimit=0, activeDeadlineSeconds=limit)
    run = emulator.run(Compiled("kubernetes", "Job", (job,)), workspace=tmp_path)
    assert (run.status, run.exit_code, run.reason) == (Status.FAILED, exit_code, reason)


def test_a_name_appears_when_its_pod_is_ready(
    emulator: KubernetesEmulator, container_of: Make, job_of: Make, tmp_path: Path
) -> None:
    """Of a headless Service that does not publish pods before; a Service with an address has a name, too."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "peers"},
        "spec": {"clusterIP": "None", "selector": {"app": "demo"}, "ports": [{"port": 1}]},
    }
    other = {**service, "metadata": {"name": "other"}, "spec": {"clusterIP": "10.96.0.77", "ports": [{"port": 1}]}}
    program = (
        INDEX + "import socket, time\n"
        "def find(name):\n try: return socket.gethostbyname(name)\n except OSError: return None\n"
        "peer = f'demo-{1 - index}.peers'; before = find(peer); open('/dev/shm/ready', 'w')\n"
        "count = lambda: len(socket.getaddrinfo('peers', 1, type=socket.SOCK_STREAM))\n"
        "while not find(peer) or count() < 2: time.sleep(.1)\n"
        "print(before is None or index, find('other'), count())\n"
        "time.sleep(3)"
    )
    probe = {"exec": {"command": ["test", "-e", "/dev/shm/ready"]}, "periodSeconds": 1, "initialDelaySeconds": 2}
    job = job_of(
        container_of(program, readinessProbe=probe),
        {"subdomain": "peers"},
        completionMode="Indexed",
        completions=2,
        parallelism=2,
    )
    status = emulator.job([service, other], job, tmp_path).run()
    assert status.is_complete
    assert (tmp_path / "stdout").read_text() == "True 10.96.0.77 2\n"


def failed(exit_code: int, reason: str = "") -> PodStatus:
    """The status of a pod whose container ended with an exit code."""
    ended = ContainerStatus("main", None, Terminated(exit_code, "Error"))
    return PodStatus("Failed", (), (ended,), reason, is_disrupted=reason == "Evicted")


POLICY = {
    "rules": [
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
        {"action": "FailIndex", "onExitCodes": {"containerName": "main", "operator": "In", "values": [43]}},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
        {"action": "Count", "onExitCodes": {"operator": "NotIn", "values": [1]}},
    ]
}


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (failed(42), "FailJob"),
        (failed(43), "FailIndex"),
        (failed(137, "Evicted"), "Ignore"),
        (failed(137), "Count"),
        (failed(1), "Count"),
    ],
)
def test_the_first_rule_that_matches_decides(status: PodStatus, action: str) -> None:
    """By exit code or by condition; without a rule a failure counts."""
    assert failure_of({"podFailurePolicy": POLICY}, 0, "default/demo-0", status).action == action


def test_a_policy_can_end_the_job() -> None:
    """The condition tells which container, which pod and which rule."""
    failure = failure_of({"podFailurePolicy": POLICY}, None, "default/demo-x", failed(42))
    (_, condition) = verdict({}, Tally(failures=(failure,)))
    assert condition.reason == "PodFailurePolicy"
    assert condition.message == (
        "Container main for pod default/demo-x failed with exit code 42 matching FailJob rule at index 0"
    )


def test_a_job_fails_when_its_limits_are_passed() -> None:
    """Six retries by default; ignored failures never count; an index that a policy gave up is not tried again."""
    six = Tally(failures=(Failure(None, "Count"),) * 6)
    assert verdict({}, six) == ()
    assert verdict({}, replace(six, failures=six.failures * 2))[0].reason == "BackoffLimitExceeded"
    assert verdict({"backoffLimit": 0}, Tally(failures=(Failure(None, "Ignore"),) * 9)) == ()
    given_up = Tally(failures=(Failure(3, "FailIndex"),))
    assert failed_indexes({"backoffLimitPerIndex": 5}, given_up) == (3,)
    assert verdict({"completions": 9, "maxFailedIndexes": 0}, given_up)[1].reason == "MaxFailedIndexesExceeded"


def test_some_indexes_may_be_enough() -> None:
    """A successPolicy counts indexes, or names them, or both; the rest is not waited for."""
    spec = {"completions": 5, "successPolicy": {"rules": [{"succeededIndexes": "0,2-3"}, {"succeededCount": 4}]}}
    assert verdict(spec, Tally(succeeded=(0, 2, 4))) == ()
    assert [one.type for one in verdict(spec, Tally(succeeded=(3, 2, 0)))] == ["SuccessCriteriaMet", "Complete"]
    assert verdict(spec, Tally(succeeded=(0, 1, 2, 4)))[0].message == "Matched rules at index 1"
    leader = {"completions": 5, "successPolicy": {"rules": [{"succeededIndexes": "1-4", "succeededCount": 1}]}}
    assert verdict(leader, Tally(succeeded=(0,))) == ()
    assert verdict(leader, Tally(succeeded=(4,)))[0].reason == "SuccessPolicy"


def test_a_job_waits_longer_after_each_failure() -> None:
    """10 s, 20 s, 40 s, at most six minutes."""
    assert [backoff_s(10, failures) for failures in (0, 1, 2, 3, 9)] == [0, 10, 20, 40, 360]


@pytest.mark.parametrize(
    ("pod", "fields", "named"),
    [
        ({"restartPolicy": "Always"}, {}, "restartPolicy"),
        ({"restartPolicy": "OnFailure"}, {"podFailurePolicy": POLICY}, "podFailurePolicy"),
        ({}, {"completionMode": "Indexed"}, "completions"),
        ({}, {"backoffLimitPerIndex": 1}, "backoffLimitPerIndex"),
    ],
)
def test_what_the_api_refuses_of_a_job_is_refused(  # noqa: PLR0913, PLR0917 - fixtures
    emulator: KubernetesEmulator,
    container_of: Make,
    job_of: Make,
    tmp_path: Path,
    pod: dict[str, Any],
    fields: dict[str, Any],
    named: str,
) -> None:
    """Before any pod is made."""
    with pytest.raises(InvalidInputError, match=named):
        emulator.job([], job_of(container_of(""), pod, **fields), tmp_path)
