"""What a container is created from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Mount:
    """A bind mount of a host path, a named `volume`, or else a tmpfs with `size_bytes`, octal `mode` and group."""

    target: str
    source: Path | None = None
    read_only: bool = False
    size_bytes: int | None = None
    mode: int = 0o1777
    gid: int | None = None
    volume: str | None = None


@dataclass(frozen=True)
class ContainerSpec:
    """Everything that `docker create` takes. None leaves the default of the image or of the engine."""

    image: str
    name: str
    environment: tuple[tuple[str, str], ...] = ()
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    user: str | None = None
    groups: tuple[str, ...] = ()
    working_dir: str | None = None
    mounts: tuple[Mount, ...] = ()
    network: str | None = None
    ip: str | None = None
    hostname: str | None = None
    aliases: tuple[str, ...] = ()
    extra_hosts: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    memory_bytes: int | None = None
    cpus: float | None = None
    cpu_shares: int | None = None
    oom_score_adj: int | None = None
    cgroup_parent: str | None = None
    pids_limit: int | None = None
    shm_size_bytes: int | None = None
    tty: bool = False
    stdin_open: bool = False
    stop_signal: str | None = None
    # `container:<id>` joins the namespace of another container; ipc `shareable` lets others join.
    network_mode: str | None = None
    ipc_mode: str | None = None
    pid_mode: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


def create_arguments(spec: ContainerSpec, labels: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of docker-py's `containers.create`."""
    from docker.types import EndpointConfig  # noqa: PLC0415 - see connect()

    in_memory = [mount for mount in spec.mounts if mount.source is None and mount.volume is None]
    arguments: dict[str, Any] = {
        "image": spec.image,
        "name": spec.name,
        "environment": [f"{name}={value}" for name, value in spec.environment],
        "command": None if spec.command is None else list(spec.command),
        "user": spec.user,
        "group_add": list(spec.groups),
        "working_dir": spec.working_dir,
        "mounts": [_engine_mount(mount) for mount in spec.mounts if mount not in in_memory],
        "tmpfs": {mount.target: _tmpfs_options(mount) for mount in in_memory} or None,
        "hostname": spec.hostname,
        "extra_hosts": dict(spec.extra_hosts) or None,
        "read_only": spec.read_only,
        "cap_add": list(spec.cap_add) or None,
        "cap_drop": list(spec.cap_drop) or None,
        "security_opt": list(spec.security_opt) or None,
        "sysctls": dict(spec.sysctls) or None,
        "mem_limit": spec.memory_bytes,
        # Swap equal to memory means no swap: neither platform gives a container any.
        "memswap_limit": spec.memory_bytes,
        "nano_cpus": None if spec.cpus is None else int(spec.cpus * 1e9),
        "cpu_shares": spec.cpu_shares,
        "oom_score_adj": spec.oom_score_adj,
        "cgroup_parent": spec.cgroup_parent,
        "pids_limit": spec.pids_limit,
        "shm_size": spec.shm_size_bytes,
        "tty": spec.tty,
        "stdin_open": spec.stdin_open,
        "stop_signal": spec.stop_signal,
        "network_mode": spec.network_mode,
        "ipc_mode": spec.ipc_mode,
        "pid_mode": spec.pid_mode,
        "detach": True,
        "labels": {**spec.labels, **labels},
    }
    if spec.entrypoint is not None:
        arguments["entrypoint"] = list(spec.entrypoint)
    if spec.network is not None:
        arguments["network"] = spec.network
        arguments["networking_config"] = {
            spec.network: EndpointConfig("1.41", aliases=list(spec.aliases) or None, ipv4_address=spec.ip)
        }
    return arguments


def _engine_mount(mount: Mount) -> Any:
    from docker.types import Mount as EngineMount  # noqa: PLC0415 - see connect()

    if mount.volume is not None:
        return EngineMount(mount.target, mount.volume, type="volume", read_only=mount.read_only, no_copy=True)
    return EngineMount(mount.target, str(mount.source), type="bind", read_only=mount.read_only)


def _tmpfs_options(mount: Mount) -> str:
    """Mount options of a tmpfs; the engine's own default would add noexec, nosuid and nodev."""
    options = ["ro" if mount.read_only else "rw", "exec", "suid", "dev", f"mode={mount.mode:o}"]
    if mount.size_bytes is not None:
        options.append(f"size={mount.size_bytes}")
    if mount.gid is not None:
        options.append(f"gid={mount.gid}")
    return ",".join(options)
