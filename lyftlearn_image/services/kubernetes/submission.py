"""Brings a workload's objects into a cluster: each once, all owned by the main one, and of what is refused none stays."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import TYPE_CHECKING, Any

from lightkube.resources.apps_v1 import Deployment

from lyftlearn_image.aws import s3 as objects
from lyftlearn_image.errors import UnavailableError
from lyftlearn_image.retry import Backoff, Waits
from lyftlearn_image.services.kubernetes.annotations import OBJECTS, OUTPUTS
from lyftlearn_image.services.kubernetes.api import resource_kind
from lyftlearn_image.services.kubernetes.job_id import JobId

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_s3 import S3Client

    from lyftlearn_image.platforms.launch import Compiled
    from lyftlearn_image.retry import Clock
    from lyftlearn_image.services.kubernetes.api import ClusterApi

# On what `submit` has made. A ServiceAccount without it is the team's own, and stays when the job goes.
_SUBMITTED = "lyftlearn.dev/submitted"
_GONE_POLLS = Backoff(first_s=1.0, longest_s=5.0, deadline_s=600.0)


def submit_objects(api: ClusterApi, s3: S3Client, compiled: Compiled, clock: Clock) -> JobId:
    """Creates what is not there yet, the main object last: the same manifests again are the same Job or Deployment.

    A Deployment that was scaled to 0 runs again. Of one that is refused, nothing is left.
    """
    *others, main = (_stamped(document) for document in compiled.documents)
    main["metadata"]["annotations"] |= {
        OUTPUTS: json.dumps(dict(compiled.outputs), sort_keys=True),
        OBJECTS: json.dumps(sorted(compiled.objects)),
    }
    kind, name = resource_kind(main), main["metadata"]["name"]
    found = api.find(kind, name)
    if found is not None and found.metadata.deletionTimestamp:
        wait_until_gone(api, kind, name, clock)
        found = None
    made: list[str] = []
    if found is None:
        made = _create_all(api, s3, compiled.objects, (*others, main))
        found = api.get(kind, name)
    owner = {"apiVersion": main["apiVersion"], "kind": main["kind"], "name": name, "uid": found.metadata.uid}
    for document in others:
        _own(api, document, owner, is_new=_key(document) in made)
    # Where an autoscaler counts them, it goes on from one.
    replicas = main["spec"].get("replicas", 1)
    if kind is Deployment and found.spec.replicas == 0 and replicas:
        api.patch(kind, name, {"spec": {"replicas": replicas}}, f"starting Deployment {name} again")
    return JobId(main["kind"].lower(), api.namespace, name)


def wait_until_gone(api: ClusterApi, kind: type[Any], name: str, clock: Clock) -> None:
    """Waits for an object that is being deleted: its pods have their grace first."""
    waits = Waits(_GONE_POLLS, clock)
    while api.find(kind, name) is not None:
        if not waits.sleep():
            raise UnavailableError(
                f"{kind.__name__} {name} is still being deleted", hint="A finalizer holds it: kubectl get -o yaml shows whose."
            )


def _stamped(document: Mapping[str, Any]) -> dict[str, Any]:
    stamped: dict[str, Any] = copy.deepcopy(dict(document))
    stamped["metadata"].setdefault("annotations", {})[_SUBMITTED] = "true"
    return stamped


def _key(document: Mapping[str, Any]) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


def _create_all(
    api: ClusterApi, s3: S3Client, contents: Mapping[str, bytes], documents: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Creates all or nothing, and gives the keys of those that were not there before."""
    made = []
    with contextlib.ExitStack() as undo:
        undo.callback(objects.delete_objects, s3, contents)
        objects.put_objects(s3, contents)
        for document in documents:
            if api.create(document):
                undo.callback(api.discard, document)
                made.append(_key(document))
        undo.pop_all()
    return made


def _own(api: ClusterApi, document: Mapping[str, Any], owner: Mapping[str, Any], *, is_new: bool) -> None:
    """Makes the main object an owner of another one, which is made anew where it is gone.

    Of all others the name is made of the workload's content; a ServiceAccount has one that people chose.
    """
    name = document["metadata"]["name"]
    if document["kind"] == "ServiceAccount" and not is_new:
        found = api.find(resource_kind(document), name)
        if found is not None and _SUBMITTED not in (found.metadata.annotations or {}):
            return
    if not api.add_owner(document, owner):
        api.create({**document, "metadata": {**document["metadata"], "ownerReferences": [dict(owner)]}})
