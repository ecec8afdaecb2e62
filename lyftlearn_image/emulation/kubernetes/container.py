"""From a container of a manifest to what the engine is told about it: argv, user, security, mounts, limits.

Sources: kubernetes/kubernetes pkg/kubelet/kuberuntime, and pods of a real cluster (recorded cases 01, 02, 13, 15, 16).
"""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.docker.container_spec import ContainerSpec, Mount
from lyftlearn_image.emulation.kubernetes.environment import ConfigError, Objects, variables
from lyftlearn_image.platforms.kubernetes.expansion import expand
from lyftlearn_image.platforms.kubernetes.quantity import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.kubernetes.cluster import Cluster, Pod
    from lyftlearn_image.emulation.kubernetes.volumes import Volumes

TERMINATION_LOG = "/dev/termination-log"
SERVICE_ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"


@dataclass(frozen=True)
class Surroundings:
    """What the containers of one pod share. `system` has /etc/hosts, /etc/hostname and /etc/resolv.conf as files.

    `platform` are the variables that a webhook would add. `sandbox` is the id of the container with the namespaces.
    """

    pod: Pod
    cluster: Cluster
    objects: Objects
    volumes: Volumes
    platform: Mapping[str, str]
    system: Path
    sandbox: str


def write_system_files(pod: Pod, cluster: Cluster, directory: Path) -> None:
    """The three files that the kubelet and the runtime write."""
    content = {
        "hosts": pod.hosts_file(cluster),
        "hostname": f"{shown_hostname(pod, cluster)}\n",
        "resolv.conf": cluster.resolv_conf(
            pod.namespace(cluster), pod.spec.get("dnsConfig") or {}, pod.spec.get("dnsPolicy") or "ClusterFirst"
        ),
    }
    for name, text in content.items():
        (directory / name).write_text(text, encoding="utf-8")
        (directory / name).chmod(0o644)


def shown_hostname(pod: Pod, cluster: Cluster) -> str:
    """The kernel's hostname: the full name where setHostnameAsFQDN says so (recorded in pods, case 14)."""
    return (pod.fqdn(cluster) if pod.spec.get("setHostnameAsFQDN") else None) or pod.hostname()


def wants_token(pod: Pod) -> bool:
    """Whether the pod's containers get the ServiceAccount directory."""
    return pod.spec.get("automountServiceAccountToken") is not False


def container_spec(container: Mapping[str, Any], around: Surroundings, containers: Containers) -> ContainerSpec:
    """What the engine is told; the name and the termination log are each run's own.

    ConfigError for what a kubelet reports as CreateContainerConfigError.
    """
    pod, known = around.pod, variables(container, around.pod, around.objects, around.cluster)
    shared = pod.spec.get("securityContext") or {}
    security = {**shared, **(container.get("securityContext") or {})}
    user, gid = _user(containers, container["image"], security)
    limits = (container.get("resources") or {}).get("limits") or {}
    groups = [*([shared["fsGroup"]] if shared.get("fsGroup") is not None else []), *(shared.get("supplementalGroups") or ())]
    capabilities = security.get("capabilities") or {}
    read_only = bool(security.get("readOnlyRootFilesystem"))
    entrypoint, command = _argv(container, known)
    shares_pids = bool(pod.spec.get("shareProcessNamespace"))
    return ContainerSpec(
        image=container["image"],
        name=container["name"],
        # What a webhook adds is part of `env`, but never over what the pod says.
        environment=tuple({**{key: value for key, value in around.platform.items() if key not in known}, **known}.items()),
        entrypoint=entrypoint,
        command=command,
        user=None if user is None else f"{user}:{gid}",
        groups=tuple(str(group) for group in groups),
        working_dir=container.get("workingDir"),
        mounts=_mounts(container, around, known, read_only=read_only),
        network_mode=f"container:{around.sandbox}",
        ipc_mode=f"container:{around.sandbox}",
        pid_mode=f"container:{around.sandbox}" if shares_pids else None,
        read_only=read_only,
        cap_add=tuple(capabilities.get("add") or ()),
        cap_drop=tuple(capabilities.get("drop") or ()),
        security_opt=_security_options(security),
        memory_bytes=int(parse_quantity(limits["memory"])) if limits.get("memory") else None,
        cpus=float(parse_quantity(limits["cpu"])) if limits.get("cpu") else None,
        tty=bool(container.get("tty")),
        stdin_open=bool(container.get("stdin")),
        stop_signal=(container.get("lifecycle") or {}).get("stopSignal"),
    )


