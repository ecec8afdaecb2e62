"""What this container may use of its machine: CPUs, memory, devices, from affinity and cgroup."""

from __future__ import annotations

import os

_CGROUP = "/sys/fs/cgroup"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
# cgroup v1 says "no limit" with the largest multiple of a page that a signed 64-bit number holds.
_NO_LIMIT = 1 << 60


def thread_variables(cpus: int) -> dict[str, str]:
    """How many threads numerical libraries may start: by default they take the node's cores, not the container's."""
    return {name: str(cpus) for name in _THREADS}


def cpu_count(quota: float | None) -> int:
    """Whole CPUs that this container may use: its affinity, cut to its quota, rounded down, at least one.

    Rounded down, because one thread more than there are CPUs is throttled in every period and slows all the others.
    """
    available = len(os.sched_getaffinity(0))
    return available if quota is None else max(1, min(available, int(quota)))


def cpu_quota(root: str = _CGROUP) -> float | None:
    """CPUs that the cgroup allows (v2 cpu.max, v1 cfs quota), None without a limit."""
    limit = _words(_own(root, "cpu.max"))
    if limit:
        return None if limit[0] == "max" else int(limit[0]) / int(limit[1])
    for controller in ("cpu", "cpu,cpuacct"):
        value = _words(f"{root}/{controller}/cpu.cfs_quota_us")
        period = _words(f"{root}/{controller}/cpu.cfs_period_us")
        if value and period:
            return int(value[0]) / int(period[0]) if int(value[0]) > 0 else None
    return None


def memory_limit(root: str = _CGROUP) -> int | None:
    """Bytes that the cgroup allows, None without a limit."""
    value = _words(_own(root, "memory.max")) or _words(f"{root}/memory/memory.limit_in_bytes")
    return None if not value or value[0] == "max" or int(value[0]) > _NO_LIMIT else int(value[0])


def free_memory(root: str = _CGROUP) -> int | None:
    """Bytes that the cgroup still gives, None without a limit. A file's pages that nobody uses are as good as free."""
    limit = memory_limit(root)
    used = _words(_own(root, "memory.current")) or _words(f"{root}/memory/memory.usage_in_bytes")
    if limit is None or not used:
        return None
    stat = _words(_own(root, "memory.stat")) or _words(f"{root}/memory/memory.stat")
    counts = dict(zip(stat[::2], stat[1::2]))  # noqa: B905 - `strict` is of Python 3.10
    idle = int(counts.get("total_inactive_file") or counts.get("inactive_file") or 0)
    return max(0, limit - int(used[0]) + idle)


def gpu_count() -> int:
    """NVIDIA devices in this container. A variable such as NVIDIA_VISIBLE_DEVICES is set on machines without any, too."""
    try:
        names = os.listdir("/dev")
    except OSError:
        return 0
    return sum(1 for name in names if name.startswith("nvidia") and name[len("nvidia") :].isdigit())


def _own(root: str, name: str) -> str:
    """The path of a file of this process's own v2 cgroup: the mount's root, but for a container in the host's namespace."""
    try:
        with open("/proc/self/cgroup") as file:
            below = next((line.rstrip("\n")[3:] for line in file if line.startswith("0::")), "/")
    except OSError:
        below = "/"
    path = f"{root}{below.rstrip('/')}/{name}"
    return path if os.path.exists(path) else f"{root}/{name}"


def _words(path: str) -> list[str]:
    try:
        with open(path) as file:
            return file.read().split()
    except OSError:
        return []
