"""Interprets a Job or Pod manifest on this machine, as pods of a real cluster were seen to behave."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import RunError
from lyftlearn_image.targets import objects as s3_objects
from lyftlearn_image.targets.containers import ContainerExit, ContainerSpec, Mount
from lyftlearn_image.targets.kubernetes import fields
from lyftlearn_image.targets.kubernetes.cluster import Cluster, Pod
from lyftlearn_image.targets.kubernetes.compile import compile_job
from lyftlearn_image.targets.kubernetes.environment import ConfigError, expand, of_manifests, variables
from lyftlearn_image.targets.kubernetes.manifest import check_objects, check_size
from lyftlearn_image.targets.kubernetes.quantity import parse_quantity
from lyftlearn_image.targets.kubernetes.volumes import Volumes
from lyftlearn_image.targets.target import Compiled, Run, Status, Timings
from lyftlearn_image.targets.watching import Watch, read_observation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.targets.containers import Containers, Network
    from lyftlearn_image.targets.target import Launch, StopRequest
    from lyftlearn_image.workload import Workload

DEFAULT_GRACE_S = 30
_NO_DEADLINE_S = 10 * 365 * 24 * 3600
TERMINATION_LOG = "/dev/termination-log"
SERVICE_ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"
_TERMINATION_BYTES = 4096
# FallbackToLogsOnError: the last 80 lines, of them the last 2048 bytes (kubernetes pkg/kubelet/container/runtime.go).
_FALLBACK_LINES, _FALLBACK_BYTES = 80, 2048
START_ERROR = 128


@dataclass(frozen=True)
class PodEnd:
    """How a pod's container ended: the kubelet's reason, the exit code, the termination message."""

    reason: str
    exit_code: int
    message: str
    ended: ContainerExit
    watch: Watch


class KubernetesEmulator:
    """The embedded `kubernetes` target."""

    name = "kubernetes"

    def __init__(
        self,
        containers: Containers,
        network: Network,
        s3: S3Client,
        platform_environment: Mapping[str, str],
        cluster: Cluster | None = None,
    ) -> None:
        self._containers = containers
        self._network = network
        self._s3 = s3
        self._platform = dict(platform_environment)
        self._cluster = cluster or Cluster()

    def compile(self, workload: Workload, launch: Launch) -> Compiled:
        """The manifests for this workload."""
        return compile_job(workload, launch)

    def run(
        self,
        compiled: Compiled,
        *,
        workspace: Path,
        stop: StopRequest | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Run:
        """Carries the manifests out; see Target.run."""
        started = time.monotonic()
        *others, job = compiled.documents
        manifest = _pod_of(job) if job["kind"] == "Job" else job
        deadline = job["spec"].get("activeDeadlineSeconds") if job["kind"] == "Job" else None
        fields.refuse_unknown(job)
        end, prepared = self.run_pod([*others], manifest, workspace, stop=stop, on_line=on_line, deadline_s=deadline)
        finished = time.monotonic()
        artifacts = s3_objects.collect(self._s3, compiled.outputs, workspace / "artifacts")
        observation = read_observation(artifacts)
        startup = None if observation is None else observation["observed_at"] - end.ended.started_at
        ran = end.ended.finished_at - end.ended.started_at
        return Run(
            target=self.name,
            job_name=str(job["metadata"]["name"]),
            status=_status(end),
            exit_code=end.exit_code,
            reason=("DeadlineExceeded" if end.watch.timed_out else end.message) if end.exit_code or end.watch.timed_out else "",
            stdout=workspace / "stdout",
            stderr=workspace / "stderr",
            artifacts=artifacts,
            observation=observation,
            timings=Timings(prepared - started, startup, ran - (startup or 0.0), time.monotonic() - finished),
        )

    def run_pod(  # noqa: PLR0913 - what a pod is run with
        self,
        others: list[Mapping[str, Any]],
        manifest: Mapping[str, Any],
        workspace: Path,
        *,
        stop: StopRequest | None = None,
        on_line: Callable[[str], None] | None = None,
        deadline_s: int | None = None,
    ) -> tuple[PodEnd, float]:
        """Runs one pod's container to its end. Also gives the monotonic time at which it was ready to start.

        Raises ConfigError for what leaves a pod in CreateContainerConfigError or ContainerCreating.
        """
        fields.refuse_unknown(manifest)
        check_size(manifest)
        check_objects(others)
        pod = Pod(manifest["metadata"], manifest["spec"], self._network.allocate_ip())
        container = manifest["spec"]["containers"][0]
        security = manifest["spec"].get("securityContext") or {}
        known = of_manifests(list(others))
        memory = ((container.get("resources") or {}).get("limits") or {}).get("memory")
        memory_bytes = int(parse_quantity(memory)) if memory else None
        volumes = Volumes(
            workspace,
            known,
            security.get("fsGroup"),
            memory_bytes,
            user=(container.get("securityContext") or {}).get("runAsUser", security.get("runAsUser")),
            field=lambda path: pod.field(path, self._cluster),
            token=lambda source: pod.token(self._cluster, source.get("audience"), source.get("expirationSeconds")),
        )
        watch = Watch(stop, on_line)
        try:
            for volume in manifest["spec"].get("volumes") or ():
                volumes.make(volume)
            log = self._system_files(pod, workspace)
            spec = self._spec(pod, container, variables(container, pod, known, self._cluster), volumes, workspace, memory_bytes)
            prepared = time.monotonic()
            grace = manifest["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE_S)
            ended = self._run_container(spec, workspace, watch, grace, deadline_s)
        finally:
            volumes.remove()
        reason = _reason(ended)
        return PodEnd(reason, ended.exit_code, _message(container, log, ended, workspace), ended, watch), prepared

    def _run_container(
        self, spec: ContainerSpec, workspace: Path, watch: Watch, grace: int, deadline_s: int | None
    ) -> ContainerExit:
        stdout, stderr = workspace / "stdout", workspace / "stderr"
        started = time.time()
        try:
            with self._containers.start(spec, stdout=stdout, stderr=stderr, on_line=watch.on_line) as running:
                return watch.wait(running, max_runtime_s=deadline_s or _NO_DEADLINE_S, grace_s=grace)
        except RunError as error:
            # Not found, not executable, a file as workingDir: always 128, StartError (recorded in pods, case 16).
            if not any(text in error.where for text in ("OCI runtime", "Cannot mkdir")):
                raise
            for path in (stdout, stderr):
                path.touch()
            return ContainerExit(START_ERROR, oom_killed=False, error=error.where, started_at=started, finished_at=time.time())

    def _system_files(self, pod: Pod, workspace: Path) -> Path:
        """/etc/hosts, /etc/hostname, /etc/resolv.conf and the termination log, on the host; gives the last."""
        fqdn = pod.fqdn(self._cluster) if pod.spec.get("setHostnameAsFQDN") else None
        dns = pod.spec.get("dnsConfig") or {}
        content = {
            "hosts": pod.hosts_file(self._cluster),
            "hostname": f"{fqdn or pod.hostname()}\n",
            "resolv.conf": self._cluster.resolv_conf(pod.namespace(self._cluster), dns),
        }
        for name, text in content.items():
            (workspace / name).write_text(text, encoding="utf-8")
            (workspace / name).chmod(0o644)
        log = workspace / "termination-log"
        log.touch()
        log.chmod(0o666)
        return log

    def _spec(  # noqa: PLR0913, PLR0917 - what a container is made from
        self,
        pod: Pod,
        container: Mapping[str, Any],
        known: Mapping[str, str],
        volumes: Volumes,
        workspace: Path,
        memory_bytes: int | None,
    ) -> ContainerSpec:
        shared, own = pod.spec.get("securityContext") or {}, container.get("securityContext") or {}
        security = {**shared, **own}
        user, gid, image_groups = self._user(container["image"], security)
        # What a webhook adds is part of `env`, but never over what the pod says.
        environment = {**{name: value for name, value in self._platform.items() if name not in known}, **known}
        cpu = ((container.get("resources") or {}).get("limits") or {}).get("cpu")
        groups = [
            *image_groups,
            *([shared["fsGroup"]] if "fsGroup" in shared else []),
            *(shared.get("supplementalGroups") or ()),
        ]
        capabilities = security.get("capabilities") or {}
        fqdn = pod.fqdn(self._cluster) if pod.spec.get("setHostnameAsFQDN") else None
        read_only = bool(security.get("readOnlyRootFilesystem"))
        # The kubelet mounts hosts writable; the other two are the runtime's, and read-only where the root is (case 16).
        names = {"hosts": False, "hostname": read_only, "resolv.conf": read_only}
        system = [Mount(f"/etc/{name}", workspace / name, read_only=fixed) for name, fixed in names.items()]
        message = Mount(container.get("terminationMessagePath") or TERMINATION_LOG, workspace / "termination-log")
        mounts = [volumes.mount(mount) for mount in container.get("volumeMounts") or ()]
        if pod.spec.get("automountServiceAccountToken") is not False:
            token = pod.token(self._cluster)
            directory = volumes.service_account(pod.namespace(self._cluster), token)
            mounts.append(Mount(SERVICE_ACCOUNT_DIR, directory, read_only=True))
        entrypoint, command = _argv(container, known)
        return ContainerSpec(
            image=container["image"],
            name=f"{self._containers.run_id}-pod-{pod.name}",
            environment=tuple(environment.items()),
            entrypoint=entrypoint,
            command=command,
            user=None if user is None else f"{user}:{gid}",
            groups=tuple(str(group) for group in groups),
            working_dir=container.get("workingDir"),
            mounts=(*system, message, *mounts),
            network=self._network.name,
            ip=pod.ip,
            hostname=fqdn or pod.hostname(),
            read_only=read_only,
            cap_add=tuple(capabilities.get("add") or ()),
            cap_drop=tuple(capabilities.get("drop") or ()),
            security_opt=_security_options(security),
            sysctls={"net.ipv4.ip_unprivileged_port_start": "0"},
            memory_bytes=memory_bytes,
            cpus=float(parse_quantity(cpu)) if cpu else None,
            tty=bool(container.get("tty")),
        )

    def _user(self, image: str, security: Mapping[str, Any]) -> tuple[int | str | None, int | str, list[int]]:
        """UID, GID and the image's further groups; ConfigError where runAsNonRoot cannot be held.

        Without runAsGroup the GID is that of the image's passwd row, else 0 (recorded in pods, case 13).
        """
        configured = self._containers.image_user(image)
        name, _, group = configured.partition(":")
        user = security.get("runAsUser")
        if security.get("runAsNonRoot"):
            if user is None and name and not name.isdigit():
                raise ConfigError(
                    f"container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root"
                )
            if (user if user is not None else int(name or 0)) == 0:
                raise ConfigError("container has runAsNonRoot and image will run as root")
        if user is None and "runAsGroup" not in security:
            return (name, group or self._primary_group(image, name), []) if name else (None, 0, [])
        chosen: int | str = user if user is not None else (name or 0)
        gid = security.get("runAsGroup", self._primary_group(image, str(chosen)))
        return chosen, gid, []

    def _primary_group(self, image: str, user: str) -> int:
        """The GID of a user's row in the image's /etc/passwd, 0 without one."""
        for row in self._passwd(image):
            if len(row) > 3 and user in (row[0], row[2]):  # noqa: PLR2004 - name, password, UID, GID
                return int(row[3])
        return 0

    def _passwd(self, image: str) -> list[list[str]]:
        """The rows of the image's /etc/passwd, read from a container that is never started."""
        import io  # noqa: PLC0415 - for this one file
        import tarfile  # noqa: PLC0415 - see above

        container = self._containers.client.containers.create(image, entrypoint=["true"])
        try:
            packed = b"".join(container.get_archive("/etc/passwd")[0])
        except Exception:  # noqa: BLE001 - an image without the file has no rows
            return []
        finally:
            container.remove()
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            member = archive.extractfile("passwd")
            return [line.split(":") for line in (member.read().decode() if member else "").splitlines()]


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


