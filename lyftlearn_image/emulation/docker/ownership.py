"""Which process of which machine owns what is on the engine."""

from __future__ import annotations

import os
from pathlib import Path

OWNER_LABEL = "dev.lyftlearn.owner"


def owner() -> str:
    """This process: the boot of its machine, its ID, and when it began, for an ID is used again."""
    return f"{_boot()}/{os.getpid()}/{_started(os.getpid())}"


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _started(pid: int) -> str:
    """When a process began, in ticks since the boot (proc(5), field 22 of stat); empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
