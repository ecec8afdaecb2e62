"""Kubernetes itself, through lightkube: any cluster that a kubeconfig names (EKS, kind, k3d, …).

A Job is the only record of a run: where its outputs go stands in an annotation, so that any client can collect them.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import time
from typing import TYPE_CHECKING, Any, TypeVar

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.errors import InvalidInputError, LyftlearnError, UnavailableError
from lyftlearn_image.run import Run, State, Status, Timings
from lyftlearn_image.runs.observation import read_observation
from lyftlearn_image.services.kubernetes.api_errors import translated
from lyftlearn_image.services.kubernetes.job_state import deployment_state, state_of
from lyftlearn_image.services.kubernetes.retry import patiently
from lyftlearn_image.services.kubernetes.watch import watch_until
from lyftlearn_image.services.service import Clock, poll, run_to_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from lightkube import Client
    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.platforms.launch import Compiled, TargetName
    from lyftlearn_image.run import StopRequest

_T = TypeVar("_T")
OUTPUTS = "lyftlearn.dev/outputs"
_JOB, _DEPLOYMENT = "job", "deployment"
_CONFLICT = 409
_NOT_FOUND = 404
_ASK_S = 1.0
_UNKNOWN_EXIT = 1


def connect(context: str | None) -> Client:
    """A client of a kubeconfig's context; of the current one when none is named."""
    try:
        import lightkube  # noqa: PLC0415 - an extra
    except ImportError:
        raise InvalidInputError(
            "lightkube is not installed", hint="Install the extra: pip install 'lyftlearn-image[kubernetes]'"
        ) from None
    with translated(f"reading the context {context or '(current)'}"):
        config = lightkube.KubeConfig.from_env()
        if context is not None and context not in config.contexts:
            known = ", ".join(sorted(config.contexts)) or "none"
            raise InvalidInputError(f"the kubeconfig has no context {context}", hint=f"It has: {known}.")
        found = config.get(context_name=context)
    if found is None or found.user is None:
        raise InvalidInputError(
            f"the context {context or '(current)'} names no user",
            hint="Complete the kubeconfig, as `aws eks update-kubeconfig` does.",
        )
    return lightkube.Client(config=found)