def _pod_of(job: Mapping[str, Any]) -> dict[str, Any]:
    """The pod that a Job makes, with the labels that it gets (recorded in pods, case 10)."""
    template, name = job["spec"]["template"], job["metadata"]["name"]
    labels = {"batch.kubernetes.io/job-name": name, "job-name": name}
    metadata = template.get("metadata") or {}
    # The random part of a real pod's name is not made up here: the same manifest gives the same hostname.
    metadata = {**metadata, "name": f"{name}-0", "labels": {**(metadata.get("labels") or {}), **labels}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def _reason(ended: ContainerExit) -> str:
    if ended.oom_killed:
        return "OOMKilled"
    if ended.exit_code == START_ERROR and ended.error:
        return "StartError"
    return "Completed" if ended.exit_code == 0 else "Error"


def _message(container: Mapping[str, Any], log: Path, ended: ContainerExit, workspace: Path) -> str:
    """The termination message: the file's last 4096 bytes, or the log's end where the policy says so (case 08)."""
    if ended.error and ended.exit_code == START_ERROR:
        return ended.error
    text = log.read_bytes()[-_TERMINATION_BYTES:]
    if not text and ended.exit_code and container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
        lines = ((workspace / "stdout").read_bytes() + (workspace / "stderr").read_bytes()).splitlines(keepends=True)
        text = b"".join(lines[-_FALLBACK_LINES:])[-_FALLBACK_BYTES:]
    return text.decode("utf-8", "replace")


def _status(end: PodEnd) -> Status:
    if end.watch.stopped:
        return Status.STOPPED
    return Status.COMPLETED if end.exit_code == 0 and not end.watch.timed_out else Status.FAILED
