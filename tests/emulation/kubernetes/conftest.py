"""Pods and Jobs of the emulator, run on the real engine, and the count of what they leave there."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.emulation.docker.containers import RUN_LABEL
from lyftlearn_image.emulation.docker.ownership import owner
from lyftlearn_image.emulation.kubernetes.cluster import Cluster
from lyftlearn_image.emulation.kubernetes.emulator import KubernetesEmulator
from lyftlearn_image.emulation.kubernetes.namespace_objects import NamespaceObjects
from lyftlearn_image.emulation.machine import Machine
from lyftlearn_image.emulation.private_directories import MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.network import Network
    from lyftlearn_image.emulation.kubernetes.pod_run import PodRun


@pytest.fixture
def emulator(containers: Containers, network: Network) -> KubernetesEmulator:
    """An emulator whose restarts do not wait long, and whose kubelet looks often."""
    cluster = Cluster(restart_backoff_s=0.1, job_backoff_s=0.1, relist_s=0.1)
    return KubernetesEmulator(Machine(containers, network, None, {}), cluster)  # type: ignore[arg-type] - nothing is collected


@pytest.fixture
def container_of(probe_image: str) -> Callable[..., dict[str, Any]]:
    """A container that runs a Python program, named `main` unless another name is given."""

    def make(program: str, name: str = "main", **fields: Any) -> dict[str, Any]:
        return {"name": name, "image": probe_image, "command": ["python3", "-u", "-c", program], **fields}

    return make


@pytest.fixture
def until_stopped(container_of: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """A container that ends with 0 when it is told to stop, even if that is before its program has begun.

    A signal would come to nothing then: PID 1 has no handler yet.
    """

    def make(**fields: Any) -> dict[str, Any]:
        hook = {"exec": {"command": ["touch", "/dev/shm/stop"]}}
        program = "import os, time\nwhile not os.path.exists('/dev/shm/stop'): time.sleep(.05)"
        return container_of(program, lifecycle={"preStop": hook}, **fields)

    return make


@pytest.fixture
def pod_of() -> Callable[..., dict[str, Any]]:
    """A pod of some containers: never restarted, without a token and with little grace, by default."""

    def make(*containers: dict[str, Any], **fields: Any) -> dict[str, Any]:
        spec = {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "containers": list(containers),
            **fields,
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "demo"}, "spec": spec}

    return make


@pytest.fixture
def job_of(pod_of: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """A Job of one container; further arguments are the Job's own fields, `pod` those of its pods."""

    def make(container: dict[str, Any], pod: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        template = {"metadata": {"labels": {"app": "demo"}}, "spec": {**pod_of(container)["spec"], **(pod or {})}}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "demo"},
            "spec": {"template": template, **fields},
        }

    return make


@pytest.fixture
def during() -> Callable[..., contextlib.AbstractContextManager[list[Any]]]:
    """Runs a pod or Job in a thread during a block, and has its last status after it."""

    @contextlib.contextmanager
    def running(run: Any) -> Iterator[list[Any]]:
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(run.run)
            ended: list[Any] = []
            try:
                yield ended
            except BaseException:
                run.delete()
                raise
            ended.append(future.result())

    return running


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], None]:
    """Waits for a condition; the test's own time limit ends it otherwise."""

    def wait(is_reached: Callable[[], Any]) -> None:
        while not is_reached():
            time.sleep(0.02)

    return wait


@pytest.fixture
def change() -> Callable[[PodRun, dict[str, Any]], None]:
    """Changes an object of a running pod's namespace."""
    return lambda run, manifest: run.update(NamespaceObjects.from_manifests([manifest]))


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every test with containers: no container and no volume of it on the engine, no directory of it in memory."""
    if "containers" not in request.fixturenames:
        yield
        return
    containers: Containers = request.getfixturevalue("containers")
    before = left_of(containers)
    yield
    assert left_of(containers) == before


def left_of(containers: Containers) -> tuple[int, int, frozenset[str]]:
    """What there is of this session on the engine and in memory."""
    label = {"label": f"{RUN_LABEL}={containers.run_id}"}
    in_memory = frozenset(str(path) for path in MEMORY.glob(f"lyftlearn-{owner().replace('/', '.')}-*"))
    found = containers.client.containers.list(all=True, filters=label)
    return len(found), len(containers.client.volumes.list(filters=label)), in_memory