class KubernetesService:
    """The `kubernetes` target where it is a real cluster."""

    name: TargetName = "kubernetes"

    def __init__(self, client: Client, s3: S3Client, clock: Clock | None = None) -> None:
        _know_the_types()
        self._client = client
        self._s3 = s3
        self._clock = clock or Clock()

    def submit(self, compiled: Compiled) -> str:
        """Creates what is not there yet: the same manifests again give the same Job.

        Of one that is refused, nothing is left.
        """
        *others, main = compiled.documents
        annotated = copy.deepcopy(dict(main))
        annotated["metadata"].setdefault("annotations", {})[OUTPUTS] = json.dumps(dict(compiled.outputs), sort_keys=True)
        kind, name = main["kind"].lower(), main["metadata"]["name"]
        if kind == _JOB and self._found(name) is not None:
            self._adopt(others, name)
            return f"{kind}/{name}"
        with contextlib.ExitStack() as in_vain:
            in_vain.callback(objects.remove, self._s3, compiled.objects)
            objects.put(self._s3, compiled.objects)
            for document in (*others, annotated):
                if self._create(document):
                    in_vain.callback(self._remove, document)
            in_vain.pop_all()
        if kind == _JOB:
            self._adopt(others, name)
        return f"{kind}/{name}"

    def state(self, job: str) -> State:
        """What the Job and its pods say."""
        if job.startswith(f"{_DEPLOYMENT}/"):
            return deployment_state(self._deployment(job))
        name = _name(job)
        return state_of(self._job(name), self._pods(name))

    def wait(self, job: str, on_state: Callable[[State], None]) -> State:
        """Watches until the end; a server that goes away is waited for."""
        if job.startswith(f"{_DEPLOYMENT}/"):
            return poll(lambda: self.state(job), on_state, self._clock)
        name = _name(job)
        return watch_until(self._client, name, lambda: self.state(job), on_state, self._clock)

    def logs(self, job: str, *, follow: bool) -> Iterator[str]:
        """The lines of the Job's pods, one pod after the other; a stream that breaks off goes on where it did."""
        name, told = _name(job), dict[str, int]()
        while True:
            is_over = self.state(job).status is not None
            for pod in sorted(one.metadata.name for one in self._pods(name)):
                yield from self._new_lines(pod, told, follow=follow)
            if is_over or not follow:
                return
            self._clock.sleep(_ASK_S)

    def stop(self, job: str) -> None:
        """Suspends the Job, whose pods get SIGTERM and their grace; it stays to be asked. A Deployment is scaled to 0."""
        from lightkube.resources.apps_v1 import Deployment  # noqa: PLC0415 - an extra
        from lightkube.resources.batch_v1 import Job  # noqa: PLC0415 - as above
        from lightkube.types import PatchType  # noqa: PLC0415 - as above

        if job.startswith(f"{_DEPLOYMENT}/"):
            with translated(f"stopping {job}"):
                patch = {"spec": {"replicas": 0}}
                called = job.partition("/")[2]
                self._patiently(lambda: self._client.patch(Deployment, called, patch, patch_type=PatchType.MERGE))
        elif self.state(job).status is None:
            with translated(f"stopping {job}"):
                called, patch = _name(job), {"spec": {"suspend": True}}
                self._patiently(lambda: self._client.patch(Job, called, patch, patch_type=PatchType.MERGE))

    def collect(self, job: str, workspace: Path) -> Run:
        """Artifacts from S3 and the log, in which a container's two streams are one."""
        name, started = _name(job), time.monotonic()
        found = self._job(name)
        state = state_of(found, self._pods(name))
        if state.status is None:
            raise InvalidInputError(f"{job} has not ended: {state.phase}", hint=f"Wait for it: lyftlearn-image wait {job}")
        (workspace / "stderr").write_bytes(b"")
        with (workspace / "stdout").open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in self.logs(job, follow=False))
        outputs = json.loads((found.metadata.annotations or {}).get(OUTPUTS, "{}"))
        artifacts = objects.collect(self._s3, outputs, workspace / "artifacts")
        code = state.exit_code
        return Run(
            target=self.name,
            job_name=name,
            status=state.status,
            exit_code=(0 if state.status is Status.COMPLETED else _UNKNOWN_EXIT) if code is None else code,
            reason=state.reason,
            stdout=workspace / "stdout",
            stderr=workspace / "stderr",
            artifacts=artifacts,
            observation=read_observation(artifacts),
            timings=_timings(found, time.monotonic() - started),
        )

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

    def _create(self, document: Mapping[str, Any]) -> bool:
        """Whether it was not there yet."""
        from lightkube import codecs  # noqa: PLC0415 - an extra
        from lightkube.core.exceptions import ApiError  # noqa: PLC0415 - as above

        what = f"{document['kind']} {document['metadata']['name']}"
        with translated(f"creating {what}"):
            try:
                self._patiently(lambda: self._client.create(codecs.from_dict(dict(document))))
            except ApiError as error:
                if error.status.code != _CONFLICT:
                    raise
                return False
        return True

    def _remove(self, document: Mapping[str, Any]) -> None:
        """What can be removed; the error that it is removed for is the one to tell."""
        from lightkube import codecs  # noqa: PLC0415 - an extra

        with contextlib.suppress(Exception):
            made = codecs.from_dict(dict(document))
            self._client.delete(type(made), document["metadata"]["name"])

    def _patiently(self, ask: Callable[[], _T]) -> _T:
        return patiently(ask, self._clock)

    def _adopt(self, documents: list[Mapping[str, Any]], name: str) -> None:
        """Makes the Job the owner of what was made for it, so that it goes when the Job goes."""
        from lightkube.resources.core_v1 import ConfigMap  # noqa: PLC0415 - an extra
        from lightkube.types import PatchType  # noqa: PLC0415 - as above

        job = self._job(name)
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job.metadata.uid}
        for document in documents:
            if document["kind"] != "ConfigMap":
                continue
            with translated(f"owning ConfigMap {document['metadata']['name']}"):
                called, patch = document["metadata"]["name"], {"metadata": {"ownerReferences": [owner]}}
                self._patiently(functools.partial(self._client.patch, ConfigMap, called, patch, patch_type=PatchType.MERGE))

    def _job(self, name: str) -> Any:
        found = self._found(name)
        if found is None:
            hint = "Check its name, the context and its namespace; a Job with a TTL is removed after its end."
            raise InvalidInputError(f"there is no Job {name}", hint=hint)
        return found

    def _found(self, name: str) -> Any:
        """The Job, or None."""
        from lightkube.core.exceptions import ApiError  # noqa: PLC0415 - an extra
        from lightkube.resources.batch_v1 import Job  # noqa: PLC0415 - as above

        with translated(f"asking for {name}"):
            try:
                return self._patiently(lambda: self._client.get(Job, name))
            except ApiError as error:
                if error.status.code != _NOT_FOUND:
                    raise
                return None

    def _deployment(self, job: str) -> Any:
        from lightkube.resources.apps_v1 import Deployment  # noqa: PLC0415 - an extra

        name = job.partition("/")[2]
        with translated(f"asking for {name}"):
            return self._patiently(lambda: self._client.get(Deployment, name))

    def _pods(self, name: str) -> list[Any]:
        from lightkube.resources.core_v1 import Pod  # noqa: PLC0415 - an extra

        with translated(f"asking for the pods of {name}"):
            return self._patiently(lambda: list(self._client.list(Pod, labels={"job-name": name})))

    def _new_lines(self, pod: str, told: dict[str, int], *, follow: bool) -> Iterator[str]:
        """What a pod has said beyond the lines that were told already. A pod that has not started says nothing."""
        seen = told.get(pod, 0)
        try:
            with translated(f"reading the log of {pod}"):
                for number, line in enumerate(self._client.log(pod, follow=follow, newlines=False)):
                    if number >= seen:
                        told[pod] = number + 1
                        yield line
        except UnavailableError:
            return  # the caller comes again, as long as the job runs
        except LyftlearnError as error:
            if "waiting to start" not in error.what and "not found" not in error.what:
                raise


