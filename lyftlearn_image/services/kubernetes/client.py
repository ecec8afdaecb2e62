"""Kubernetes itself, through lightkube: any cluster that a kubeconfig names (EKS, kind, k3d, …).

A Job is the only record of a run: where its outputs go stands in an annotation, so that any client can collect them.
"""

from __future__ import annotations

import contextlib
import copy
import json
from collections import deque
from typing import TYPE_CHECKING, Any

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.retry import Clock
from lyftlearn_image.run import Status
from lyftlearn_image.services.collect import EndedJob, collect_run
from lyftlearn_image.services.kubernetes.api import ClusterApi
from lyftlearn_image.services.kubernetes.job_logs import JobLogs
from lyftlearn_image.services.kubernetes.job_state import deciding_pods, deployment_state, job_state, job_times
from lyftlearn_image.services.kubernetes.log_source import LogSource
from lyftlearn_image.services.kubernetes.watch import watch_until_ended
from lyftlearn_image.services.service import poll_until_ended, run_to_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from lightkube import Client
    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.platforms.launch import Compiled, TargetName
    from lyftlearn_image.run import Run, State, StopRequest

OUTPUTS = "lyftlearn.dev/outputs"
_JOB, _DEPLOYMENT = "job", "deployment"


class KubernetesService:
    """The `kubernetes` target where it is a real cluster."""

    name: TargetName = "kubernetes"

    def __init__(self, client: Client, s3: S3Client, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._api = ClusterApi(client, self._clock)
        self._source = LogSource(client)
        # Of jobs that were followed to be collected.
        self._kept: dict[str, JobLogs] = {}
        self.s3 = s3

    def submit(self, compiled: Compiled) -> str:
        """Creates what is not there yet: the same manifests again give the same Job.

        Of one that is refused, nothing is left.
        """
        *others, main = compiled.documents
        annotated = copy.deepcopy(dict(main))
        annotated["metadata"].setdefault("annotations", {})[OUTPUTS] = json.dumps(dict(compiled.outputs), sort_keys=True)
        kind, name = main["kind"].lower(), main["metadata"]["name"]
        if kind == _JOB and self._api.find_job(name) is not None:
            self._adopt(others, name)
            return f"{kind}/{name}"
        with contextlib.ExitStack() as undo:
            undo.callback(objects.delete_objects, self.s3, compiled.objects)
            objects.put_objects(self.s3, compiled.objects)
            for document in (*others, annotated):
                if self._api.create(document):
                    undo.callback(self._api.delete, document)
            undo.pop_all()
        if kind == _JOB:
            self._adopt(others, name)
        return f"{kind}/{name}"

    def state(self, job: str) -> State:
        """What the Job and its pods say."""
        if name := _deployment_name(job):
            return deployment_state(self._api.get_deployment(name))
        name = _job_name(job)
        return job_state(self._api.get_job(name), self._api.list_pods(name))

    def wait(self, job: str, on_state: Callable[[State], None]) -> State:
        """Watches until the end; a server that goes away is waited for."""
        if _deployment_name(job):
            return poll_until_ended(lambda: self.state(job), on_state, self._clock)
        return watch_until_ended(self._api, _job_name(job), lambda: self.state(job), on_state, self._clock)

    def logs(self, job: str, *, follow: bool, keep: bool = False) -> Iterator[str]:
        """The lines of the Job's pods, one pod after the other, each line once; with `follow` until the Job's end."""
        name = _job_name(job)
        logs = JobLogs(self._source, self._clock, keep=keep)
        if keep:
            self._forget(job)
            self._kept[job] = logs
        yield from logs.lines(lambda: self._look(name), follow=follow)

    def stop(self, job: str) -> None:
        """Suspends the Job; it stays to be asked. A Deployment is scaled to 0."""
        if name := _deployment_name(job):
            self._api.scale_to_zero(name)
        elif self.state(job).status is None:
            self._api.suspend_job(_job_name(job))

    def collect(self, job: str, workspace: Path) -> Run:
        """Artifacts from S3 and the log, in which a container's two streams are one."""
        name = _job_name(job)
        document = self._api.get_job(name)
        created, started, ended = job_times(document)
        pods = self._api.list_pods(name)
        state = job_state(document, pods)
        logs = self._kept.get(job) or JobLogs(self._source, self._clock, keep=True)
        if state.status is not None:
            deque(logs.lines(lambda: (state, pods), follow=False), maxlen=0)
        ended_job = EndedJob(
            job=job,
            state=state,
            log=_chosen_lines(logs, deciding_pods(document, pods) if state.status is Status.FAILED else []),
            cut=tuple(f"log of pod {log.name}: {log.cut}" for log in logs.all() if log.cut),
            outputs=json.loads((document.metadata.annotations or {}).get(OUTPUTS, "{}")),
            created=created,
            started=started,
            ended=ended,
        )
        try:
            return collect_run(self, ended_job, workspace)
        finally:
            logs.close()
            self._kept.pop(job, None)

    def run(
        self,
        compiled: Compiled,
        *,
        workspace: Path,
        stop: StopRequest | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Run:
        """All of it; see Target.run."""
        return run_to_end(self, compiled, workspace, stop, on_line)

    def close(self) -> None:
        """Closes the connections, and forgets the logs that were kept."""
        for job in list(self._kept):
            self._forget(job)
        self._source.close()
        self._api.close()

    def _adopt(self, documents: Sequence[Mapping[str, Any]], name: str) -> None:
        """Makes the Job the owner of the ConfigMaps that were made for it."""
        job = self._api.get_job(name)
        for document in documents:
            if document["kind"] == "ConfigMap":
                self._api.set_owner(document["metadata"]["name"], job)

    def _look(self, name: str) -> tuple[State, list[Any]]:
        """The state of a Job and its pods, which are not older."""
        job = self._api.get_job(name)
        pods = self._api.list_pods(name)
        return job_state(job, pods), pods

    def _forget(self, job: str) -> None:
        if job in self._kept:
            self._kept.pop(job).close()


def _chosen_lines(logs: JobLogs, deciding: Sequence[Any]) -> Iterator[str]:
    """The lines of the pods that decided a Job, of all where none did."""
    for log in [logs.of(pod) for pod in deciding] or logs.all():
        yield from log.kept()


def _deployment_name(job: str) -> str:
    """The name in a Deployment's id; empty in any other."""
    kind, _, name = job.partition("/")
    return name if kind == _DEPLOYMENT else ""


def _job_name(job: str) -> str:
    kind, slash, name = job.partition("/")
    if kind != _JOB or not slash or not name:
        raise InvalidInputError(f"{job!r} is no job", hint=f"Expected {_JOB}/<name>, or {_DEPLOYMENT}/<name> where it serves.")
    return name
