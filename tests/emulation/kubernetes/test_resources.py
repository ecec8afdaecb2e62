"""What a kubelet makes of requests and limits, by the rules of its source and the recorded values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.emulation.kubernetes.node import Node
from lyftlearn_image.emulation.kubernetes.resources import cpu_shares, memory_volume_bytes, oom_score_adj, qos_class

NODE = Node(allocatable={"cpu": "2", "memory": "24097918976"})
BOTH = {"cpu": "250m", "memory": "128Mi"}


def container(requests: dict[str, Any] | None = None, limits: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A container with these requests and limits."""
    resources = {name: value for name, value in (("requests", requests), ("limits", limits)) if value is not None}
    return {"name": "main", "resources": resources, **fields}


def pod(*containers: dict[str, Any], init: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """The spec of a pod."""
    return {"containers": list(containers), "initContainers": list(init)}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (pod(container()), "BestEffort"),
        (pod(container({"cpu": "0"}, {"memory": 0})), "BestEffort"),
        (pod(container(limits={"ephemeral-storage": "1Gi"})), "BestEffort"),
        (pod(container(limits=BOTH)), "Guaranteed"),
        (pod(container({"cpu": "0.25", "memory": "131072Ki"}, BOTH)), "Guaranteed"),
        (pod(container(limits={"memory": "128Mi"})), "Burstable"),
        (pod(container({"cpu": "1m"})), "Burstable"),
        (pod(container({"cpu": "0"}, BOTH)), "Burstable"),
        (pod(container(limits=BOTH), container()), "Burstable"),
        (pod(container(limits=BOTH), init=(container(),)), "Burstable"),
        (pod(container(), init=(container({"memory": "1Mi"}),)), "Burstable"),
        (pod(container(limits=BOTH), init=(container(limits=BOTH, restartPolicy="Always"),)), "Guaranteed"),
    ],
)
def test_the_qos_class_is_of_all_containers_together(spec: dict[str, Any], expected: str) -> None:
    """CPU and memory of every container and init container count; a limit alone is a request too; zero is none."""
    assert qos_class(spec) == expected


@pytest.mark.parametrize(
    ("requests", "limits", "expected"),
    [
        (None, None, 2), ({"cpu": "10m"}, None, 10), (None, {"cpu": "250m"}, 256), ({"cpu": "1"}, {"cpu": "2"}, 1024),
        ({"cpu": "1m"}, None, 2), ({"cpu": 300}, None, 262144), ({"memory": "1Gi"}, None, 2),
    ],
)  # fmt: skip
def test_cpu_shares_follow_the_request(requests: dict[str, Any], limits: dict[str, Any], expected: int) -> None:
    """1024 a CPU, within the kernel's bounds."""
    assert cpu_shares(container(requests, limits)) == expected


def test_the_score_of_the_oom_killer_follows_the_memory_that_is_requested() -> None:
    """As recorded for each class; and a sidecar is killed no sooner than what it serves."""
    sidecar = container({"memory": "1Mi"}, restartPolicy="Always")
    main = container({"memory": "12Gi"}, name="big")
    assert oom_score_adj(container(), pod(container()), NODE) == 1000
    assert oom_score_adj(container(limits=BOTH), pod(container(limits=BOTH)), NODE) == 0
    burstable = container(limits={"memory": "128Mi"})
    assert oom_score_adj(burstable, pod(burstable), NODE) == 995
    whole = container({"memory": "24097918976"})
    assert oom_score_adj(whole, pod(whole), NODE) == 3
    small = container({"cpu": "1m"})
    assert oom_score_adj(small, pod(small), NODE) == 999
    assert oom_score_adj(sidecar, pod(main, init=(sidecar,)), NODE) == oom_score_adj(main, pod(main, init=(sidecar,)), NODE)


def test_a_volume_in_memory_is_as_large_as_what_may_be_used() -> None:
    """The least of its own limit, the pod's where every container has one, and the node's memory."""
    two = pod(container(limits={"memory": "64Mi"}), container(limits={"memory": "64Mi"}))
    assert memory_volume_bytes(two, NODE) == 128 << 20
    assert memory_volume_bytes(two, NODE, "16Mi") == 16 << 20
    assert memory_volume_bytes(two, NODE, "1Ti") == 128 << 20
    assert memory_volume_bytes(pod(container(limits={"memory": "64Mi"}), container()), NODE) == 24097918976
    sidecar = container(limits={"memory": "32Mi"}, restartPolicy="Always")
    first = container(limits={"memory": "256Mi"})
    assert memory_volume_bytes({**two, "initContainers": [sidecar]}, NODE) == 160 << 20
    assert memory_volume_bytes({**two, "initContainers": [sidecar, first]}, NODE) == 288 << 20
    assert memory_volume_bytes({**two, "initContainers": [first, sidecar]}, NODE) == 256 << 20
    assert memory_volume_bytes({**two, "initContainers": [container()]}, NODE) == 24097918976


AMOUNTS = st.none() | st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(["0", "1", "64Mi"]) for name in ("cpu", "memory")}
)


@given(st.lists(st.builds(container, AMOUNTS, AMOUNTS), min_size=1), st.lists(st.builds(container, AMOUNTS, AMOUNTS)))
def test_whoever_requests_more_is_killed_later(main: list[dict[str, Any]], init: list[dict[str, Any]]) -> None:
    """Whatever a pod is made of: BestEffort before Burstable before Guaranteed, and all sizes are positive."""
    spec = pod(*main, init=tuple(init))
    bounds = {"BestEffort": (1000, 1000), "Burstable": (3, 999), "Guaranteed": (0, 0)}
    low, high = bounds[qos_class(spec)]
    assert all(low <= oom_score_adj(one, spec, NODE) <= high for one in (*main, *init))
    assert 0 < memory_volume_bytes(spec, NODE) <= 24097918976
