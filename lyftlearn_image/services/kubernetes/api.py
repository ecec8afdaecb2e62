"""The Kubernetes API as far as jobs need it: their objects in one namespace, their changes, their pods' logs.

Every request is repeated while the server is busy, and every error is ours. lightkube is an extra: this module is imported
where there is a client already.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any, TypeVar

import httpx2
import msgspec
from lightkube import codecs
from lightkube.core.exceptions import ApiError
from lightkube.models import meta_v1
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import ConfigMap, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount
from lightkube.types import PatchType

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.retry import Backoff, retry
from lyftlearn_image.services.kubernetes.api_errors import api_error, is_transient, translate_errors, unavailable_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lightkube import Client

    from lyftlearn_image.retry import Clock

_T = TypeVar("_T")
_UNAUTHORIZED, _NOT_FOUND, _CONFLICT, _GONE = 401, 404, 409, 410
_BUSY_SERVER = Backoff(first_s=0.5, longest_s=8.0, max_retries=6)
# The server closes a watch after so long, and it is opened again from where it was.
_WATCH_S = 300


class ClusterApi:
    """One namespace of a cluster."""

    def __init__(self, client: Client, clock: Clock) -> None:
        _load_models()
        self._client = client
        self._clock = clock

    def create(self, document: Mapping[str, Any]) -> bool:
        """Creates an object; False where it was there already."""
        with translate_errors(f"creating {document['kind']} {document['metadata']['name']}"):
            try:
                self._retry(lambda: self._client.create(codecs.from_dict(dict(document))))
            except ApiError as error:
                if error.status.code != _CONFLICT:
                    raise
                return False
        return True

    def delete(self, document: Mapping[str, Any]) -> None:
        """Deletes an object if it can, and raises nothing: for clearing up after an error, which is the one to show."""
        with contextlib.suppress(Exception):
            self._client.delete(type(codecs.from_dict(dict(document))), document["metadata"]["name"])

    def find_job(self, name: str) -> Any:
        """A Job, None where there is none."""
        with translate_errors(f"asking for {name}"):
            try:
                return self._retry(lambda: self._client.get(Job, name))
            except ApiError as error:
                if error.status.code != _NOT_FOUND:
                    raise
                return None

    def get_job(self, name: str) -> Any:
        """A Job. Raises InvalidInputError where there is none."""
        job = self.find_job(name)
        if job is None:
            hint = "Check its name, the context and its namespace; a Job with a TTL is removed after its end."
            raise InvalidInputError(f"there is no Job {name}", hint=hint)
        return job

    def get_deployment(self, name: str) -> Any:
        """A Deployment."""
        with translate_errors(f"asking for {name}"):
            return self._retry(lambda: self._client.get(Deployment, name))

    def list_pods(self, job_name: str) -> list[Any]:
        """The pods of a Job; lightkube walks the pages."""
        with translate_errors(f"asking for the pods of {job_name}"):
            return self._retry(lambda: list(self._client.list(Pod, labels={"job-name": job_name})))

    def suspend_job(self, name: str) -> None:
        """Suspends a Job, whose pods get SIGTERM and their grace."""
        with translate_errors(f"stopping job/{name}"):
            self._patch(Job, name, {"spec": {"suspend": True}})

    def scale_to_zero(self, name: str) -> None:
        """Takes every replica of a Deployment."""
        with translate_errors(f"stopping deployment/{name}"):
            self._patch(Deployment, name, {"spec": {"replicas": 0}})

    def set_owner(self, config_map: str, job: Any) -> None:
        """Makes a Job the owner of a ConfigMap, which goes when the Job goes."""
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job.metadata.name, "uid": job.metadata.uid}
        with translate_errors(f"owning ConfigMap {config_map}"):
            self._patch(ConfigMap, config_map, {"metadata": {"ownerReferences": [owner]}})

    def job_version(self, name: str) -> str:
        """The resourceVersion from which a watch of a Job is to begin."""
        with translate_errors(f"asking for {name}"):
            jobs = self._client.list(Job, fields={"metadata.name": name})
            list(jobs)
            return str(jobs.resourceVersion)

    def job_events(self, name: str, version: str) -> Iterator[Any]:
        """Changes of a Job; they end where the server closes the watch, or has forgotten the version: list anew then."""
        try:
            yield from self._client.watch(
                Job, fields={"metadata.name": name}, resource_version=version, server_timeout=_WATCH_S
            )
        except ApiError as error:
            if error.status.code != _GONE:
                raise api_error(error, f"watching {name}") from None
        except httpx2.HTTPError as error:
            raise unavailable_error(error, f"watching {name}") from None

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _patch(self, kind: type[Any], name: str, patch: Mapping[str, Any]) -> None:
        self._retry(lambda: self._client.patch(kind, name, dict(patch), patch_type=PatchType.MERGE))

    def _retry(self, call: Callable[[], _T]) -> _T:
        # A plugin is asked for a token once, and again when the server has refused the one that it gave (lightkube's ExecAuth).
        tokens = [_UNAUTHORIZED]

        def is_worth_repeating(error: Exception) -> bool:
            if isinstance(error, ApiError) and error.status.code in tokens:
                tokens.clear()
                return True
            return is_transient(error)

        return retry(call, is_worth_repeating, _BUSY_SERVER, self._clock)


@functools.cache
def _load_models() -> None:
    """Reads an object of every type that is sent or got, in the thread that connects.

    msgspec, on which lightkube's models stand, learns a type at its first use, and two threads that do so at once end the
    interpreter (seen with msgspec 0.22).
    """
    kinds = (Deployment, Job, ConfigMap, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount, meta_v1.Status)
    for kind in kinds:
        # What is missing in the object is found out after the type was learnt.
        with contextlib.suppress(msgspec.ValidationError):
            kind.from_dict({})
