"""Which process owns a container, volume or network: the label `dev.lyftlearn.owner`."""

from __future__ import annotations

import os
from pathlib import Path

OWNER_LABEL = "dev.lyftlearn.owner"


def owner() -> str:
    """This process as `<boot id>/<PID>/<start time>`: a PID alone is used again by later processes."""
    return f"{_boot_id()}/{os.getpid()}/{_start_time(os.getpid())}"


def owner_labels() -> dict[str, str]:
    """The labels of everything that this process creates on the engine."""
    return {OWNER_LABEL: owner()}


def has_ended(label: str) -> bool:
    """Whether the process of an owner label ran on this machine since its boot, and runs no more.

    False for the processes of other machines that share the engine: nobody can tell from here.
    """
    boot_id, _, rest = label.partition("/")
    pid, _, start_time = rest.partition("/")
    return boot_id == _boot_id() and pid.isdigit() and _start_time(int(pid)) != start_time


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _start_time(pid: int) -> str:
    """When a process began, in clock ticks since the boot (proc(5), field 22 of stat); empty for no process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