@functools.cache
def _know_the_types() -> None:
    """Reads an object of every type that is sent or got, in the thread that connects.

    msgspec, on which lightkube's models stand, learns a type at its first use, and two threads that do so at once end the
    interpreter (seen with msgspec 0.22).
    """
    import msgspec  # noqa: PLC0415 - comes with lightkube, which is an extra
    from lightkube.models import meta_v1  # noqa: PLC0415 - as above
    from lightkube.resources import apps_v1, batch_v1, core_v1  # noqa: PLC0415 - as above

    kinds = (
        apps_v1.Deployment, batch_v1.Job, core_v1.ConfigMap, core_v1.PersistentVolumeClaim, core_v1.Pod, core_v1.Secret,
        core_v1.Service, core_v1.ServiceAccount,
    )  # fmt: skip
    for kind in (*kinds, meta_v1.Status):
        # What is missing in the object is told after the type was learnt.
        with contextlib.suppress(msgspec.ValidationError):
            kind.from_dict({})


def _name(job: str) -> str:
    kind, slash, name = job.partition("/")
    if kind != _JOB or not slash or not name:
        raise InvalidInputError(f"{job!r} is no job", hint=f"Expected {_JOB}/<name>, or {_DEPLOYMENT}/<name> where it serves.")
    return name


def _timings(job: Any, collect_s: float) -> Timings:
    status, created = job.status, job.metadata.creationTimestamp
    started = status.startTime or created
    ended = status.completionTime or max((one.lastTransitionTime for one in status.conditions or []), default=started)
    prepare = (started - created).total_seconds() if started and created else 0.0
    return Timings(prepare, None, (ended - started).total_seconds() if started and ended else 0.0, collect_s)
