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
from httpx2.websockets import HTTPXWSException, WebSocketUpgradeError
from lightkube import codecs
from lightkube.core.exceptions import ApiError, ConfigError
from lightkube.generic_resource import GenericNamespacedResource, create_namespaced_resource
from lightkube.models import meta_v1
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import ConfigMap, Event, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount
from lightkube.resources.networking_v1 import Ingress
from lightkube.resources.policy_v1 import PodDisruptionBudget
from lightkube.types import CascadeType, PatchType

from lyftlearn_image.errors import InvalidInputError, LyftlearnError
from lyftlearn_image.nearest import did_you_mean
from lyftlearn_image.platforms.kubernetes.metadata import MANAGED_BY
from lyftlearn_image.retry import Backoff, retry
from lyftlearn_image.services.kubernetes.api_errors import api_error, is_transient, translate_errors, unavailable_error
from lyftlearn_image.services.kubernetes.job_id import DEPLOYMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from lightkube import Client

    from lyftlearn_image.retry import Clock

_T = TypeVar("_T")
# Of the Gateway API, which clusters have as custom resources; the others are the client's own.
create_namespaced_resource("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")
_UNAUTHORIZED, _NOT_FOUND, _CONFLICT, _GONE = 401, 404, 409, 410
_BUSY_SERVER = Backoff(first_s=0.5, longest_s=8.0, max_retries=6)
# The server closes a watch after so long, and it is opened again from where it was.
_WATCH_S = 300
# A command that only sends a signal.
_EXEC_S = 30.0


def resource_kind(document: Mapping[str, Any]) -> type[Any]:
    """The client's class for objects of a document's kind."""
    return type(codecs.from_dict(dict(document)))


