"""CPUs and memory of a container."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from lyftlearn_runtime import cgroup

if TYPE_CHECKING:
    from pathlib import Path

    from tests.runtime.conftest import Shim

NO_LIMIT_V1 = str((1 << 63) - 4096)


@given(st.none() | st.floats(0.001, 1000))
def test_cpus_are_whole_at_least_one_and_never_more_than_there_are(quota: float | None) -> None:
    """Half a CPU still runs one thread; one and a half do not run two; a quota of a thousand gives no CPU more."""
    found = cgroup.cpu_count(quota)
    assert 1 <= found <= len(os.sched_getaffinity(0))
    assert quota is None or found <= max(1, quota)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu,cpuacct/cpu.cfs_quota_us": "200000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 2.0),
        ({}, None),
    ],
)
def test_the_quota_of_both_cgroup_versions_is_read(tmp_path: Path, files: dict[str, str], expected: float | None) -> None:
    """Version 2 has one file, version 1 two, and a controller may be mounted with another."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cgroup.cpu_quota(str(tmp_path)) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"memory.max": "268435456\n"}, 268435456),
        ({"memory.max": "max\n"}, None),
        ({"memory/memory.limit_in_bytes": "268435456\n"}, 268435456),
        ({"memory/memory.limit_in_bytes": NO_LIMIT_V1}, None),
        ({}, None),
    ],
)
def test_the_memory_limit_of_both_cgroup_versions_is_read(tmp_path: Path, files: dict[str, str], expected: int | None) -> None:
    """Version 1 says "no limit" with a number."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cgroup.memory_limit(str(tmp_path)) == expected


@pytest.mark.parametrize(("options", "expected"), [(("--cpus", "1"), "1 1 1"), (("--cpuset-cpus", "0"), "1 1 1")])
def test_threads_follow_what_the_container_may_use(shim: Shim, options: tuple[str, ...], expected: str) -> None:
    """By quota and by affinity, in a real cgroup: numerical libraries would take the node's cores."""
    done = shim.run("sh", "-c", 'echo "$OMP_NUM_THREADS $OPENBLAS_NUM_THREADS $SM_NUM_CPUS"', options=options)
    assert done.stdout == f"{expected}\n"


def test_free_memory_is_what_the_limit_leaves(tmp_path: Path) -> None:
    """Pages of files that nobody uses count as free; without a limit nobody knows."""
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 150\n")
    assert cgroup.free_memory(str(tmp_path)) == 450
    (tmp_path / "memory.max").write_text("max\n")
    assert cgroup.free_memory(str(tmp_path)) is None
