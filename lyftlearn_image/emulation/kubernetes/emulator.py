"""Interprets a Job or Pod manifest on this machine, as pods of a real cluster were seen to behave."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.aws import s3 as s3_objects
from lyftlearn_image.emulation.kubernetes import fields
from lyftlearn_image.emulation.kubernetes.admission import POD_AUDIENCE
from lyftlearn_image.emulation.kubernetes.api_validation import check_objects
from lyftlearn_image.emulation.kubernetes.cluster import Cluster, Pod
from lyftlearn_image.emulation.kubernetes.dns import ClusterDns
from lyftlearn_image.emulation.kubernetes.environment import of_manifests
from lyftlearn_image.emulation.kubernetes.job_controller import JobRun, JobStatus, PodRecord
from lyftlearn_image.emulation.kubernetes.pod_run import Node, PodRun
from lyftlearn_image.emulation.kubernetes.pod_status import PodStatus, Terminated
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.kubernetes.object_limits import check_size
from lyftlearn_image.run import Run, Status, Timings
from lyftlearn_image.runs.observation import read_observation
from lyftlearn_image.runs.stop_watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.emulation.aws.credentials import ContainerCredentials
    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.network import Network
    from lyftlearn_image.platforms.launch import Compiled, TargetName
    from lyftlearn_image.run import StopRequest


@dataclass(frozen=True)
class PodEnd:
    """How a pod ended: the reason, exit code and message of the container that decided it, and the pod's whole status."""

    reason: str
    exit_code: int
    message: str
    ended: Terminated
    status: PodStatus


# So long an ended run waits for who stands by.
_TICK_S = 0.05


