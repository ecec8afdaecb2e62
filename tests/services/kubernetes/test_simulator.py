"""The simulated cluster answers as the recorded one did: a test for each row of the reference."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from tests.services.kubernetes.simulator import admission, faults
from tests.services.kubernetes.simulator.lives import begins, runs, serves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.services.kubernetes.simulator.cluster import Cluster
    from tests.services.kubernetes.simulator.pods import Pod

JOBS, PODS, EVENTS = (
    "/apis/batch/v1/namespaces/default/jobs",
    "/api/v1/namespaces/default/pods",
    "/api/v1/namespaces/default/events",
)
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


@pytest.fixture
def ask(cluster: Cluster) -> Iterator[Callable[..., httpx2.Response]]:
    """One request to the API, without a client of Kubernetes between."""
    with httpx2.Client(base_url=cluster.server.url, timeout=30) as client:
        yield client.request


def a_job(name: str = "x", *, spec: dict[str, Any] | None = None, **pod: Any) -> dict[str, Any]:
    """A Job of one container, which is not tried again."""
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "i"}], **pod}}
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": template, **(spec or {})},
    }  # fmt: skip


def conditions(document: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Reason and message of every condition that is true."""
    found = document["status"].get("conditions", ())
    return {one["type"]: (one.get("reason", ""), one.get("message", "")) for one in found if one["status"] == "True"}


def job_after(cluster: Cluster, seconds: float = 60) -> dict[str, Any]:
    """The one Job, when so much time has passed."""
    cluster.sleep(seconds)
    (job,) = cluster.objects.find("jobs")
    return job


def by_hand(pod: Pod) -> Iterator[None]:
    """Nothing happens by itself."""
    del pod
    yield


