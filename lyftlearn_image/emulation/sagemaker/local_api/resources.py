"""What the local API remembers of everything that has a name and is no job: models, endpoints, images, spaces, apps."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker.local_api.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lyftlearn_image.emulation.sagemaker.job_plan import Account

_END_S = 60.0


@dataclass(frozen=True)
class ResourceType:
    """`stem` is what the API's names have in common, `label` what its errors say; `arn_type` stands in ARNs.

    `is_dated` says that Describe has LastModifiedTime. The codes are those of the API's errors.
    """

    stem: str
    label: str
    arn_type: str
    is_dated: bool = True
    missing_code: str = "ValidationException"
    exists_code: str = "ValidationException"

    @property
    def name_field(self) -> str:
        """The field of requests that has the name."""
        return f"{self.stem}Name"

    @property
    def arn_field(self) -> str:
        """The field of answers that has the ARN."""
        return f"{self.stem}Arn"


@dataclass
class Resource:
    """Its request, and the answer to Describe. What runs containers has a thread, which ends when `stop` is set."""

    request: Mapping[str, Any]
    description: dict[str, Any]
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether its containers may still run."""
        return self.thread is not None and self.thread.is_alive()


class ResourceStore:
    """Resources by type and name, such as `<domain>/<space>`. Safe to use from several threads."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._resources: dict[tuple[str, str], Resource] = {}
        self._lock = threading.RLock()

    def create(self, kind: ResourceType, name: str, request: Mapping[str, Any], **description: Any) -> Resource:
        """A new resource, whose Describe answers with its request and these fields. ServiceError for a name that is taken."""
        now, arn = time.time(), self.arn(kind, name)
        times = {"CreationTime": now, **({"LastModifiedTime": now} if kind.is_dated else {})}
        fields = {key: value for key, value in request.items() if key not in {"Tags", "ClientToken"}}
        with self._lock:
            if (kind.stem, name) in self._resources:
                raise ServiceError(kind.exists_code, f'Cannot create already existing {kind.label} "{arn}".')
            resource = Resource(request, {**fields, kind.arn_field: arn, **times, **description})
            self._resources[kind.stem, name] = resource
        return resource

    def get(self, kind: ResourceType, name: str) -> Resource:
        """The resource. Raises ServiceError in the service's words when there is none."""
        with self._lock:
            resource = self._resources.get((kind.stem, name))
        if resource is None:
            raise ServiceError(kind.missing_code, f'Could not find {kind.label} "{self.arn(kind, name)}".')
        return resource

    def describe(self, kind: ResourceType, name: str) -> dict[str, Any]:
        """The answer to Describe."""
        with self._lock:
            return dict(self.get(kind, name).description)

    def update(self, resource: Resource, **description: Any) -> None:
        """Changes fields of the answer to Describe; one that becomes None is not there any more."""
        with self._lock:
            resource.description.update(description, LastModifiedTime=time.time())
            for name in [name for name, value in resource.description.items() if value is None]:
                del resource.description[name]

    def remove(self, kind: ResourceType, name: str) -> None:
        """From now on there is none of this name. Raises ServiceError when there was none."""
        with self._lock:
            self.get(kind, name)
            del self._resources[kind.stem, name]

    def descriptions(self, kind: ResourceType) -> list[dict[str, Any]]:
        """The answers to Describe of all of a type, in the order of their creation."""
        with self._lock:
            return [dict(one.description) for (stem, _), one in self._resources.items() if stem == kind.stem]

    def names(self, kind: ResourceType) -> tuple[str, ...]:
        """The names that there are, in the order of their creation."""
        with self._lock:
            return tuple(name for stem, name in self._resources if stem == kind.stem)

    def arn(self, kind: ResourceType, name: str) -> str:
        """The ARN of a resource, which need not exist."""
        return self._account.arn(kind.arn_type, name)

    def has_arn(self, arn: str) -> bool:
        """Whether there is anything of this ARN."""
        return any(value == arn for one in self._all() for name, value in one.description.items() if name.endswith("Arn"))

    def stop_all(self) -> None:
        """Asks everything that runs to end."""
        for resource in self._all():
            resource.stop.set()

    def has_running(self) -> bool:
        """Whether anything still runs."""
        return any(resource.is_running for resource in self._all())

    def join(self) -> None:
        """Waits until nothing runs any more."""
        for resource in self._all():
            if resource.thread:
                resource.thread.join(_END_S)

    def _all(self) -> Iterable[Resource]:
        with self._lock:
            return tuple(self._resources.values())