class ClusterApi:
    """One namespace of a cluster; the client's own where none is named."""

    def __init__(self, client: Client, clock: Clock, namespace: str | None = None) -> None:
        _load_models()
        self._client = client
        self._clock = clock
        self.namespace: str = namespace or client.namespace

    def at(self, namespace: str | None) -> ClusterApi:
        """The same cluster's other namespace."""
        return ClusterApi(self._client, self._clock, namespace)

    def create(self, document: Mapping[str, Any]) -> bool:
        """Creates an object; False where it was there already."""
        with translate_errors(f"creating {document['kind']} {document['metadata']['name']}"):
            try:
                made: Any = codecs.from_dict(dict(document))
                self._retry(lambda: self._client.create(made, namespace=self.namespace))
            except ApiError as error:
                if error.status.code != _CONFLICT:
                    raise
                return False
        return True

    def discard(self, document: Mapping[str, Any]) -> None:
        """Deletes an object if it can, and raises nothing: for clearing up after an error, which is the one to show."""
        with contextlib.suppress(Exception):
            kind = resource_kind(document)
            # A Job's pods would stay otherwise (kubernetes/kubernetes pkg/registry/batch/job, DefaultGarbageCollectionPolicy).
            self._client.delete(kind, document["metadata"]["name"], namespace=self.namespace, cascade=CascadeType.BACKGROUND)

    def find(self, kind: type[Any], name: str) -> Any:
        """An object, None where there is none."""
        with translate_errors(f"asking for {name}"):
            try:
                return self._retry(lambda: self._client.get(kind, name, namespace=self.namespace))
            except ApiError as error:
                if error.status.code != _NOT_FOUND:
                    raise
                return None

    def get(self, kind: type[Any], name: str) -> Any:
        """An object. Raises InvalidInputError where there is none."""
        found = self.find(kind, name)
        if found is None:
            near = ""
            with contextlib.suppress(LyftlearnError):  # whoever may not list has no hint
                near = did_you_mean(name, self.list_names(kind.__name__.lower()))
            hint = f"{near}Check its name, its namespace and the context; a Job with a TTL is removed after its end."
            raise InvalidInputError(f"there is no {kind.__name__} {name} in the namespace {self.namespace}", hint=hint)
        return found

    def list_names(self, kind: str) -> list[str]:
        """The names of the Jobs, or Deployments, that the toolkit has made in this namespace, by the kind of their ids."""
        resource: type[Any] = Deployment if kind == DEPLOYMENT else Job
        with translate_errors(f"listing each {kind}"):
            found = self._client.list(resource, namespace=self.namespace, labels=dict(MANAGED_BY))
            return [str(one.metadata.name) for one in found]

    def get_job(self, name: str) -> Any:
        """A Job. Raises InvalidInputError where there is none."""
        return self.get(Job, name)

    def delete(self, kind: type[Any], name: str) -> None:
        """Deletes an object, which goes when all that it owns is gone; one that is not there is left at that."""
        with translate_errors(f"deleting {kind.__name__} {name}"):
            try:
                self._retry(lambda: self._client.delete(kind, name, namespace=self.namespace, cascade=CascadeType.FOREGROUND))
            except ApiError as error:
                if error.status.code != _NOT_FOUND:
                    raise

    def list_pods(self, job_name: str) -> list[Any]:
        """The pods of a Job; lightkube walks the pages."""
        return self.select_pods({"job-name": job_name})

    def select_pods(self, labels: Mapping[str, str]) -> list[Any]:
        """The pods with these labels."""
        shown = ",".join(f"{name}={value}" for name, value in labels.items())
        with translate_errors(f"asking for the pods with {shown}"):
            return self._retry(lambda: list(self._client.list(Pod, namespace=self.namespace, labels=dict(labels))))

    def list_events(self, kind: str, name: str) -> list[Any]:
        """What the cluster's parts have told of an object, in the last hour as a rule (--event-ttl of kube-apiserver)."""
        fields: dict[str, Any] = {"involvedObject.kind": kind, "involvedObject.name": name}
        with translate_errors(f"asking for the events of {name}"):
            return self._retry(lambda: list(self._client.list(Event, namespace=self.namespace, fields=fields)))

    def patch(self, kind: type[Any], name: str, patch: Mapping[str, Any], doing: str) -> None:
        """Changes some fields of an object (RFC 7386). `doing` is for error messages."""
        with translate_errors(doing):
            self._patch(kind, name, patch, PatchType.MERGE)

    def add_owner(self, document: Mapping[str, Any], owner: Mapping[str, Any]) -> bool:
        """Gives an object one more owner: it goes when all of them are gone. False where there is no such object."""
        kind, name = resource_kind(document), document["metadata"]["name"]
        with translate_errors(f"owning {document['kind']} {name}"):
            try:
                # Strategic: owners are merged by their uid. Of a custom resource the server knows no strategy, and one owner.
                how = PatchType.MERGE if issubclass(kind, GenericNamespacedResource) else PatchType.STRATEGIC
                self._patch(kind, name, {"metadata": {"ownerReferences": [dict(owner)]}}, how)
            except ApiError as error:
                if error.status.code != _NOT_FOUND:
                    raise
                return False
        return True

    def execute(self, pod: str, container: str, command: Sequence[str]) -> bool:
        """Whether a command was heard in a container; False where that is not allowed, or it cannot be executed there.

        A connection that breaks off while the command runs leaves it open: it was heard, then.
        """

        def execute_once() -> bool:
            try:
                done = self._client.exec(
                    pod, namespace=self.namespace, container=container, command=command, stderr=True, timeout=_EXEC_S
                )
            except WebSocketUpgradeError as error:
                raise ApiError(status=meta_v1.Status(code=error.response.status_code)) from None
            except ApiError:  # of the command, not of the request
                return False
            except (HTTPXWSException, httpx2.ReadTimeout):
                return True
            return bool(done.exit_code == 0)

        try:
            return self._retry(execute_once)
        except (ApiError, ConfigError, httpx2.HTTPError):
            return False

    def job_version(self, name: str) -> str:
        """The resourceVersion from which a watch of a Job is to begin."""
        with translate_errors(f"asking for {name}"):
            jobs = self._client.list(Job, namespace=self.namespace, fields={"metadata.name": name})
            list(jobs)
            return str(jobs.resourceVersion)

    def job_events(self, name: str, version: str) -> Generator[Any, None, None]:
        """Changes of a Job; they end where the server closes the watch, or has forgotten the version: list anew then."""
        try:
            yield from self._client.watch(
                Job,
                namespace=self.namespace,
                fields={"metadata.name": name},
                resource_version=version,
                server_timeout=_WATCH_S,
            )
        except ApiError as error:
            if error.status.code != _GONE:
                raise api_error(error, f"watching {name}") from None
        except httpx2.HTTPError as error:
            raise unavailable_error(error, f"watching {name}") from None

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _patch(self, kind: type[Any], name: str, patch: Mapping[str, Any], how: PatchType) -> None:
        self._retry(lambda: self._client.patch(kind, name, dict(patch), namespace=self.namespace, patch_type=how))

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
    kinds = (
        Deployment, Job, Event, ConfigMap, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount, PodDisruptionBudget,
        HorizontalPodAutoscaler, Ingress, meta_v1.Status,
    )  # fmt: skip
    for kind in kinds:
        # What is missing in the object is found out after the type was learnt.
        with contextlib.suppress(msgspec.ValidationError):
            kind.from_dict({})
