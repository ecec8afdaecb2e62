"""Webhooks and policies, for `Cluster.admission`: each gets the resource and the document, and gives the document."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from tests.services.kubernetes.simulator.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    Webhook = Callable[[str, dict[str, Any]], dict[str, Any]]


def inject(*names: str, is_first: bool = True, is_native: bool = False) -> Webhook:
    """A mesh or an agent: containers beside ours in every pod, before or after it, or native sidecars."""

    def webhook(resource: str, document: dict[str, Any]) -> dict[str, Any]:
        if resource != "pods":
            return document
        pod = copy.deepcopy(document)
        made: list[dict[str, Any]] = [{"name": name, "image": "mesh:1"} for name in names]
        if is_native:
            made = [{**one, "restartPolicy": "Always"} for one in made]
            pod["spec"]["initContainers"] = [*made, *pod["spec"].get("initContainers", ())]
        else:
            ours = pod["spec"]["containers"]
            pod["spec"]["containers"] = [*made, *ours] if is_first else [*ours, *made]
        return pod

    return webhook


def suspend_jobs(resource: str, document: dict[str, Any]) -> dict[str, Any]:
    """Kueue: every Job is created suspended, and waits for its quota."""
    return {**document, "spec": {**document["spec"], "suspend": True}} if resource == "jobs" else document


def deny(wanted: str, message: str) -> Webhook:
    """Refuses every object of a resource, in these words: `admission webhook "x" denied the request: y`, and others."""

    def webhook(resource: str, document: dict[str, Any]) -> dict[str, Any]:
        if resource == wanted:
            raise Refusal(403, message.replace("NAME", str(document["metadata"].get("name", ""))))
        return document

    return webhook
