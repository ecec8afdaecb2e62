"""Objects as a cluster prints them: what it added to a manifest changes nothing of the workload, and is not told as lost.

What is added is that of `kubectl get -o yaml`: kubernetes/kubernetes pkg/apis/{core,batch,apps}/v1/defaults.go, the system
fields of ObjectMeta, the status, the labels and selectors of controllers, and quantities in their canonical form.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, strategies as st

from lyftlearn_image.platforms.kubernetes.importer import workload_file
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
SOURCES = (*sorted((HERE / "manifests").glob("*.yaml")), *sorted((HERE.parent / "golden").glob("*.kubernetes.yaml")))
UID = "8c4f6b1e-2f3a-4f0e-9a53-0d5c5a3f9f11"
_WORKLOADS = ("Job", "CronJob", "Deployment")
_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
_VOLUME_SOURCES = ("configMap", "secret", "projected", "downwardAPI")


def live(document: dict[str, Any]) -> dict[str, Any]:
    """A manifest as the cluster keeps it."""
    found = copy.deepcopy(document)
    metadata, kind = found["metadata"], found["kind"]
    metadata.setdefault("namespace", "default")
    metadata |= {
        "uid": UID, "resourceVersion": "4711", "creationTimestamp": "2026-11-28T10:00:00Z", "generation": 1,
        "managedFields": [{"manager": "kubectl-client-side-apply", "operation": "Update", "fieldsV1": {"f:spec": {}}}],
    }  # fmt: skip
    metadata["annotations"] = {**metadata.get("annotations", {}), "kubectl.kubernetes.io/last-applied-configuration": "{}\n"}
    if kind in _WORKLOADS:
        found["status"] = {"conditions": [{"type": "Complete", "status": "True"}], "succeeded": 1, "ready": 0}
    if kind == "Job":
        _live_job(found)
    elif kind == "CronJob":
        found["spec"] = {
            "concurrencyPolicy": "Allow", "suspend": False, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1,
            **found["spec"],
        }  # fmt: skip
        template = found["spec"]["jobTemplate"]
        template["metadata"] = {"creationTimestamp": None, **template.get("metadata", {})}
        _default_job(template["spec"])
    elif kind == "Deployment":
        metadata["annotations"]["deployment.kubernetes.io/revision"] = "3"
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
        found["spec"] = {
            "replicas": 1, "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10, "strategy": rolling, **found["spec"],
        }  # fmt: skip
        _live_pod(found["spec"]["template"])
    return found


def _live_job(job: dict[str, Any]) -> None:
    """With what the Job's controller finds its pods by."""
    name = job["metadata"]["name"]
    own = {
        "controller-uid": UID, "job-name": name,
        "batch.kubernetes.io/controller-uid": UID, "batch.kubernetes.io/job-name": name,
    }  # fmt: skip
    template = job["spec"]["template"]
    template["metadata"] = {**template.get("metadata", {})}
    template["metadata"]["labels"] = {**template["metadata"].get("labels", {}), **own}
    # A Job without labels gets those of its template.
    labels = job["metadata"].get("labels") or template["metadata"]["labels"]
    job["metadata"]["labels"] = {**labels, **own} if job["metadata"].get("labels") is None else labels
    _default_job(job["spec"])
    job["spec"] |= {"selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": UID}}}


def _default_job(spec: dict[str, Any]) -> None:
    policy = spec.get("podFailurePolicy")
    defaults = {
        "backoffLimit": 6, "completions": 1, "parallelism": 1, "completionMode": "NonIndexed", "suspend": False,
        "podReplacementPolicy": "Failed" if policy else "TerminatingOrFailed",
    }  # fmt: skip
    for name, value in defaults.items():
        spec.setdefault(name, value)
    for rule in (policy or {}).get("rules", ()):
        for condition in rule.get("onPodConditions", ()):
            condition.setdefault("status", "True")
    _live_pod(spec["template"])


def _live_pod(template: dict[str, Any]) -> None:
    template["metadata"] = {"creationTimestamp": None, **template.get("metadata", {})}
    pod = template["spec"]
    for name, value in {
        "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler", "securityContext": {},
        "terminationGracePeriodSeconds": 30, "restartPolicy": "Always",
    }.items():  # fmt: skip
        pod.setdefault(name, value)
    if "serviceAccountName" in pod:
        pod["serviceAccount"] = pod["serviceAccountName"]
    for volume in pod.get("volumes", ()):
        for source in _VOLUME_SOURCES:
            if source in volume:
                volume[source].setdefault("defaultMode", 0o644)
    for container in (*pod.get("initContainers", ()), *pod.get("containers", ())):
        _live_container(container)


