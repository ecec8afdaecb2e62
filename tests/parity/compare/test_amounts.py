"""Amounts that a workload asks for are no difference; an amount that a side was not asked to have is one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.parity.compare.amounts import Asked, asked_amounts
from lyftlearn_image.parity.compare.environment import compare_environment
from lyftlearn_image.workload import Training

MIB = 1 << 20
THREADS = (
    "SM_NUM_CPUS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"
)  # fmt: skip
CPUS = st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.0, 3.75, 16.0])
MEMORY = st.integers(min_value=64, max_value=1 << 20).map(lambda mib: mib * MIB)


def asked(cpus: float, memory_bytes: int, shm_bytes: int | None = None) -> Asked:
    """What one side is to have."""
    return Asked(cpus, memory_bytes, shm_bytes, f"{cpus} CPUs")


def observed(amounts: Asked, **more: Any) -> dict[str, Any]:
    """What a side sees that has what was asked for it."""
    whole = max(1, int(amounts.cpus))
    variables = {**dict.fromkeys(THREADS, str(whole)), "SM_TRAINING_ENV": json.dumps({"num_cpus": whole, "job_name": "a"})}
    return {
        "cpu": {"quota": float(amounts.cpus), "count": 64},
        "memory": {"limit_bytes": amounts.memory_bytes},
        "shm_bytes": amounts.shm_bytes or 64 * MIB,
        "variables": {**variables, **more},
    }


SMALL, LARGE = asked(0.5, 512 * MIB), asked(2.0, 8192 * MIB)


@given(CPUS, MEMORY, CPUS, MEMORY)
def test_two_sides_that_have_what_was_asked_for_each_do_not_differ(left: float, one: int, right: float, other: int) -> None:
    """Whatever the amounts are: what differs is told, with both requests as the reason, and does not count."""
    amounts = asked(left, one), asked(right, other)
    comparison = compare_environment(*map(observed, amounts), amounts)
    assert comparison.counting == ()
    assert {place for place in ("cpu/quota",) if left != right} <= {one.place for one in comparison.differences}
    assert all(f"{left} CPUs, {right} CPUs" in (one.accepted or "") for one in comparison.differences)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("cpu", "quota"), 1.0), (("cpu", "quota"), None), (("memory", "limit_bytes"), 1024 * MIB),
        (("memory", "limit_bytes"), None), *((("variables", name), "7") for name in THREADS),
        (("variables", "SM_TRAINING_ENV"), json.dumps({"num_cpus": 7, "job_name": "a"})),
        (("variables", "SM_TRAINING_ENV"), json.dumps({"num_cpus": 1, "job_name": "b"})),
        (("variables", "SM_TRAINING_ENV"), "no JSON"),
    ],
)  # fmt: skip
def test_a_side_that_has_anything_else_differs(side: int, path: tuple[str, str], value: Any) -> None:
    """A limit that is not kept, and a number of threads that follows from something else, on either side."""
    sides = [observed(SMALL), observed(LARGE)]
    sides[side][path[0]][path[1]] = value
    (difference,) = compare_environment(sides[0], sides[1], (SMALL, LARGE)).counting
    assert difference.place == "/".join(path)


def test_a_difference_that_nobody_asked_for_is_not_explained_by_those_that_somebody_did() -> None:
    """Other variables, and the size of /dev/shm where the workload says none."""
    left, right = observed(SMALL, A="1"), {**observed(LARGE, A="2"), "shm_bytes": 1}
    assert [one.place for one in compare_environment(left, right, (SMALL, LARGE)).counting] == ["shm_bytes", "variables/A"]


@pytest.mark.parametrize(("found", "counts"), [(128 * MIB, False), (256 * MIB, True)])
def test_dev_shm_has_the_size_that_the_pod_asks_for(found: int, *, counts: bool) -> None:
    """SageMaker has no word for it; a pod that gets another size than its own differs."""
    pod = asked(2.0, 8192 * MIB, 128 * MIB)
    left, right = observed(LARGE), {**observed(pod), "shm_bytes": found}
    assert bool(compare_environment(left, right, (LARGE, pod)).counting) is counts


def test_without_what_was_asked_every_amount_counts() -> None:
    """As on an instance type whose size nobody knows here."""
    assert len(compare_environment(observed(SMALL), observed(LARGE)).counting) == 3 + len(THREADS)


def test_what_a_workload_asks_for() -> None:
    """An instance type has its size, a pod its limits; a machine gives at most what it has."""
    workload = Training.model_validate({
        "name": "a", "image": "a:1", "command": ["true"], "instance_type": "ml.m5.xlarge", "cpus": 1.5, "memory_mib": 3000,
        "kubernetes": {"shm_size_mib": 128},
    })  # fmt: skip
    there, pod = asked_amounts("sagemaker", workload), asked_amounts("kubernetes", workload)
    assert there is not None
    assert pod is not None
    assert (there.cpus, there.memory_bytes, there.shm_bytes) == (4, 16384 * MIB, None)
    assert (pod.cpus, pod.memory_bytes, pod.shm_bytes) == (1.5, 3000 * MIB, 128 * MIB)
    here = there.within(2, 1024 * MIB)
    assert (here.cpus, here.memory_bytes) == (2, 1024 * MIB)
    assert pod.within(64) == pod
    gpu = workload.with_(instance_type="ml.p3.2xlarge")
    assert asked_amounts("sagemaker", gpu) is None
