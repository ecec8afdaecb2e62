"""Which process owns a container, volume or network: the label `dev.lyftlearn.owner`."""

from __future__ import annotations

import os
from pathlib import Path

OWNER_LABEL = "dev.lyftlearn.owner"
# A zombie, for whose end its parent has not asked yet, and a dead one (proc(5), stat).
_ENDED = "ZX"


def owner() -> str:
    """This process as `<boot id>_<PID namespace>/<PID>/<start time>`: a PID alone is used again by later processes."""
    _, start_time = _look_at(os.getpid())
    return f"{_process_space()}/{os.getpid()}/{start_time}"


def owner_labels() -> dict[str, str]:
    """The labels of everything that this process creates on the engine."""
    return {OWNER_LABEL: owner()}


def has_ended(label: str) -> bool:
    """Whether the process of an owner label ran beside this one since the machine's boot, and runs no more.

    False for the processes of other machines that share the engine, and of other containers of this one: nobody can tell from
    here.
    """
    space, _, rest = label.partition("/")
    pid, _, start_time = rest.partition("/")
    return space == _process_space() and pid.isdecimal() and not _is_running(int(pid), start_time)


def _process_space() -> str:
    """Where a PID means what it does here: this boot of this machine, and the PID namespace (pid_namespaces(7))."""
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot_id}_{Path('/proc/self/ns/pid').stat().st_ino}"


def _is_running(pid: int, start_time: str) -> bool:
    """Whether a process runs. Of another user's nothing but its PID may be seen (proc(5), hidepid)."""
    state, started = _look_at(pid)
    if started:
        return started == start_time and state not in _ENDED
    try:
        os.getpgid(pid)
    except (ProcessLookupError, OverflowError):
        return False
    return True


def _look_at(pid: int) -> tuple[str, str]:
    """A process's state and when it began, in clock ticks since the boot (proc(5), stat); empty where it is not seen."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        return "", ""
