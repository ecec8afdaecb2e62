"""Which limit of local storage a pod exceeds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.emulation.kubernetes.eviction import StorageUsage, exceeded_limit, has_storage_limits

MIB = 1 << 20


def container(name: str, limit: str | None) -> dict[str, Any]:
    """A container with or without a limit of ephemeral-storage."""
    return {"name": name, **({"resources": {"limits": {"ephemeral-storage": limit}}} if limit else {})}


def pod(*containers: dict[str, Any], **empty_dir: Any) -> dict[str, Any]:
    """The spec of a pod with an emptyDir `data`."""
    return {"containers": list(containers), "volumes": [{"name": "data", "emptyDir": empty_dir}, {"name": "other"}]}


@pytest.mark.parametrize(
    ("spec", "usage", "message"),
    [
        (
            pod(container("main", None), sizeLimit="1Mi"),
            StorageUsage({"data": MIB + 1}, {}),
            'Usage of EmptyDir volume "data" exceeds the limit "1Mi". ',
        ),
        (
            pod(container("main", "2Mi")),
            StorageUsage({"data": MIB}, {"main": MIB, "init": 1}),
            "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ",
        ),
        (
            pod(container("main", "1Mi"), container("side", "2Mi")),
            StorageUsage({}, {"main": MIB, "side": 2 * MIB + 1}),
            "Pod ephemeral local storage usage exceeds the total limit of containers 3145728. ",
        ),
        (
            pod(container("main", "1Mi"), container("side", "9Mi")),
            StorageUsage({}, {"main": MIB + 1, "side": 0}),
            'Container main exceeded its local ephemeral storage limit "1Mi". ',
        ),
    ],
)
def test_the_first_limit_that_is_exceeded_is_named(spec: dict[str, Any], usage: StorageUsage, message: str) -> None:
    """Of a volume, then of the pod, then of a container; a byte less than each is allowed."""
    assert has_storage_limits(spec)
    assert exceeded_limit(spec, usage) == message
    largest = {**usage.empty_dirs, **usage.containers}
    name = max(largest, key=lambda one: largest[one])
    less = StorageUsage(
        {one: size - (one == name) for one, size in usage.empty_dirs.items()},
        {one: size - (one == name) for one, size in usage.containers.items()},
    )
    assert exceeded_limit(spec, less) == ""


@given(st.integers(0, 1 << 40), st.sampled_from([{}, {"medium": "Memory", "sizeLimit": "1Mi"}]))
def test_what_has_no_limit_on_disk_is_never_evicted(size: int, empty_dir: dict[str, Any]) -> None:
    """The kernel holds the sizeLimit of a volume in memory."""
    spec = pod(container("main", None), **empty_dir)
    assert not has_storage_limits(spec)
    assert exceeded_limit(spec, StorageUsage({"data": size}, {"main": size})) == ""