def _mounts(
    container: Mapping[str, Any], around: Surroundings, known: Mapping[str, str], *, read_only: bool
) -> tuple[Mount, ...]:
    # The kubelet mounts hosts writable; the other two are the runtime's, and read-only where the root is (case 16).
    names = {"hosts": False, "hostname": read_only, "resolv.conf": read_only}
    mounts = [Mount(f"/etc/{name}", around.system / name, read_only=fixed) for name, fixed in names.items()]
    mounts += [around.volumes.mount(mount, known) for mount in container.get("volumeMounts") or ()]
    if wants_token(around.pod) and all(mount.target != SERVICE_ACCOUNT_DIR for mount in mounts):
        mounts.append(around.volumes.token_mount(SERVICE_ACCOUNT_DIR))
    return tuple(mounts)


def _argv(container: Mapping[str, Any], known: Mapping[str, str]) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """Entrypoint and command for the engine: `command` alone drops the image's CMD; `[]` is as if unset (case 15)."""
    command = tuple(expand(str(one), known) for one in container.get("command") or ())
    arguments = tuple(expand(str(one), known) for one in container.get("args") or ())
    if command:
        # One entrypoint with everything, and an empty command: so the engine adds nothing of the image's.
        return (*command, *arguments), ()
    return None, arguments or None


def _security_options(security: Mapping[str, Any]) -> tuple[str, ...]:
    """Without a seccompProfile a pod runs unconfined (recorded in pods, case 01)."""
    profile = (security.get("seccompProfile") or {}).get("type", "Unconfined")
    options = [] if profile == "RuntimeDefault" else ["seccomp=unconfined"]
    if security.get("allowPrivilegeEscalation") is False:
        options.append("no-new-privileges")
    return tuple(options)


def _user(containers: Containers, image: str, security: Mapping[str, Any]) -> tuple[int | str | None, int | str]:
    """UID and GID; ConfigError where runAsNonRoot cannot be held.

    Without runAsGroup the GID is that of the image's passwd row, else 0 (recorded in pods, case 13).
    """
    name, _, group = containers.image_user(image).partition(":")
    user = security.get("runAsUser")
    if security.get("runAsNonRoot"):
        if user is None and name and not name.isdigit():
            raise ConfigError(
                f"container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root"
            )
        if (user if user is not None else int(name or 0)) == 0:
            raise ConfigError("container has runAsNonRoot and image will run as root")
    if user is None and security.get("runAsGroup") is None:
        return (name, group or _primary_group(containers, image, name)) if name else (None, 0)
    chosen: int | str = user if user is not None else (name or 0)
    gid = security.get("runAsGroup")
    return chosen, gid if gid is not None else _primary_group(containers, image, str(chosen))


def _primary_group(containers: Containers, image: str, user: str) -> int:
    """The GID of a user's row in the image's /etc/passwd, 0 without one."""
    packed = containers.image_file(image, "/etc/passwd")
    if packed is None:
        return 0
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        member = archive.extractfile("passwd")
        rows = [line.split(":") for line in (member.read().decode() if member else "").splitlines()]
    return next((int(row[3]) for row in rows if len(row) > 3 and user in (row[0], row[2])), 0)  # noqa: PLR2004 - name, _, UID, GID
