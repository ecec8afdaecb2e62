"""Who waits for a job on a cluster learns what the job waits for, while it waits, and waits no longer than was allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.run import State, Status
from tests.services.kubernetes.simulator import admission, faults
from tests.services.kubernetes.simulator.lives import begins, runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lyftlearn_image.services.kubernetes.client import KubernetesService
    from tests.services.kubernetes.simulator.cluster import Cluster
    from tests.services.kubernetes.simulator.pods import Pod

NO_SECRET = 'secret "db" not found'
NO_MOUNT = f'MountVolume.SetUp failed for volume "db" : {NO_SECRET}'
QUOTA = 'pods "x" is forbidden: exceeded quota: team, requested: pods=1, used: pods=0, limited: pods=0'


def a_job(pending_timeout_s: int | None = None, **metadata: Any) -> Compiled:
    """The manifests of a Job with an init container, that may wait for so long."""
    bound = {"lyftlearn.dev/pending-timeout-s": str(pending_timeout_s)} if pending_timeout_s else {}
    pod = {
        "restartPolicy": "Never", "initContainers": [{"name": "model", "image": "i"}],
        "containers": [{"name": "main", "image": "i"}],
    }  # fmt: skip
    document = {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "churn-1", "annotations": bound, **metadata},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }  # fmt: skip
    return Compiled("kubernetes", "Job", (document,))


def no_mount(pod: Pod) -> None:
    """What the kubelet tells in an event alone."""
    pod.wait("ContainerCreating")
    pod.event("FailedMount", NO_MOUNT)


def crashing_sidecar(pod: Pod) -> None:
    """One of ours that is started over and over."""
    pod.wait("PodInitializing")
    pod.wait("CrashLoopBackOff", "back-off 40s restarting failed container=server", container="model")


def no_image(pod: Pod) -> None:
    """A registry that knows no such image."""
    pod.wait("ImagePullBackOff", 'Back-off pulling image "i"')


# What becomes of a pod after it has its node → the phase and words that are told.
OBSTACLES: dict[str, tuple[Callable[[Pod], None], str, str]] = {
    "secret": (lambda pod: pod.wait("CreateContainerConfigError", NO_SECRET), "CreateContainerConfigError", NO_SECRET),
    "image": (no_image, "ImagePullBackOff", 'Back-off pulling image "i"'),
    "mount": (no_mount, "FailedMount", NO_MOUNT),
    "sidecar": (crashing_sidecar, "Init:CrashLoopBackOff", "container model: back-off 40s"),
    "node": (lambda pod: pod.unschedulable(), "Unschedulable", "3 Insufficient cpu"),
}


def meets(obstacle: Callable[[Pod], None], ticks: int = 40) -> Callable[[Pod], Iterator[None]]:
    """A life that waits for so many ticks, then goes on as it should."""

    def life(pod: Pod) -> Iterator[None]:
        yield
        obstacle(pod)
        for _ in range(ticks):
            yield
        yield from begins(pod)
        pod.write("done\n")
        pod.exit(0)

    return life


def told(states: list[State], phase: str) -> str:
    """The reason that was told with a phase."""
    return next((state.reason for state in states if state.phase == phase), f"{phase} is not in {states}")


@pytest.mark.parametrize("obstacle", list(OBSTACLES))
@pytest.mark.parametrize("verb", ["wait", "logs"])
def test_what_a_pod_waits_for_is_told_while_it_waits(
    service: KubernetesService, cluster: Cluster, obstacle: str, verb: str
) -> None:
    """To who waits and to who follows the log; when the obstacle is gone, the job goes on to its end."""
    edit, phase, words = OBSTACLES[obstacle]
    cluster.life = meets(edit)
    job, states = service.submit(a_job()), list[State]()
    if verb == "wait":
        assert service.wait(job, states.append).status is Status.COMPLETED
    else:
        assert list(service.logs(job, follow=True, on_state=states.append)) == ["done"]
    assert words in told(states, phase)
    assert all(state.is_waiting for state in states if state.phase == phase)


@pytest.mark.parametrize("obstacle", list(OBSTACLES))
@pytest.mark.parametrize("verb", ["wait", "logs"])
def test_a_job_that_waits_too_long_ends_with_the_reason(
    service: KubernetesService, cluster: Cluster, obstacle: str, verb: str
) -> None:
    """After `pending_timeout_s`, for whoever asks afterwards too; nothing of it is left to start later."""
    edit, phase, words = OBSTACLES[obstacle]
    cluster.life = meets(edit, ticks=10_000)
    job = service.submit(a_job(30))
    begun = cluster.now
    if verb == "logs":
        assert list(service.logs(job, follow=True)) == []
    state = service.wait(job, lambda _: None)
    assert cluster.now - begun >= 30
    assert (state.status, state.phase) == (Status.FAILED, "PendingTimeout")
    assert f"it has waited for 30 s: {phase}: " in state.reason
    assert words in state.reason
    assert service.state(job) == state
    assert cluster.pods() == []


def test_a_job_that_begins_in_time_is_left_alone(service: KubernetesService, cluster: Cluster) -> None:
    """However long it then runs."""

    def life(pod: Pod) -> Iterator[None]:
        yield from begins(pod)
        end = cluster.now + 50
        while cluster.now < end:
            yield
        pod.exit(0)

    cluster.life = life
    assert service.wait(service.submit(a_job(30)), lambda _: None).status is Status.COMPLETED


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (QUOTA, "exceeded quota: team"),
        ('admission webhook "policy" denied the request: no team label', "no team label"),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true', "violates PodSecurity"),
    ],
)
def test_why_a_job_has_no_pod_is_told(service: KubernetesService, cluster: Cluster, refusal: str, words: str) -> None:
    """Quota, webhooks and policies refuse the pod, and the Job alone says so, in its events."""
    cluster.admission.append(admission.deny("pods", refusal))
    job, states = service.submit(a_job()), list[State]()

    def allow(state: State) -> None:
        states.append(state)
        if state.phase == "FailedCreate":
            cluster.admission.clear()

    assert service.wait(job, allow).status is Status.COMPLETED
    assert words in told(states, "FailedCreate")


def test_who_may_not_list_events_waits_all_the_same(service: KubernetesService, cluster: Cluster) -> None:
    """What the pod says itself is told."""
    cluster.forbidden.add(("list", "events"))
    cluster.life = meets(no_mount)
    job, states = service.submit(a_job()), list[State]()
    assert service.wait(job, states.append).status is Status.COMPLETED
    assert told(states, "ContainerCreating") == ""


def test_a_job_in_a_queue_waits(service: KubernetesService, cluster: Cluster) -> None:
    """Suspended by Kueue it is not stopped, its time there does not count, and admitted it goes on."""
    cluster.admission.append(admission.suspend_jobs)
    job, states = service.submit(a_job(30, labels={"kueue.x-k8s.io/queue-name": "team"})), list[State]()

    def admit(state: State) -> None:
        states.append(state)
        if state.phase == "Suspended":
            cluster.sleep(500)
            cluster.at_tick(
                cluster.ticks + 50, lambda _: cluster.patch("jobs", "default", "churn-1", {"spec": {"suspend": False}})
            )

    assert service.wait(job, admit) == State(Status.COMPLETED, "Complete", exit_code=0)
    assert states[0] == State(None, "Suspended", "it waits in the queue team", is_waiting=True)


def test_a_job_that_is_stopped_in_a_queue_never_runs(service: KubernetesService, cluster: Cluster) -> None:
    """Admitted afterwards, it ends before it has a pod."""
    cluster.admission.append(admission.suspend_jobs)
    job = service.submit(a_job())
    service.stop(job)
    assert service.wait(job, lambda _: None).status is Status.STOPPED
    cluster.patch("jobs", "default", "churn-1", {"spec": {"suspend": False}})
    cluster.sleep(60)
    assert service.state(job).status is Status.STOPPED
    assert cluster.pods() == []


def test_an_init_container_that_fails_is_told_with_its_message(service: KubernetesService, cluster: Cluster) -> None:
    """Of a pod whose own container never began."""

    def life(pod: Pod) -> Iterator[None]:
        pod.schedule()
        pod.wait("PodInitializing")
        pod.start("model")
        yield
        pod.exit(4, "no such model", container="model")

    cluster.life = life
    state = service.wait(service.submit(a_job()), lambda _: None)
    assert (state.status, state.exit_code) == (Status.FAILED, 4)
    assert state.reason == "init container model ended with exit code 4 (Error: no such model)"


def test_no_more_is_asked_than_is_needed(service: KubernetesService, cluster: Cluster) -> None:
    """A job that waits is asked for every ten seconds; its events only where it says nothing itself."""
    cluster.life = meets(no_image, ticks=10_000)
    job = service.submit(a_job(300))
    before = len(cluster.requests)
    service.wait(job, lambda _: None)
    assert len(cluster.requests) - before < 2 * 300 / 5 + 50
    assert cluster.count("GET", "events") < 10
    cluster.life = runs()


def test_a_plain_job_whose_node_is_drained_says_so(service: KubernetesService, cluster: Cluster) -> None:
    """Its pod is deleted, and the cluster's own words are those of any failure; the advice says what would have helped."""
    cluster.life = runs(*("x" for _ in range(30)))
    job = service.submit(a_job())
    cluster.sleep(4)
    faults.drain(cluster)
    state = service.wait(job, lambda _: None)
    assert (state.status, state.phase) == (Status.FAILED, "BackoffLimitExceeded")
    assert "a node is drained: `kubernetes.do_not_disrupt`" in state.reason
