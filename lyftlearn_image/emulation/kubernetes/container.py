"""Translates a container of a manifest for the engine: argv, user, security, mounts, limits.

Sources: kubernetes/kubernetes pkg/kubelet/kuberuntime; recorded in pods, cases 01, 02, 13, 15 and 16.
"""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.docker.container_spec import ContainerSpec, Mount
from lyftlearn_image.emulation.kubernetes.environment import container_environment
from lyftlearn_image.emulation.kubernetes.errors import ContainerConfigError
from lyftlearn_image.emulation.kubernetes.resources import cpu_shares, oom_score_adj
from lyftlearn_image.emulation.kubernetes.sub_paths import SubPath
from lyftlearn_image.platforms.kubernetes.expansion import expand
from lyftlearn_image.platforms.kubernetes.quantity import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.kubernetes.cluster import Cluster, Pod
    from lyftlearn_image.emulation.kubernetes.namespace_objects import NamespaceObjects
    from lyftlearn_image.emulation.kubernetes.volumes import PodVolumes

TERMINATION_LOG = "/dev/termination-log"
SERVICE_ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"


@dataclass(frozen=True)
class PodContext:
    """What the containers of one pod share.

    `platform_environment` are the variables that a webhook would add, `workspace` has the pod's files, /etc/hosts among them.
    """

    pod: Pod
    cluster: Cluster
    objects: NamespaceObjects
    volumes: PodVolumes
    platform_environment: Mapping[str, str]
    workspace: Path
    sandbox_id: str


def write_etc_files(pod: Pod, cluster: Cluster, directory: Path) -> None:
    """Writes the files that the kubelet and the runtime mount: /etc/hosts, /etc/hostname and /etc/resolv.conf."""
    content = {
        "hosts": pod.hosts_file(cluster),
        "hostname": f"{kernel_hostname(pod, cluster)}\n",
        "resolv.conf": cluster.resolv_conf(
            pod.namespace(cluster), pod.spec.get("dnsConfig") or {}, pod.spec.get("dnsPolicy") or "ClusterFirst"
        ),
    }
    for name, text in content.items():
        (directory / name).write_text(text, encoding="utf-8")
        (directory / name).chmod(0o644)


def kernel_hostname(pod: Pod, cluster: Cluster) -> str:
    """What `uname -n` prints: the FQDN with setHostnameAsFQDN, else the hostname (recorded in pods, case 14)."""
    return (pod.fqdn(cluster) if pod.spec.get("setHostnameAsFQDN") else None) or pod.hostname()


def automounts_token(pod: Pod) -> bool:
    """Whether the pod's containers mount the ServiceAccount directory."""
    return pod.spec.get("automountServiceAccountToken") is not False


def container_spec(
    container: Mapping[str, Any], context: PodContext, containers: Containers
) -> tuple[ContainerSpec, tuple[SubPath, ...]]:
    """The spec for the engine, and the parts of volumes that are mounted besides when the container starts.

    Name and termination log each run of the container has of its own. ContainerConfigError for what a kubelet reports as
    CreateContainerConfigError.
    """
    pod = context.pod
    environment = container_environment(container, pod, context.objects, context.cluster)
    injected = {name: value for name, value in context.platform_environment.items() if name not in environment}
    pod_security = pod.spec.get("securityContext") or {}
    security = {**pod_security, **(container.get("securityContext") or {})}
    user, gid = _user(containers, container["image"], security)
    limits = (container.get("resources") or {}).get("limits") or {}
    fs_group = pod_security.get("fsGroup")
    groups = [*(() if fs_group is None else (fs_group,)), *(pod_security.get("supplementalGroups") or ())]
    capabilities = security.get("capabilities") or {}
    read_only = bool(security.get("readOnlyRootFilesystem"))
    entrypoint, command = _argv(container, environment)
    sandbox = f"container:{context.sandbox_id}"
    mounts = _volume_mounts(container, context, environment)
    spec = ContainerSpec(
        image=container["image"],
        name=container["name"],
        environment=tuple({**injected, **environment}.items()),
        entrypoint=entrypoint,
        command=command,
        user=None if user is None else f"{user}:{gid}",
        groups=tuple(str(group) for group in groups),
        working_dir=container.get("workingDir"),
        mounts=(
            *_etc_mounts(context, read_only=read_only),
            *(mount for mount in mounts if isinstance(mount, Mount)),
        ),
        network_mode=sandbox,
        ipc_mode=sandbox,
        pid_mode=sandbox if pod.spec.get("shareProcessNamespace") else None,
        read_only=read_only,
        cap_add=tuple(capabilities.get("add") or ()),
        cap_drop=tuple(capabilities.get("drop") or ()),
        security_opt=_security_options(security),
        memory_bytes=int(parse_quantity(limits["memory"])) if limits.get("memory") else None,
        cpus=min(float(parse_quantity(limits["cpu"])), containers.cpu_count) if limits.get("cpu") else None,
        cpu_shares=cpu_shares(container),
        oom_score_adj=oom_score_adj(container, pod.spec, context.cluster.node),
        cgroup_parent=containers.pods_cgroup,
        tty=bool(container.get("tty")),
        stdin_open=bool(container.get("stdin")),
        stop_signal=(container.get("lifecycle") or {}).get("stopSignal"),
    )
    return spec, tuple(mount for mount in mounts if isinstance(mount, SubPath))