class KubernetesEmulator:
    """The embedded `kubernetes` target. `identity` is where pods get their AWS identity; None for a cluster off AWS."""

    name: TargetName = "kubernetes"

    def __init__(  # noqa: PLR0913, PLR0917 - what an emulator stands on
        self,
        containers: Containers,
        network: Network,
        s3: S3Client,
        platform_environment: Mapping[str, str],
        cluster: Cluster | None = None,
        identity: ContainerCredentials | None = None,
    ) -> None:
        self._s3 = s3
        cluster = cluster or Cluster()
        if identity:
            identity.set_token_review(lambda token: cluster.pod_of(token, POD_AUDIENCE))
        dns = ClusterDns(network.gateway, cluster.domain)
        self._node = Node(containers, network, cluster, dict(platform_environment), dns, identity)

    def run(
        self,
        compiled: Compiled,
        *,
        workspace: Path,
        stop: StopRequest | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Run:
        """Carries the manifests out; see Target.run. Of a Job with several pods, the one that decided it is told."""
        started = time.monotonic()
        *others, manifest = compiled.documents
        watch = Watch(stop, on_line)
        if manifest["kind"] == "Job":
            job = self._run_job(others, manifest, workspace, watch)
            record = _deciding(job)
            end, prepared, streams = _pod_end(record.status), record.prepared, _streams(job, record, workspace)
            is_timed_out = any(one.reason == "DeadlineExceeded" for one in job.conditions)
            is_complete = job.is_complete
        else:
            end, prepared = self.run_pod(others, manifest, workspace, stop=stop, on_line=on_line, watch=watch)
            streams, is_complete = (workspace / "stdout", workspace / "stderr"), end.status.phase == "Succeeded"
            is_timed_out = end.status.reason == "DeadlineExceeded"
        watch.timed_out = is_timed_out
        finished = time.monotonic()
        artifacts = s3_objects.collect(self._s3, compiled.outputs, workspace / "artifacts")
        observation = read_observation(artifacts)
        startup = None if observation is None else observation["observed_at"] - end.ended.started_at
        ran = end.ended.finished_at - end.ended.started_at
        return Run(
            target=self.name,
            job_name=str(manifest["metadata"]["name"]),
            status=_status(watch, is_complete=is_complete),
            exit_code=end.exit_code,
            reason=("DeadlineExceeded" if is_timed_out else end.message) if end.exit_code or is_timed_out else "",
            stdout=streams[0],
            stderr=streams[1],
            artifacts=artifacts,
            observation=observation,
            timings=Timings((prepared or started) - started, startup, ran - (startup or 0.0), time.monotonic() - finished),
        )

    def run_pod(  # noqa: PLR0913 - what a pod is run with
        self,
        others: Sequence[Mapping[str, Any]],
        manifest: Mapping[str, Any],
        workspace: Path,
        *,
        stop: StopRequest | None = None,
        on_line: Callable[[str], None] | None = None,
        watch: Watch | None = None,
    ) -> tuple[PodEnd, float]:
        """Runs one pod to its end. Also gives the monotonic time at which its first container was ready to start.

        Raises ConfigError for what leaves a pod in CreateContainerConfigError or ContainerCreating.
        """
        watch = watch or Watch(stop, on_line)
        run = self.pod(others, manifest, workspace, on_line=watch.on_line)
        with _ended_when_asked(watch, run):
            status = run.run()
        return _pod_end(status), run.prepared or time.monotonic()

    def pod(
        self,
        others: Sequence[Mapping[str, Any]],
        manifest: Mapping[str, Any],
        workspace: Path,
        on_line: Callable[[str], None] | None = None,
    ) -> PodRun:
        """A pod that is ready to be run, for a caller that changes or deletes it meanwhile."""
        self._check(others, manifest)
        pod = Pod(manifest["metadata"], manifest["spec"], self._node.network.allocate_ip())
        return PodRun(pod, of_manifests(list(others)), self._node, workspace, on_line)

    def job(
        self,
        others: Sequence[Mapping[str, Any]],
        manifest: Mapping[str, Any],
        workspace: Path,
        on_line: Callable[[str], None] | None = None,
    ) -> JobRun:
        """A Job that is ready to be run."""
        self._check(others, manifest)
        return JobRun(manifest, of_manifests(list(others)), self._node, workspace, on_line)

    def _run_job(
        self, others: Sequence[Mapping[str, Any]], manifest: Mapping[str, Any], workspace: Path, watch: Watch
    ) -> JobStatus:
        run = self.job(others, manifest, workspace, on_line=watch.on_line)
        with _ended_when_asked(watch, run):
            return run.run()

    @staticmethod
    def _check(others: Sequence[Mapping[str, Any]], manifest: Mapping[str, Any]) -> None:
        """What is refused before anything is made."""
        fields.refuse_unknown(manifest)
        check_size(manifest)
        check_objects(list(others))


@contextlib.contextmanager
def _ended_when_asked(watch: Watch, run: PodRun | JobRun) -> Iterator[None]:
    """Deletes the pod or Job as soon as a stop is asked for, by a line of its own or by a user; an interruption disrupts it."""
    is_over = threading.Event()

    def stand_by() -> None:
        while not is_over.is_set() and not watch.stopped:
            if not watch.wait_for_stop(_TICK_S):
                continue
            watch.take_request()
            if watch.stopped:
                run.delete()
            else:
                run.disrupt()

    thread = threading.Thread(target=stand_by, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _deciding(job: JobStatus) -> PodRecord:
    """The pod that decided a Job: the last one that failed, or of a complete Job the first host's."""
    if not job.pods:
        raise InvalidInputError("the Job made no pod", hint="Say how many completions it needs.")
    failed = [one for one in job.pods if one.status.phase != "Succeeded"]
    if failed and not job.is_complete:
        return failed[-1]
    succeeded = [one for one in job.pods if one.status.phase == "Succeeded"]
    return min(succeeded or job.pods, key=lambda one: one.index or 0)


def _streams(job: JobStatus, record: PodRecord, workspace: Path) -> tuple[Path, Path]:
    """The log of what a pod did: that of the pods whose place it took after a disruption comes first."""
    before = [one.workspace for one in job.pods if one.status.is_disrupted and one.index == record.index]
    names = ("stdout", "stderr")
    if not before or record.status.is_disrupted:
        return record.workspace / names[0], record.workspace / names[1]
    together = workspace / "log"
    together.mkdir(parents=True)
    for name in names:
        (together / name).write_bytes(b"".join((place / name).read_bytes() for place in (*before, record.workspace)))
    return together / names[0], together / names[1]


def _pod_end(status: PodStatus) -> PodEnd:
    """The first failed container's end, an init container's before all others; else the first container's."""
    ends = [one.terminated for one in (*status.init_containers, *status.containers) if one.terminated]
    mains = [one.terminated for one in status.containers if one.terminated]
    if status.phase == "Succeeded" or not ends:
        decided = mains[0] if mains else Terminated(1, status.reason or "Pending")
    else:
        decided = next((end for end in (mains or ends) if end.exit_code), (mains or ends)[0])
    return PodEnd(decided.reason, decided.exit_code, decided.message, decided, status)


def _status(watch: Watch, *, is_complete: bool) -> Status:
    if watch.stopped:
        return Status.STOPPED
    return Status.COMPLETED if is_complete else Status.FAILED
