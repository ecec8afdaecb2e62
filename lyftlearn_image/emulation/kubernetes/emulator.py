"""The embedded `kubernetes` target: runs the manifests of a Job or Pod on this machine, as a real cluster was seen to do."""

from __future__ import annotations

import contextlib
import copy
import shutil
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lyftlearn_image.aws import s3_archives
from lyftlearn_image.emulation.docker.limits import beyond_machine, unenforced_limits
from lyftlearn_image.emulation.kubernetes.admission import POD_IDENTITY_AUDIENCE
from lyftlearn_image.emulation.kubernetes.api_validation import validate_objects
from lyftlearn_image.emulation.kubernetes.cluster import Cluster, Pod
from lyftlearn_image.emulation.kubernetes.deciding_pod import deciding_pod, decisive_end
from lyftlearn_image.emulation.kubernetes.dns import ClusterDns
from lyftlearn_image.emulation.kubernetes.fields import pod_spec, refuse_unsupported
from lyftlearn_image.emulation.kubernetes.job_controller import JobRun, JobStatus, PodRecord
from lyftlearn_image.emulation.kubernetes.kubelet import Kubelet
from lyftlearn_image.emulation.kubernetes.namespace_objects import NamespaceObjects
from lyftlearn_image.emulation.kubernetes.pod_containers import PodListeners
from lyftlearn_image.emulation.kubernetes.pod_run import PodRun
from lyftlearn_image.platforms.kubernetes.object_limits import check_size
from lyftlearn_image.platforms.kubernetes.quantity import parse_quantity
from lyftlearn_image.run import Limit, Run, Status, Timings
from lyftlearn_image.runs.observation import read_observation
from lyftlearn_image.runs.stop_watch import StopWatch
from lyftlearn_image.runs.told_limit import told_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from lyftlearn_image.emulation.kubernetes.pod_status import PodStatus, Terminated
    from lyftlearn_image.emulation.machine import Machine
    from lyftlearn_image.platforms.launch import Compiled, TargetName
    from lyftlearn_image.run import StopRequest

    Manifest = Mapping[str, Any]

_POLL_S = 0.05
_STREAMS = ("stdout", "stderr")


@dataclass(frozen=True)
class PodResult:
    """How a pod ended: the state of the container that decided it, and the whole status.

    `prepared_at` is the monotonic time at which its first container could start.
    """

    terminated: Terminated
    status: PodStatus
    prepared_at: float

    @property
    def exit_code(self) -> int:
        """The exit code of the container that decided it."""
        return self.terminated.exit_code

    @property
    def reason(self) -> str:
        """The reason of that container's end, such as `Error` or `OOMKilled`."""
        return self.terminated.reason


@dataclass(frozen=True)
class _Outcome:
    """The end of a Job or a pod."""

    pod: PodResult
    stdout: Path
    stderr: Path
    is_complete: bool
    is_past_deadline: bool