def _etc_mounts(context: PodContext, *, read_only: bool) -> tuple[Mount, ...]:
    # The kubelet mounts hosts writable. The other two are the runtime's, read-only with a read-only root (case 16).
    files = {"hosts": False, "hostname": read_only, "resolv.conf": read_only}
    return tuple(Mount(f"/etc/{name}", context.workspace / name, read_only=fixed) for name, fixed in files.items())


def _volume_mounts(
    container: Mapping[str, Any], context: PodContext, environment: Mapping[str, str]
) -> tuple[Mount | SubPath, ...]:
    mounts = [context.volumes.mount(mount, environment) for mount in container.get("volumeMounts") or ()]
    if automounts_token(context.pod) and all(mount.target != SERVICE_ACCOUNT_DIR for mount in mounts):
        mounts.append(context.volumes.token_mount(SERVICE_ACCOUNT_DIR))
    return tuple(mounts)


def _argv(
    container: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """Entrypoint and command for the engine: `command` alone drops the image's CMD, and `[]` means unset (case 15)."""
    command = tuple(expand(str(text), environment) for text in container.get("command") or ())
    arguments = tuple(expand(str(text), environment) for text in container.get("args") or ())
    if command:
        # An entrypoint with everything and an empty command: so the engine adds nothing of the image.
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
    """User and group; ContainerConfigError for a root user with runAsNonRoot.

    Without runAsGroup the GID is that of the user in the image's /etc/passwd, else 0 (recorded in pods, case 13).
    """
    name, _, group = containers.image_user(image).partition(":")
    user = security.get("runAsUser")
    if security.get("runAsNonRoot"):
        if user is None and name and not name.isdigit():
            raise ContainerConfigError(
                f"container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root"
            )
        if (user if user is not None else int(name or 0)) == 0:
            raise ContainerConfigError("container has runAsNonRoot and image will run as root")
    if user is None and security.get("runAsGroup") is None:
        return (name, group or _primary_group(containers, image, name)) if name else (None, 0)
    if user is None:
        user = name or 0
    gid = security.get("runAsGroup")
    return user, gid if gid is not None else _primary_group(containers, image, str(user))


def _primary_group(containers: Containers, image: str, user: str) -> int:
    """The GID of a user in the image's /etc/passwd, 0 for a user without an entry."""
    archive_bytes = containers.image_file(image, "/etc/passwd")
    if archive_bytes is None:
        return 0
    with tarfile.open(fileobj=io.BytesIO(archive_bytes)) as archive:
        member = archive.extractfile("passwd")
        rows = [line.split(":") for line in (member.read().decode() if member else "").splitlines()]
    return next((int(row[3]) for row in rows if len(row) > 3 and user in (row[0], row[2])), 0)  # noqa: PLR2004 - name, _, UID, GID