def _live_container(container: dict[str, Any]) -> None:
    tag = container["image"].rpartition("/")[2].partition(":")[2]
    for name, value in {
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "resources": {},
        "imagePullPolicy": "IfNotPresent" if "@" in container["image"] or tag not in ("", "latest") else "Always",
    }.items():  # fmt: skip
        container.setdefault(name, value)
    resources = container["resources"]
    if "limits" in resources:
        resources["requests"] = {**resources["limits"], **resources.get("requests", {})}
    for amounts in resources.values():
        amounts |= {name: _canonical(str(amount)) for name, amount in amounts.items()}
    for port in container.get("ports", ()):
        port.setdefault("protocol", "TCP")
    for variable in container.get("env", ()):
        if field := variable.get("valueFrom", {}).get("fieldRef"):
            field.setdefault("apiVersion", "v1")
    for probe in (container[name] for name in _PROBES if name in container):
        for name, value in {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}.items():
            probe.setdefault(name, value)
        if "httpGet" in probe:
            probe["httpGet"].setdefault("scheme", "HTTP")


def _canonical(quantity: str) -> str:
    """As the API prints it: the largest unit that keeps the number whole (k8s.io/apimachinery pkg/api/resource)."""
    for small, large, factor in (("m", "", 1000), ("Ki", "Mi", 1024), ("Mi", "Gi", 1024), ("Gi", "Ti", 1024)):
        if quantity.endswith(small) and quantity[: -len(small)].isdecimal() and int(quantity[: -len(small)]) % factor == 0:
            return _canonical(f"{int(quantity[: -len(small)]) // factor}{large}")
    return quantity


def additions(before: Any, after: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of what the cluster added to mappings."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in after.items():
            if key in before:
                yield from additions(before[key], value, (*path, key))
            else:
                yield (*path, key)
    elif isinstance(before, list) and isinstance(after, list):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from additions(one, other, (*path, number))


def without(document: dict[str, Any], path: tuple[Any, ...]) -> None:
    """Takes one addition out again, as an older or newer cluster would not make it."""
    at: Any = document
    for part in path[:-1]:
        at = at[part]
    del at[path[-1]]


def read(documents: list[dict[str, Any]]) -> workload_file.Imported:
    """What is imported, as `kubectl get -o yaml` prints more than one object."""
    main = next(one for one in documents if one["kind"] in _WORKLOADS)
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": documents, "metadata": {"resourceVersion": ""}})
    return workload_file.read(text, "m.yaml", main_name=main["metadata"]["name"])


def check(documents: list[dict[str, Any]], kept: list[dict[str, Any]]) -> None:
    """The same workload, and the same list of what it does not carry."""
    expected, found = read(documents), read(kept)
    assert found.workload == expected.workload
    assert found.left == expected.left


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_live_object_is_imported_like_its_manifest(path: Path) -> None:
    """Our own of every kind, and those of others."""
    documents = [one for one in yaml.safe_load_all(path.read_text()) if one]
    check(documents, [live(one) for one in documents])


@examples(40)
@given(st.data())
def test_whatever_part_of_it_a_cluster_adds(data: st.DataObject) -> None:
    """Versions of the API differ in what they add; no addition needs another."""
    path = data.draw(st.sampled_from(SOURCES), label="source")
    documents = [one for one in yaml.safe_load_all(path.read_text()) if one]
    kept = [live(one) for one in documents]
    for before, after in zip(documents, kept, strict=True):
        places = list(additions(before, after))
        for place in data.draw(st.sets(st.sampled_from(places)) if places else st.just(set()), label="not added"):
            # What is unset on purpose has a meaning of its own.
            if place[-1] not in ("controller-uid", "labels"):
                without(after, place)
    check(documents, kept)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_the_pods_and_copies_that_a_controller_made_are_passed_over(path: Path) -> None:
    """`kubectl get all` lists them beside their owner, and every namespace's own objects."""
    documents = [one for one in yaml.safe_load_all(path.read_text()) if one]
    owned = {"name": "x", "ownerReferences": [{"kind": "Job", "name": "x", "uid": UID, "controller": True}]}
    beside = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": owned, "spec": {"containers": [{"name": "c", "image": "i"}]}},
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": owned, "spec": {}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": "x"}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}},
    ]
    check(documents, [*map(live, documents), *beside])
