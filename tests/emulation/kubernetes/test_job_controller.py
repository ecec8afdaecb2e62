"""Jobs that were not recorded: retries, indexes, disruptions, and names that appear when a pod is ready."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.emulation.kubernetes.job_pods import pod_from_template
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
    status = emulator.create_job([], job, tmp_path).run()
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
    status = emulator.create_job([], job, tmp_path).run()
    assert reasons(status)[-1] == ("Failed", "BackoffLimitExceeded")
    assert len(status.pods) == 1
    assert status.pods[0].status.containers[0].restart_count == 2


def test_a_retried_job_completes(emulator: KubernetesEmulator, container_of: Make, job_of: Make, tmp_path: Path) -> None:
    """What the target tells of it is the run that succeeded."""
    container = container_of(
        "import socket; print(socket.gethostname()); raise SystemExit(socket.gethostname() == 'HOST')".replace(
            "HOST", pod_from_template(job_of(container_of("")), "", None, 0)["metadata"]["name"]
        )
    )
    told: list[str] = []
    compiled = Compiled("kubernetes", "Job", (job_of(container, backoffLimit=1),))
    run = emulator.run(compiled, workspace=tmp_path, on_phase=told.append)
    assert told == ["attempt 2 of 2"]
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
    names = [pod_from_template(job_of(container), "", None, number)["metadata"]["name"] for number in range(2)]
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


def test_the_reason_of_a_failed_job_is_the_message_of_its_pod(
    emulator: KubernetesEmulator, container_of: Make, job_of: Make, tmp_path: Path
) -> None:
    """The termination message of the pod that decided it."""
    container = container_of("open('/dev/termination-log', 'w').write('why it failed'); raise SystemExit(3)")
    run = emulator.run(Compiled("kubernetes", "Job", (job_of(container, backoffLimit=0),)), workspace=tmp_path)
    assert (run.status, run.exit_code, run.reason) == (Status.FAILED, 3, "why it failed")


@pytest.mark.parametrize("failing", [0, 1])
def test_of_several_hosts_the_first_that_failed_decides(
    emulator: KubernetesEmulator, container_of: Make, job_of: Make, tmp_path: Path, failing: int
) -> None:
    """Its code, its message and its output, whichever index it has; the other is ended by the platform, with 143."""
    program = (
        "import signal, sys, time\n" + INDEX + f"print('index', index)\nif index == {failing}:\n"
        " open('/dev/termination-log', 'w').write('bad shard'); sys.exit(7)\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); time.sleep(300)"
    )
    job = job_of(container_of(program), completionMode="Indexed", completions=2, parallelism=2, backoffLimit=0)
    run = emulator.run(Compiled("kubernetes", "Job", (job,)), workspace=tmp_path)
    assert (run.status, run.exit_code, run.reason) == (Status.FAILED, 7, "bad shard")
    assert run.stdout.read_text() == f"index {failing}\n"


def test_of_several_containers_the_first_that_failed_decides(
    emulator: KubernetesEmulator, container_of: Make, job_of: Make, tmp_path: Path
) -> None:
    """Not the first of the manifest."""
    slow = container_of(
        "import os, time\nwhile not os.path.exists('/dev/shm/ends'): time.sleep(.05)\ntime.sleep(2); raise SystemExit(4)"
    )
    second = container_of("open('/dev/shm/ends', 'w'); raise SystemExit(3)", "second")
    job = job_of(slow, {"containers": [slow, second]}, backoffLimit=0)
    run = emulator.run(Compiled("kubernetes", "Job", (job,)), workspace=tmp_path)
    assert run.exit_code == 3


def test_a_limit_beyond_the_machine_is_told(
    emulator: KubernetesEmulator, container_of: Make, job_of: Make, tmp_path: Path
) -> None:
    """By its name: what needs all of it fails here alone, and the pod runs with what there is."""
    container = container_of("print()", resources={"limits": {"memory": "64Ti", "cpu": "4096"}})
    run = emulator.run(Compiled("kubernetes", "Job", (job_of(container),)), workspace=tmp_path)
    assert run.exit_code == 0
    assert [note for note in run.notes if note.startswith("limits.cpu=4096 of main is beyond this machine's")]
    assert [note for note in run.notes if note.startswith("limits.memory=64Ti of main allows 65536.0 GiB")]


def test_a_job_over_its_deadline_fails(emulator: KubernetesEmulator, until_stopped: Make, job_of: Make, tmp_path: Path) -> None:
    """Whatever its pod ends with."""
    job = job_of(until_stopped(), {"terminationGracePeriodSeconds": 60}, activeDeadlineSeconds=4)
    run = emulator.run(Compiled("kubernetes", "Job", (job,)), workspace=tmp_path)
    assert (run.status, run.exit_code, run.reason) == (Status.FAILED, 0, "DeadlineExceeded")


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
    # Each pod has a server, which tells it that its peer has seen both names.
    program = (
        INDEX + "import socket, time\n"
        "server = socket.create_server(('', 1))\n"
        "def find(name):\n try: return socket.gethostbyname(name)\n except OSError: return None\n"
        "own, peer = f'demo-{index}.peers', f'demo-{1 - index}.peers'; before = find(own); open('/dev/shm/ready', 'w')\n"
        "count = lambda: len(socket.getaddrinfo('peers', 1, type=socket.SOCK_STREAM))\n"
        "while not (find(own) and find(peer)) or count() < 2: time.sleep(.1)\n"
        "print(before, find('other'), count())\n"
        "socket.create_connection((peer, 1)); server.accept()"
    )
    probe = {"exec": {"command": ["test", "-e", "/dev/shm/ready"]}, "periodSeconds": 1}
    job = job_of(
        container_of(program, readinessProbe=probe),
        {"subdomain": "peers"},
        completionMode="Indexed",
        completions=2,
        parallelism=2,
    )
    status = emulator.create_job([service, other], job, tmp_path).run()
    assert status.is_complete
    assert [(pod.workspace / "stdout").read_text() for pod in status.pods] == ["None 10.96.0.77 2\n"] * 2


def test_a_pod_that_a_successful_job_ends_has_not_failed(
    emulator: KubernetesEmulator, container_of: Make, job_of: Make, tmp_path: Path
) -> None:
    """The first index is enough, and the other pod is deleted: `status.failed` says nothing of it (pods-2)."""
    program = INDEX + "import time; time.sleep(300 * index)"
    policy = {"rules": [{"succeededIndexes": "0"}]}
    job = job_of(container_of(program), completionMode="Indexed", completions=2, parallelism=2, successPolicy=policy)
    status = emulator.create_job([], job, tmp_path).run()
    assert reasons(status) == [("SuccessCriteriaMet", "SuccessPolicy"), ("Complete", "SuccessPolicy")]
    assert (status.succeeded, status.failed) == (1, 0)


def test_a_policy_names_the_pod_with_its_namespace(
    emulator: KubernetesEmulator, container_of: Make, job_of: Make, tmp_path: Path
) -> None:
    """As `kubectl describe` shows it (pods-2)."""
    rules = [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [9]}}]
    job = job_of(container_of("raise SystemExit(9)"), podFailurePolicy={"rules": rules})
    job["metadata"]["namespace"] = "teams"
    status = emulator.create_job([], job, tmp_path).run()
    assert re.fullmatch(
        r"Container main for pod teams/demo-\w{5} failed with exit code 9 matching FailJob rule at index 0",
        status.conditions[0].message,
    )
