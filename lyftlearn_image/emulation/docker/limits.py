"""Limits that a container is given and that nothing here enforces: each is named, for a script may be over it elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# What an engine says that it cannot do, and what it then leaves out with a warning (Docker Engine API, SystemInfo).
_ABILITIES = {
    "MemoryLimit": "memory is not limited: the engine has no cgroup for it",
    "SwapLimit": "swap is not limited: the engine has no cgroup for it, and a container may use it beside its memory",
    "CpuCfsQuota": "CPU is not limited: the engine has no quota for it",
}
_GIB = 1 << 30


def unenforced_limits(info: Mapping[str, Any]) -> tuple[str, ...]:
    """What the engine does not enforce, by its own word."""
    return tuple(note for ability, note in _ABILITIES.items() if info.get(ability) is False)


def beyond_machine(name: str, memory_bytes: int, info: Mapping[str, Any]) -> tuple[str, ...]:
    """That this machine has less memory than a limit, which `name` names, allows."""
    if memory_bytes <= int(info["MemTotal"]):
        return ()
    here = int(info["MemTotal"]) / _GIB
    return (f"{name} allows {memory_bytes / _GIB:.1f} GiB, and this machine has {here:.1f} GiB: a script may fail here alone",)
