"""A cluster as whoever runs the toolkit sees it: which context, whether its server answers, and what we may do there."""

from __future__ import annotations

import contextlib
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyftlearn_image.doctor.checkup import Finding, Level, failed, not_set, ok
from lyftlearn_image.errors import LyftlearnError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lightkube import Client

    from lyftlearn_image.doctor.subject import Subject

# What `submit`, `logs` and `stop` do with any Job, where no workload says more.
_RULES: tuple[Mapping[str, Any], ...] = (
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get", "list", "watch", "patch", "delete"]},
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "patch", "delete"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
)
# A pod is told its own cluster by variables (kubernetes.io/docs/tasks/run-application/access-api-from-pod).
_IN_CLUSTER = "KUBERNETES_SERVICE_HOST"
_SHOWN = 4
_SHOWN_CHARACTERS = 60
_ANSWER_BYTES = 64 << 10
_TIMEOUT_S = 10.0


def check_cluster(subject: Subject) -> Iterator[Finding]:
    """The context, the server with its version, and what a SelfSubjectAccessReview says of each permission that is needed."""
    files = [Path(one).expanduser() for one in (os.environ.get("KUBECONFIG") or "~/.kube/config").split(os.pathsep) if one]
    if subject.context is None and not any(one.is_file() for one in files) and _IN_CLUSTER not in os.environ:
        shown = os.pathsep.join(map(str, files))
        yield not_set(
            "kubeconfig", f"there is no {shown}", "`aws eks update-kubeconfig`, or KUBECONFIG; runs on this machine need none."
        )
        return
    from lyftlearn_image.services.kubernetes.kubeconfig import open_client  # noqa: PLC0415 - lightkube is an extra

    try:
        client = open_client(subject.context)
    except LyftlearnError as error:
        yield failed("kubeconfig", error)
        return
    context = client.config.context_name or subject.context or "the current one"
    namespace = subject.namespace or client.namespace
    yield ok("kubeconfig", f"context {context}, namespace {namespace}, server {client.config.cluster.server}")
    try:
        yield ok("cluster", f"Kubernetes {_version(client)}")
        denied = _denied(client, namespace, subject.rules or _RULES)
    except LyftlearnError as error:
        yield failed("cluster", error)
        return
    finally:
        client.close()
    if denied:
        more = f" and {len(denied) - _SHOWN} more" if len(denied) > _SHOWN else ""
        hint = "`lyftlearn-image permissions WORKLOAD` prints the Role; kubectl auth can-i says the same."
        yield Finding("permissions", Level.ERROR, f"not allowed in {namespace}: {', '.join(denied[:_SHOWN])}{more}", hint)
    else:
        yield ok("permissions", f"jobs may be made, followed and deleted in {namespace}")


def _version(client: Client) -> str:
    """The server's version. Raises UnavailableError where it does not answer."""
    import httpx2  # noqa: PLC0415 - comes with lightkube, an extra
    from lightkube.config import client_adapter  # noqa: PLC0415 - as above

    from lyftlearn_image.services.kubernetes.api_errors import translate_errors  # noqa: PLC0415 - as above

    with (
        translate_errors("asking for the server's version"),
        client_adapter.Client(client.config, client_adapter.ConnectionParams(timeout=httpx2.Timeout(_TIMEOUT_S))) as http,
    ):
        answer = http.get("/version")
    if answer.is_success and len(answer.content) <= _ANSWER_BYTES:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return str(answer.json()["gitVersion"])[:_SHOWN_CHARACTERS]
    # Who is not let in is told so by the reviews.
    return f"of an unknown version ({answer.status_code})"


def _denied(client: Client, namespace: str, rules: Sequence[Mapping[str, Any]]) -> list[str]:
    """What of these rules we may not do there, by a SelfSubjectAccessReview each, as `kubectl auth can-i` has it."""
    from lightkube.models.authorization_v1 import ResourceAttributes, SelfSubjectAccessReviewSpec  # noqa: PLC0415 - an extra
    from lightkube.resources.authorization_v1 import SelfSubjectAccessReview  # noqa: PLC0415 - as above

    from lyftlearn_image.services.kubernetes.api_errors import translate_errors  # noqa: PLC0415 - as above

    denied: list[str] = []
    rules_of = ((rule["apiGroups"], rule["resources"], rule["verbs"]) for rule in rules)
    wanted = [one for rule in rules_of for one in itertools.product(*rule)]
    for group, resource, verb in dict.fromkeys(wanted):
        name, _, below = resource.partition("/")
        attributes = ResourceAttributes(namespace=namespace, verb=verb, group=group, resource=name, subresource=below or None)
        with translate_errors("asking what we may do"):
            review = client.create(SelfSubjectAccessReview(spec=SelfSubjectAccessReviewSpec(resourceAttributes=attributes)))
        if review.status is None or not review.status.allowed:
            denied.append(f"{verb} {resource}")
    return denied
