"""Kubernetes itself, through lightkube: any cluster that a kubeconfig names (EKS, kind, k3d, …).

A Job or Deployment is the only record of a run: where its outputs go stands in an annotation, so that any client can collect
them, stop it, and delete it with all that belongs to it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.batch_v1 import Job

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.retry import Clock
from lyftlearn_image.services.collect import EndedJob, collect_run
from lyftlearn_image.services.kubernetes.annotations import read_objects, read_outputs
from lyftlearn_image.services.kubernetes.api import ClusterApi
from lyftlearn_image.services.kubernetes.ended_log import EndedLog
from lyftlearn_image.services.kubernetes.job_id import DEPLOYMENT, JobId, parse_job_id
from lyftlearn_image.services.kubernetes.job_logs import JobLogs
from lyftlearn_image.services.kubernetes.job_state import job_state, job_times
from lyftlearn_image.services.kubernetes.log_source import LogSource
from lyftlearn_image.services.kubernetes.lookout import Lookout, read_state
from lyftlearn_image.services.kubernetes.reaching import service_address
from lyftlearn_image.services.kubernetes.replica_logs import ReplicaLogs
from lyftlearn_image.services.kubernetes.run_record import read_records
from lyftlearn_image.services.kubernetes.stopping import stop_job
from lyftlearn_image.services.kubernetes.submission import submit_objects, wait_until_gone
from lyftlearn_image.services.kubernetes.watch import watch_until_ended
from lyftlearn_image.services.service import Followed, poll_until_ended, run_to_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lightkube import Client
    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.platforms.launch import Compiled, TargetName
    from lyftlearn_image.run import Run, State, StopRequest
    from lyftlearn_image.services.service import Address


class KubernetesService:
    """The `kubernetes` target where it is a real cluster. `context` is the kubeconfig's, where one was named."""

    name: TargetName = "kubernetes"

    def __init__(self, client: Client, s3: S3Client, clock: Clock | None = None, context: str | None = None) -> None:
        self._clock = clock or Clock()
        self._api = ClusterApi(client, self._clock)
        self._context = context
        self._source = LogSource(client)
        # Of jobs that were followed to be collected.
        self._kept: dict[str, JobLogs] = {}
        self.s3 = s3

    def submit(self, compiled: Compiled) -> str:
        """Creates what is not there yet, in the namespace that the manifests name, else in the context's."""
        api = self._api.at(compiled.documents[-1]["metadata"].get("namespace"))
        return str(submit_objects(api, self.s3, compiled, self._clock))

    def state(self, job: str) -> State:
        """What the Job or Deployment, its pods and their events say."""
        return read_state(*self._find(job))[2]

    def wait(self, job: str, on_state: Callable[[State], None]) -> State:
        """Watches until the end; a server that goes away is waited for. A Deployment's end is that it serves, or cannot."""
        api, found = self._find(job)
        lookout = Lookout(api, found, self._clock)
        if found.kind == DEPLOYMENT:
            return poll_until_ended(lookout.look, on_state, self._clock)
        return watch_until_ended(api, found, lookout.look, on_state, self._clock)

    def logs(
        self,
        job: str,
        *,
        follow: bool,
        on_state: Callable[[State], None] | None = None,
        on_cut: Callable[[str], None] | None = None,
        keep: bool = False,
    ) -> Iterator[str]:
        """The lines of the Job's pods, one pod after the other, each line once; with `follow` until the Job's end.

        Of a Deployment those of all replicas, each with its pod; followed until it is stopped or deleted.
        """
        api, found = self._find(job)
        if found.kind == DEPLOYMENT:
            yield from ReplicaLogs(api, self._source, self._clock, found.name).lines(follow=follow)
            return
        lookout = Lookout(api, found, self._clock)

        def look() -> tuple[State, list[Any]]:
            state, pods = lookout.look_at_pods()
            if on_state:
                on_state(state)
            return state, pods

        logs = JobLogs(self._source, self._clock, keep=keep)
        if keep:
            self._forget(str(found))
            self._kept[str(found)] = logs
        yield from logs.lines(look, follow=follow)
        cut = [f"log of pod {log.name}: {log.cut}" for log in logs.all() if log.cut]
        if not logs.all():
            document, _, state = read_state(api, found)
            ended = EndedLog(logs, read_records(self.s3, document) if state.status is not None else {})
            yield from ended.lines(document, state, [])
            cut += ended.cut
        if on_cut:
            for text in cut:
                on_cut(text)

    def stop(self, job: str) -> None:
        """Ends the Job as its deadline would, and leaves what it has done to be read. A Deployment is scaled to 0."""
        api, found = self._find(job)
        if found.kind == DEPLOYMENT:
            api.patch(Deployment, found.name, {"spec": {"replicas": 0}}, f"stopping Deployment {found.name}")
        else:
            stop_job(api, found.name, self._clock)

    def delete(self, job: str) -> None:
        """Deletes the Job or Deployment and waits until it is gone, with its pods and all that was made for it."""
        api, found = self._find(job)
        kind: type[Any] = Deployment if found.kind == DEPLOYMENT else Job
        made_for_it = read_objects(api.get(kind, found.name))
        api.delete(kind, found.name)
        objects.delete_objects(self.s3, made_for_it)
        wait_until_gone(api, kind, found.name, self._clock)

    def address(self, job: str) -> Address | None:
        """Where a Deployment is reached; None for a Job."""
        api, found = self._find(job)
        if found.kind != DEPLOYMENT:
            return None
        return service_address(found, api.get(Deployment, found.name), self._context)

    def collect(self, job: str, workspace: Path) -> Run:
        """Artifacts from S3 and the log, in which a container's two streams are one."""
        api, found = self._find(job)
        if found.kind == DEPLOYMENT:
            return self._collect_server(api, found, workspace)
        document = api.get_job(found.name)
        created, started, ended = job_times(document)
        pods = api.list_pods(found.name)
        state = job_state(document, pods)
        logs = self._kept.get(str(found)) or JobLogs(self._source, self._clock, keep=True)
        log = EndedLog(logs, read_records(self.s3, document) if state.status is not None else {})
        if state.status is not None and state.exit_code is None:
            state = dataclasses.replace(state, exit_code=log.exit_code())
        ended_job = EndedJob(
            job=str(found),
            state=state,
            log=log.lines(document, state, pods),
            outputs=read_outputs(document),
            created=created,
            started=started,
            ended=ended,
            cut=log.cut,
        )
        try:
            return collect_run(self, ended_job, workspace)
        finally:
            logs.close()
            self._kept.pop(str(found), None)

    def run(
        self,
        compiled: Compiled,
        *,
        workspace: Path,
        stop: StopRequest | None = None,
        on_line: Callable[[str], None] | None = None,
        on_phase: Callable[[str], None] | None = None,
    ) -> Run:
        """All of it; see Target.run."""
        return run_to_end(self, compiled, workspace, Followed(stop, on_line, on_phase))

    def close(self) -> None:
        """Closes the connections, and forgets the logs that were kept."""
        for job in list(self._kept):
            self._forget(job)
        self._source.close()
        self._api.close()

    def _find(self, job: str) -> tuple[ClusterApi, JobId]:
        """The parts of an id, and the API of its namespace."""
        found = parse_job_id(job, self._api.namespace)
        return self._api.at(found.namespace), found

    def _collect_server(self, api: ClusterApi, found: JobId, workspace: Path) -> Run:
        """The logs of the replicas that there are; a server has no artifacts."""
        document, _, state = read_state(api, found)
        lines = ReplicaLogs(api, self._source, self._clock, found.name).lines(follow=False)
        created = document.metadata.creationTimestamp
        return collect_run(self, EndedJob(str(found), state, lines, {}, created, created, created), workspace)

    def _forget(self, job: str) -> None:
        if job in self._kept:
            self._kept.pop(job).close()