class KubernetesEmulator:
    """A cluster of one node on this machine. Without credentials for its pods it is a cluster off AWS."""

    name: TargetName = "kubernetes"

    def __init__(self, machine: Machine, cluster: Cluster | None = None) -> None:
        self._machine = machine
        self._secrets: tuple[Manifest, ...] = ()
        cluster = cluster or Cluster()
        if machine.credentials:
            machine.credentials.set_token_review(
                lambda token: cluster.review_token(token, POD_IDENTITY_AUDIENCE), cluster.signing_key
            )
        self._kubelet = Kubelet(machine, cluster, ClusterDns(machine.network.gateway, cluster.domain))

    def with_credentials_lifetime(self, credentials_lifetime_s: int) -> KubernetesEmulator:
        """The same cluster, the keys of whose new pods live so long (see ContainerCredentials.with_lifetime)."""
        changed, machine = copy.copy(self), self._machine.with_credentials_lifetime(credentials_lifetime_s)
        changed._machine, changed._kubelet = machine, replace(self._kubelet, machine=machine)  # noqa: SLF001 - one of this class
        return changed

    def with_secrets(self, secrets: Mapping[str, Mapping[str, str]]) -> KubernetesEmulator:
        """The same cluster, in which these Secrets are there already: name → key → value."""
        changed = copy.copy(self)
        changed._secrets = tuple(  # noqa: SLF001 - one of this class
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": dict(values)}
            for name, values in secrets.items()
        )
        return changed

    def run(
        self,
        compiled: Compiled,
        *,
        workspace: Path,
        stop: StopRequest | None = None,
        on_line: Callable[[str], None] | None = None,
        on_phase: Callable[[str], None] | None = None,
    ) -> Run:
        """Runs the manifests; see Target.run. Of a Job with several pods, the run is that of the pod that decided it."""
        started = time.monotonic()
        *objects, manifest = compiled.documents
        objects = [*self._secrets, *objects]
        watch = StopWatch(stop, on_line, on_phase)
        outcome = (self._job_outcome if manifest["kind"] == "Job" else self._pod_outcome)(objects, manifest, workspace, watch)
        watch.timed_out = outcome.is_past_deadline
        finished = time.monotonic()
        artifacts = s3_archives.download_outputs(
            self._machine.s3, compiled.outputs, workspace / "artifacts", self._machine.containers.limits
        )
        observation = read_observation(artifacts)
        end = outcome.pod.terminated
        startup_s = None if observation is None else observation["observed_at"] - end.started_at
        run_s = end.finished_at - end.started_at - (startup_s or 0.0)
        return Run(
            target=self.name,
            job_name=str(manifest["metadata"]["name"]),
            status=_status(watch, is_complete=outcome.is_complete),
            exit_code=end.exit_code,
            reason="DeadlineExceeded" if outcome.is_past_deadline else end.message if end.exit_code else "",
            stdout=outcome.stdout,
            stderr=outcome.stderr,
            artifacts=artifacts,
            observation=observation,
            timings=Timings(outcome.pod.prepared_at - started, startup_s, run_s, time.monotonic() - finished),
            notes=self._notes(manifest),
            limit=_limit(outcome),
        )

    def _notes(self, manifest: Manifest) -> tuple[str, ...]:
        """What of the limits in a manifest is not enforced here."""
        info = self._machine.containers.client.info()
        notes = list(unenforced_limits(info))
        for container in pod_spec(manifest)["containers"]:
            limits = (container.get("resources") or {}).get("limits") or {}
            if parse_quantity(limits.get("cpu") or 0) > int(info["NCPU"]):
                notes.append(f"limits.cpu={limits['cpu']} of {container['name']} is beyond this machine's {info['NCPU']} CPUs")
            if memory := limits.get("memory"):
                name = f"limits.memory={memory} of {container['name']}"
                notes += beyond_machine(name, int(parse_quantity(memory)), info)
        return tuple(notes)

    def run_pod(
        self,
        objects: Sequence[Manifest],
        manifest: Manifest,
        workspace: Path,
        *,
        stop: StopRequest | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> PodResult:
        """Runs one pod to its end, in a namespace with these objects.

        ContainerConfigError for what leaves a pod in CreateContainerConfigError or ContainerCreating.
        """
        return self._run_pod(objects, manifest, workspace, StopWatch(stop, on_line))

    def create_pod(
        self,
        objects: Sequence[Manifest],
        manifest: Manifest,
        workspace: Path,
        on_line: Callable[[str], None] | None = None,
    ) -> PodRun:
        """A pod that is ready to run, for a caller that changes or deletes it meanwhile."""
        _validate(objects, manifest)
        pod = Pod(manifest["metadata"], manifest["spec"], self._machine.network.allocate_ip())
        listeners = PodListeners(on_line)
        return PodRun(pod, NamespaceObjects.from_manifests(objects), self._kubelet, workspace, listeners)

    def create_job(
        self,
        objects: Sequence[Manifest],
        manifest: Manifest,
        workspace: Path,
        on_line: Callable[[str], None] | None = None,
    ) -> JobRun:
        """A Job that is ready to run."""
        _validate(objects, manifest)
        return JobRun(manifest, NamespaceObjects.from_manifests(objects), self._kubelet, workspace, on_line)

    def _run_pod(self, objects: Sequence[Manifest], manifest: Manifest, workspace: Path, watch: StopWatch) -> PodResult:
        run = self.create_pod(objects, manifest, workspace, on_line=watch.on_line)
        with _ended_on_request(watch, run):
            status = run.run()
        return _pod_result(status, run.prepared_at)

    def _pod_outcome(self, objects: Sequence[Manifest], manifest: Manifest, workspace: Path, watch: StopWatch) -> _Outcome:
        result = self._run_pod(objects, manifest, workspace, watch)
        return _Outcome(
            result,
            workspace / "stdout",
            workspace / "stderr",
            is_complete=result.status.phase == "Succeeded",
            is_past_deadline=result.status.reason == "DeadlineExceeded",
        )

    def _job_outcome(self, objects: Sequence[Manifest], manifest: Manifest, workspace: Path, watch: StopWatch) -> _Outcome:
        run = self.create_job(objects, manifest, workspace, on_line=watch.on_line)
        run.on_attempt = watch.on_phase
        with _ended_on_request(watch, run):
            job = run.run()
        record = deciding_pod(job, manifest["spec"])
        return _Outcome(
            _pod_result(record.status, record.prepared_at),
            *_pod_output(job, record, workspace),
            is_complete=job.is_complete,
            is_past_deadline=job.is_past_deadline,
        )


def _validate(objects: Sequence[Manifest], manifest: Manifest) -> None:
    """Raises what the API refuses and the emulator does not implement, before anything is created."""
    refuse_unsupported(manifest)
    check_size(manifest)
    validate_objects(objects)


@contextlib.contextmanager
def _ended_on_request(watch: StopWatch, run: PodRun | JobRun) -> Iterator[None]:
    """Deletes the pod or Job as soon as a stop is requested, or drains its node for an interruption."""
    is_over = threading.Event()

    def wait_for_request() -> None:
        while not is_over.is_set() and not watch.stopped:
            if not watch.wait_for_stop(_POLL_S):
                continue
            watch.take_request()
            if watch.stopped:
                run.delete()
            else:
                run.disrupt()

    thread = threading.Thread(target=wait_for_request, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _pod_output(job: JobStatus, record: PodRecord, workspace: Path) -> tuple[Path, Path]:
    """The files of stdout and stderr of a pod, after those of the disrupted pods that it replaces."""
    disrupted = [pod.workspace for pod in job.pods if pod.status.is_disrupted and pod.index == record.index]
    directory = record.workspace
    if disrupted and not record.status.is_disrupted:
        directory = workspace / "log"
        directory.mkdir(parents=True)
        for name in _STREAMS:
            with (directory / name).open("wb") as log:
                for pod in (*disrupted, record.workspace):
                    with (pod / name).open("rb") as part:
                        shutil.copyfileobj(part, log)
    return directory / "stdout", directory / "stderr"


def _limit(outcome: _Outcome) -> Limit | None:
    """The limit that ended a Job or a pod."""
    if outcome.is_past_deadline:
        return Limit.RUNTIME
    status = outcome.pod.status
    if status.reason == "Evicted" and not outcome.is_complete:  # by its storage: nothing else evicts a pod here
        return Limit.DISK
    end = outcome.pod.terminated
    return told_limit(f"{end.reason} {end.message}") if end.exit_code else None


def _pod_result(status: PodStatus, prepared_at: float | None) -> PodResult:
    return PodResult(decisive_end(status), status, time.monotonic() if prepared_at is None else prepared_at)


def _status(watch: StopWatch, *, is_complete: bool) -> Status:
    if watch.stopped:
        return Status.STOPPED
    return Status.COMPLETED if is_complete else Status.FAILED