def test_log_before_the_container_is_there(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """Rows 1 and 3: not available, waiting to start with its reason, an image that cannot be pulled; 204 without a node."""
    cluster.life = by_hand
    ask("POST", JOBS, json=a_job())
    cluster.tick()
    (pod,) = cluster.pods()
    path = f"{PODS}/{pod.name}/log"
    assert ask("GET", path).status_code == 204
    pod.schedule()
    answers = [ask("GET", path)]
    for reason in ("ContainerCreating", "PodInitializing", "ErrImagePull", "ImagePullBackOff"):
        pod.wait(reason)
        answers.append(ask("GET", path))
    assert {one.status_code for one in answers} == {400}
    begin = f'container "main" in pod "{pod.name}" is'
    assert [one.json()["message"] for one in answers] == [
        f"{begin} not available",
        f"{begin} waiting to start: ContainerCreating",
        f"{begin} waiting to start: PodInitializing",
        f"{begin} waiting to start: trying and failing to pull image",
        f"{begin} waiting to start: trying and failing to pull image",
    ]


def test_log_of_a_pod_that_the_kubelet_does_not_know(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """Row 2: 404, for a while after it was restarted."""
    cluster.life = runs(*(str(number) for number in range(40)))
    ask("POST", JOBS, json=a_job())
    cluster.sleep(3)
    (pod,) = cluster.pods()
    faults.restart_kubelet(3)(cluster)
    answer = ask("GET", f"{PODS}/{pod.name}/log")
    message = f"the server could not find the requested resource ( pods/log {pod.name})"
    assert (answer.status_code, answer.json()["message"]) == (404, message)
    cluster.sleep(2)
    assert ask("GET", f"{PODS}/{pod.name}/log").status_code == 200


def test_log_of_one_of_several_containers(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """Rows 4 and 9: an injected container has to be told apart, and statuses are not in the manifest's order."""
    cluster.admission = [admission.inject("agent", is_first=False)]
    cluster.life = runs("ours")
    ask("POST", JOBS, json=a_job())
    cluster.sleep(5)
    (pod,) = cluster.pods()
    answer = ask("GET", f"{PODS}/{pod.name}/log")
    message = f"a container name must be specified for pod {pod.name}, choose one of: [main agent]"
    assert (answer.status_code, answer.json()["message"]) == (400, message)
    assert ask("GET", f"{PODS}/{pod.name}/log", params={"container": "main"}).text == "ours\n"
    assert [one["name"] for one in pod.document["status"]["containerStatuses"]] == ["agent", "main"]
    assert pod.document["status"]["phase"] == "Running"
    assert not conditions(job_after(cluster))


def test_log_that_was_rotated(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """Row 5: the current file alone is served; a follow that runs meanwhile gives every line."""

    def life(pod: Pod) -> Iterator[None]:
        yield from begins(pod)
        for line in "abcd":
            pod.write(f"{line}\n")
            yield
            if line == "b":
                pod.rotate()
        pod.exit()

    cluster.life = life
    ask("POST", JOBS, json=a_job())
    while not (cluster.pods() and cluster.pods()[0].running()):
        cluster.tick()
    (pod,) = cluster.pods()
    assert ask("GET", f"{PODS}/{pod.name}/log", params={"follow": "true"}).text == "a\nb\nc\nd\n"
    assert ask("GET", f"{PODS}/{pod.name}/log").text == "c\nd\n"
    faults.rotate_logs(cluster)
    assert not ask("GET", f"{PODS}/{pod.name}/log").content
    assert "Complete" in conditions(job_after(cluster))


def test_job_suspended_while_it_runs(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """Row 6: its pods are deleted, with SIGTERM and grace; afterwards there is neither log nor exit code."""
    cluster.life = runs(*("x" for _ in range(99)), on_term=("saving",))
    ask("POST", JOBS, json=a_job())
    cluster.sleep(4)
    ask("PATCH", f"{JOBS}/x", json={"spec": {"suspend": True}})
    cluster.tick()
    assert cluster.pods()[0].is_asked_to_end
    job = job_after(cluster)
    assert "saving" in json.dumps([pod.logs["main"].entries[-1].data.decode() for pod in cluster._pods.values()])
    assert list(conditions(job)) == ["Suspended"]
    assert not cluster.pods()


def test_job_created_suspended(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """Row 7: no pods until somebody resumes it; then it runs."""
    cluster.admission = [admission.suspend_jobs]
    ask("POST", JOBS, json=a_job())
    assert list(conditions(job_after(cluster))) == ["Suspended"]
    assert not cluster.pods()
    ask("PATCH", f"{JOBS}/x", json={"spec": {"suspend": False}})
    assert "Complete" in conditions(job_after(cluster))


def test_init_container_that_fails(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """Row 8: reason and message are its own, the others say PodInitializing."""

    def life(pod: Pod) -> Iterator[None]:
        pod.schedule()
        pod.wait("PodInitializing")
        yield
        pod.exit(3, "no model", container="model")
        yield

    cluster.life = life
    ask("POST", JOBS, json=a_job(initContainers=[{"name": "model", "image": "i"}]))
    cluster.sleep(2)
    status = cluster.pods()[0].document["status"]
    ended = status["initContainerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["message"], ended["reason"]) == (3, "no model", "Error")
    assert status["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"
    assert status["phase"] == "Failed"
    assert conditions(job_after(cluster))["Failed"][0] == "BackoffLimitExceeded"


def test_native_sidecars_end_with_the_pod(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """And one that fails is begun again and again: CrashLoopBackOff."""
    cluster.admission = [admission.inject("mesh", is_native=True)]
    ask("POST", JOBS, json=a_job())
    assert "Complete" in conditions(job_after(cluster))


def test_node_drained(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """Row 10: DisruptionTarget, the pod goes, the Job fails; with a failure policy it is tried again."""
    cluster.life = runs(*("x" for _ in range(30)))
    ask("POST", JOBS, json=a_job())
    cluster.sleep(4)
    faults.drain(cluster)
    assert conditions(cluster.pods()[0].document)["DisruptionTarget"][0] == "EvictionByEvictionAPI"
    job = job_after(cluster)
    assert conditions(job)["Failed"] == ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
    assert not cluster.pods()


def test_node_drained_under_a_failure_policy(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """Row 10, the other way: the pod is made again, and counts for nothing."""
    cluster.life = runs(*("x" for _ in range(30)))
    ignore = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}
    ask("POST", JOBS, json=a_job(spec={"podFailurePolicy": ignore}))
    cluster.sleep(4)
    faults.drain(cluster)
    assert "Complete" in conditions(job_after(cluster))


def test_live_job_applied_again(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """Row 11: labels and selector are the server's."""
    ask("POST", JOBS, json=a_job())
    live = ask("GET", f"{JOBS}/x").json()
    labels = live["spec"]["template"]["metadata"]["labels"]
    assert set(labels) == {"controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"}
    ask("DELETE", f"{JOBS}/x")
    answer = ask("POST", JOBS, json=live)
    assert answer.status_code == 422
    assert (
        f'labels[controller-uid]: Invalid value: {{"controller-uid": "{labels["controller-uid"]}"}}' in answer.json()["message"]
    )
    again = a_job(spec={"selector": {"matchLabels": {"a": "b"}}})
    assert "`selector` does not match template `labels`" in ask("POST", JOBS, json=again).json()["message"]


def test_annotations_over_256_kib(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """Row 12: what kubectl apply keeps there of a large object."""
    job = a_job()
    job["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "x" * 262145}
    answer = ask("POST", JOBS, json=job)
    assert answer.status_code == 422
    assert "metadata.annotations: Too long: may not be more than 262144 bytes" in answer.json()["message"]
    assert not cluster.objects.find("jobs")


@pytest.mark.parametrize(("value", "went"), [(0.001, "number"), (8, "number"), (True, "bool")])
def test_scalar_that_is_no_string(ask: Callable[..., httpx2.Response], value: object, went: str) -> None:
    """Row 13: a variable's value, an argument, a label or an annotation."""
    main = {"name": "main", "image": "i"}
    variable, argument = (
        a_job(containers=[{**main, "env": [{"name": "A", "value": value}]}]),
        a_job(containers=[{**main, "args": [value]}]),
    )
    label = a_job()
    label["metadata"]["labels"] = {"a": value}
    for job in (variable, argument, label):
        answer = ask("POST", JOBS, json=job)
        assert answer.status_code == 400
        assert f"json: cannot unmarshal {went} into Go struct field" in answer.json()["message"]


def test_pod_that_cannot_start(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """Row 14: events and the container's reason and message say why."""
    cluster.life = by_hand
    ask("POST", JOBS, json=a_job())
    cluster.tick()
    (pod,) = cluster.pods()
    pod.unschedulable()
    pod.schedule()
    pod.event("FailedMount", 'MountVolume.SetUp failed for volume "data": configmap "x" not found')
    pod.wait("CreateContainerConfigError", 'secret "x" not found')
    found = ask("GET", EVENTS, params={"fieldSelector": f"involvedObject.name={pod.name}"}).json()["items"]
    assert [one["reason"] for one in found] == ["FailedScheduling", "FailedMount"]
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "x" not found'}
    assert pod.document["status"]["containerStatuses"][0]["state"]["waiting"] == waiting


REFUSALS = [
    'admission webhook "policy.example.com" denied the request: no owner label',
    'pods "NAME" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false',
]


@pytest.mark.parametrize("message", REFUSALS)
def test_admission_refuses(cluster: Cluster, ask: Callable[..., httpx2.Response], message: str) -> None:
    """Row 15: 403 for the client's object, an event FailedCreate for a controller's pod."""
    cluster.admission = [admission.deny("jobs", message)]
    answer = ask("POST", JOBS, json=a_job())
    assert (answer.status_code, answer.json()["message"]) == (403, message.replace("NAME", "x"))
    cluster.admission = [admission.deny("pods", message)]
    ask("POST", JOBS, json=a_job())
    job_after(cluster, 2)
    assert {one["reason"] for one in cluster.objects.find("events")} == {"FailedCreate"}


def test_quota_refuses(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """Row 15: exceeded quota."""
    cluster.quota = {"jobs": 1, "pods": 0}
    assert ask("POST", JOBS, json=a_job()).status_code == 201
    answer = ask("POST", JOBS, json=a_job("y"))
    assert answer.status_code == 403
    assert "exceeded quota: team, requested: jobs=1, used: jobs=1, limited: jobs=1" in answer.json()["message"]
    job_after(cluster, 2)
    assert "exceeded quota" in cluster.objects.find("events")[0]["message"]


def test_deployment_not_available_in_time(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """Row 16: Progressing False, ProgressDeadlineExceeded; afterwards it may still come."""
    cluster.life = by_hand
    spec = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}}}
    spec["template"] = {**spec["template"], "spec": {"containers": [{"name": "main", "image": "i"}]}}  # type: ignore[dict-item]
    ask("POST", DEPLOYMENTS, json={"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec})
    cluster.sleep(599)
    assert len(cluster.pods()) == 2
    cluster.sleep(60)
    status = ask("GET", f"{DEPLOYMENTS}/d").json()["status"]
    progress = next(one for one in status["conditions"] if one["type"] == "Progressing")
    assert (progress["status"], progress["reason"]) == ("False", "ProgressDeadlineExceeded")
    for pod in cluster.pods():
        cluster._lives[pod.uid] = serves("up")(pod)
    cluster.sleep(5)
    assert ask("GET", f"{DEPLOYMENTS}/d").json()["status"]["readyReplicas"] == 2
    ask("PATCH", f"{DEPLOYMENTS}/d", json={"spec": {"replicas": 0}})
    cluster.sleep(5)
    assert not cluster.pods()


def test_objects_that_nobody_owns(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """Row 17: they stay when the Job is gone, and so do its pods, unless the client asks for their end."""
    ask("POST", JOBS, json=a_job())
    uid = cluster.objects.find("jobs")[0]["metadata"]["uid"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "x", "uid": uid}
    for name, owners in {"owned": [owner], "free": []}.items():
        cluster.create("configmaps", "default", {"metadata": {"name": name, "ownerReferences": owners}})
    cluster.sleep(5)
    ask("DELETE", f"{JOBS}/x", json={"propagationPolicy": "Background"})
    cluster.tick()
    assert [one["metadata"]["name"] for one in cluster.objects.find("configmaps")] == ["free"]
    assert not cluster.pods()
    ask("POST", JOBS, json=a_job())
    cluster.sleep(5)
    ask("DELETE", f"{JOBS}/x")
    cluster.sleep(5)
    assert cluster.pods()


def test_server_down(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """Row 18: refused for six seconds; then a watch goes on from its version."""
    version = ask("GET", JOBS).json()["metadata"]["resourceVersion"]
    ask("POST", JOBS, json=a_job())
    cluster.go_away(6)
    with pytest.raises(httpx2.TransportError):
        ask("GET", JOBS)
    with pytest.raises(httpx2.ConnectError):
        ask("GET", JOBS)
    cluster.sleep(6)
    watch = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "1"}
    assert json.loads(ask("GET", JOBS, params=watch).text.splitlines()[0])["type"] == "ADDED"


def test_token_that_is_taken_no_more(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """Row 19: 401."""
    told: list[str] = []
    faults.replace_tokens("new", told.append)(cluster)
    assert ask("GET", JOBS, headers={"Authorization": "Bearer old"}).status_code == 401
    assert ask("GET", JOBS, headers={"Authorization": f"Bearer {told[0]}"}).status_code == 200


def test_version_that_was_forgotten(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """A watch gets one event, ERROR with 410; a list and a watch from it go on."""
    faults.forget_versions(cluster)
    answer = ask("GET", JOBS, params={"watch": "true", "resourceVersion": "100"})
    assert answer.status_code == 200
    assert json.loads(answer.text)["object"]["code"] == 410


@pytest.mark.parametrize("is_status", [True, False])
@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_busy_and_broken_servers(cluster: Cluster, ask: Callable[..., httpx2.Response], code: int, *, is_status: bool) -> None:
    """The API's own Status, or the plain text of a balancer before it; the next request is answered."""
    cluster.at_request(0, faults.refuse(code, is_status=is_status))
    answer = ask("GET", JOBS)
    assert answer.status_code == code
    assert (answer.headers["Content-Type"] == "application/json") is is_status
    assert ask("GET", JOBS).status_code == 200


def test_a_log_that_breaks_off_in_a_line(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """Half of it has come, and the connection has no end."""

    def life(pod: Pod) -> Iterator[None]:
        yield from begins(pod)
        pod.write("first line\n")
        cluster.at_tick(cluster.ticks + 2, faults.break_streams())
        cluster.at_tick(cluster.ticks + 2, lambda _: pod.write("second line\n"))
        yield

    cluster.life = life
    ask("POST", JOBS, json=a_job())
    cluster.sleep(1.1)
    path = f"{cluster.server.url}{PODS}/{cluster.pods()[0].name}/log?follow=true"
    got = bytearray()

    def follow() -> None:
        with httpx2.stream("GET", path) as answer:
            for piece in answer.iter_raw():
                got.extend(piece)

    with pytest.raises(httpx2.RemoteProtocolError):
        follow()
    assert got.startswith(b"first line\n")
    assert b"second line\n" not in got


def test_log_times_and_since(cluster: Cluster, ask: Callable[..., httpx2.Response]) -> None:
    """Times have nanoseconds, since has whole seconds; of a long line the entries from then on come."""
    cluster.life = by_hand
    ask("POST", JOBS, json=a_job())
    cluster.tick()
    (pod,) = cluster.pods()
    pod.schedule()
    pod.start()
    cluster.now = 1795867300.75
    pod.write("x" * 20000)
    cluster.now = 1795867301.75
    pod.write("y\nz")
    path = f"{PODS}/{pod.name}/log?container=main&timestamps=true"
    assert ask("GET", path).text == f"2026-11-28T12:01:40.75Z {'x' * 20000}y\n"
    late = ask("GET", path, params={"container": "main", "timestamps": "true", "sinceTime": "2026-11-28T12:01:41.9Z"}).text
    assert late == f"2026-11-28T12:01:41.75Z {'x' * 3616}y\n"
    pod.exit()
    assert ask("GET", path).text.splitlines()[-1].endswith("Z z")


def test_it_counts_requests_and_writes_its_states_down(
    cluster: Cluster, ask: Callable[..., httpx2.Response], tmp_path: Any
) -> None:
    """By verb and resource; the dump has every state of every object, and the logs."""
    cluster.life = runs("hello")
    ask("POST", JOBS, json=a_job())
    cluster.sleep(10)
    assert (cluster.count("POST", "jobs"), cluster.count("GET", "pods/log")) == (1, 0)
    cluster.dump(tmp_path / "world.json")
    world = json.loads((tmp_path / "world.json").read_text())
    assert list(world["logs"].values()) == ["hello\n"]
    phases = [one["status"]["phase"] for _, _, resource, one in world["changes"] if resource == "pods"]
    assert {"Pending", "Running", "Succeeded"} <= set(phases)
