"""The objects of the world and the log of their changes, as etcd has them."""

from __future__ import annotations

import copy
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.services.kubernetes.simulator.refusal import Refusal, not_found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Key = tuple[str, str, str]
# What may go on without its owner's end being awaited; a Job's pods stay unless the client says otherwise
# (batch/v1: DefaultGarbageCollectionPolicy is OrphanDependents).
_ORPHANS = ("jobs",)


@dataclass(frozen=True)
class Change:
    """One entry of the log: the object as it was after it."""

    version: int
    type: str
    resource: str
    document: dict[str, Any]


@dataclass
class Objects:
    """Objects by resource, namespace and name. Callers hold the world's lock."""

    now: Callable[[], str]
    by_key: dict[Key, dict[str, Any]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    version: int = 100
    oldest: int = 0

    def create(self, resource: str, namespace: str, document: Mapping[str, Any], uid: str = "") -> dict[str, Any]:
        """A new object, as it is kept."""
        made = copy.deepcopy(dict(document))
        name = made["metadata"].get("name") or made["metadata"]["generateName"] + uuid.uuid4().hex[:5]
        if (resource, namespace, name) in self.by_key:
            message = str(not_found(resource, name)).replace("not found", "already exists")
            raise Refusal(409, message)
        made["metadata"].update(name=name, namespace=namespace, uid=uid or new_uid(), creationTimestamp=self.now())
        made.setdefault("status", {})
        return self._put("ADDED", resource, made)

    def get(self, resource: str, namespace: str, name: str) -> dict[str, Any]:
        """A copy of an object."""
        found = self.by_key.get((resource, namespace, name))
        if found is None:
            raise not_found(resource, name)
        return copy.deepcopy(found)

    def find(self, resource: str, namespace: str | None = None) -> list[dict[str, Any]]:
        """Copies of all objects of a resource, of all namespaces where none is named, in the order of their making."""
        return [
            copy.deepcopy(one) for (kind, where, _), one in self.by_key.items()
            if kind == resource and namespace in (None, where)
        ]  # fmt: skip

    def replace(self, resource: str, document: dict[str, Any]) -> dict[str, Any]:
        """An object as it is now; nothing where nothing has changed."""
        key = (resource, document["metadata"]["namespace"], document["metadata"]["name"])
        if key not in self.by_key:
            raise not_found(resource, key[2])
        old = self.by_key[key]
        document["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        return old if document == old else self._put("MODIFIED", resource, document)

    def remove(self, resource: str, namespace: str, name: str) -> None:
        """Takes an object away, at once."""
        document = self.get(resource, namespace, name)
        del self.by_key[resource, namespace, name]
        self.version += 1
        document["metadata"]["resourceVersion"] = str(self.version)
        self.changes.append(Change(self.version, "DELETED", resource, document))

    def delete(self, resource: str, namespace: str, name: str, policy: str | None) -> None:
        """As the API deletes: a pod is given its grace (see Kubelet), dependents follow or are left without an owner."""
        document = self.get(resource, namespace, name)
        uid = document["metadata"]["uid"]
        if policy == "Orphan" or (policy is None and resource in _ORPHANS):
            for kind, one in self.dependents(uid):
                one["metadata"]["ownerReferences"] = [
                    owner for owner in one["metadata"]["ownerReferences"] if owner["uid"] != uid
                ]
                self.replace(kind, one)
        if policy == "Foreground":
            document["metadata"].update(deletionTimestamp=self.now(), finalizers=["foregroundDeletion"])
            self.replace(resource, document)
        else:
            self.remove(resource, namespace, name)

    def dependents(self, uid: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Copies of what an object owns, each with its resource."""
        for (kind, _, _), one in list(self.by_key.items()):
            if any(owner["uid"] == uid for owner in one["metadata"].get("ownerReferences") or ()):
                yield kind, copy.deepcopy(one)

    def leaving(self) -> list[tuple[str, dict[str, Any]]]:
        """What waits for the end of all that it owns, and then goes."""
        return [
            (kind, one) for (kind, _, _), one in list(self.by_key.items())
            if "foregroundDeletion" in one["metadata"].get("finalizers", ())
        ]  # fmt: skip

    def orphans(self) -> list[tuple[str, dict[str, Any]]]:
        """What has owners of which none is there any more: the garbage collector's."""
        known = {one["metadata"]["uid"] for one in self.by_key.values()}
        return [
            (kind, one) for (kind, _, _), one in self.by_key.items()
            if (owners := one["metadata"].get("ownerReferences")) and not any(owner["uid"] in known for owner in owners)
        ]  # fmt: skip

    def list(self, resource: str, namespace: str | None, query: Mapping[str, str]) -> dict[str, Any]:
        """A list with its version."""
        found = [one for one in self.find(resource, namespace) if is_selected(one, query)]
        return {"kind": "List", "apiVersion": "v1", "items": found, "metadata": {"resourceVersion": str(self.version)}}

    def since(self, resource: str, namespace: str | None, version: int, query: Mapping[str, str]) -> list[Change]:
        """Changes after a version. Raises Refusal where it has been forgotten."""
        if version < self.oldest:
            raise Refusal(410, f"too old resource version: {version} ({self.oldest})")
        return [
            one for one in self.changes
            if one.version > version and one.resource == resource and is_selected(one.document, query)
            and namespace in (None, one.document["metadata"]["namespace"])
        ]  # fmt: skip

    def forget(self) -> None:
        """Compacts: no watch can begin at what was."""
        self.version += 1
        self.oldest = self.version

    def _put(self, kind: str, resource: str, document: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        document["metadata"]["resourceVersion"] = str(self.version)
        key = (resource, document["metadata"]["namespace"], document["metadata"]["name"])
        self.by_key[key] = document
        self.changes.append(Change(self.version, kind, resource, copy.deepcopy(document)))
        return copy.deepcopy(document)


def is_selected(one: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    """Whether an object is what a list or a watch asks for: `key=value` pairs of fields, those and bare keys of labels."""
    for pair in filter(None, query.get("fieldSelector", "").split(",")):
        path, _, value = pair.partition("=")
        found: Any = one
        for key in path.split("."):
            found = (found or {}).get(key)
        if str(found or "") != value:
            return False
    own = one["metadata"].get("labels") or {}
    for pair in filter(None, query.get("labelSelector", "").split(",")):
        key, equals, value = pair.replace("==", "=").partition("=")
        if key not in own or (equals and own[key] != value):
            return False
    return True


def merged(old: Any, new: Any) -> Any:
    """A JSON merge patch (RFC 7386)."""
    if not isinstance(new, dict):
        return new
    base = dict(old) if isinstance(old, dict) else {}
    for key, value in new.items():
        if value is None:
            base.pop(key, None)
        else:
            base[key] = merged(base.get(key), value)
    return base


def new_uid() -> str:
    """Of an object, for ever."""
    return str(uuid.uuid4())


def api_time(seconds: float) -> str:
    """As the API writes a time: whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
