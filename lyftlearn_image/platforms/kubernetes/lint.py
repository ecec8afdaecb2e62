"""What Kubernetes would refuse of a workload's manifests, in terms of the workload's fields."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.findings import FieldPath, Finding
from lyftlearn_image.platforms.kubernetes.all_kinds import workload_kind
from lyftlearn_image.platforms.kubernetes.expansion import expand
from lyftlearn_image.platforms.kubernetes.object_limits import ANNOTATIONS_BYTES, check_size
from lyftlearn_image.platforms.sagemaker.api_model import LONGEST_STRING_BYTES
from lyftlearn_image.workload import Job

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lyftlearn_image.platforms.launch import Compiled
    from lyftlearn_image.workload import Workload

# k8s.io/docs/concepts/overview/working-with-objects/names and …/labels: what the API's validation takes.
_LABEL_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_KEY_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
# A UID is an int32 to the API's validation (kubernetes/apimachinery, util/validation, IsValidUserID).
_LARGEST_UID = (1 << 31) - 1
# A quarter of the usual stack limit of 8 MiB holds all arguments and variables (execve(2)).
_ALL_STRINGS_BYTES = 2 << 20
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/\S+")
_IGNORED: Mapping[str, str] = {
    "spot": "nodes of a pool of spot instances are chosen by `kubernetes.node_selector` and `tolerations`",
    "warm_pool_s": "nodes are kept or not by the cluster's autoscaler",
    "network": "the cluster's network policies say it",
    "encryption": "the bucket's and the storage class's own keys apply",
    "tags": "pods have `kubernetes.labels`",
    "metrics": "nobody reads metrics from a pod's log; StatsD on localhost:8125 works on both",
    "data_capture": "nobody keeps requests and answers",
}
# Options of Kubernetes' own that some kinds have no use for: option → those that have, and what serves the others.
_OPTIONS_OF_KINDS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "disruption_budget": (("serving",), "a drain of a job is told, and `do_not_disrupt` keeps autoscalers from one"),
    "autoscaling": (("serving",), "nothing else has replicas"),
    "ingress": (("serving", "notebook"), "nothing listens"),
    "http_route": (("serving", "notebook"), "nothing listens"),
    "deadline_s": (("transform",), "`max_runtime_s` is the deadline of a job, and a server has none"),
}


def lint_manifests(workload: Workload, compiled: Compiled) -> Iterator[Finding]:
    """What the API or execve refuses, and what has no effect."""
    name = str(compiled.documents[-1]["metadata"]["name"])
    if not _LABEL_NAME.fullmatch(name):
        yield Finding(("name",), f"{name!r:.80} is no name of a Job with hosts, nor of a Service", _hint(63))
    yield from _lint_names(workload)
    yield from _lint_labels(workload)
    yield from _lint_mounts(compiled)
    annotations = compiled.documents[-1]["metadata"].get("annotations", {})
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > ANNOTATIONS_BYTES:
        yield Finding(("kubernetes", "annotations"), f"more than {ANNOTATIONS_BYTES} bytes, with the options for SageMaker")
    yield from _lint_strings(workload, compiled)
    for document in compiled.documents:
        try:
            check_size(document)
        except InvalidInputError as error:
            yield Finding((), error.what, error.hint)
    if re.search(r"\s", workload.image):
        yield Finding(("image",), "no image has a blank in its name")
    if workload.run_as_user > _LARGEST_UID:
        yield Finding(("run_as_user",), f"{workload.run_as_user}, at most {_LARGEST_UID}")
    yield from _lint_ignored(workload)


def _lint_names(workload: Workload) -> Iterator[Finding]:
    options = workload.kubernetes
    if options.namespace is not None and not _LABEL_NAME.fullmatch(options.namespace):
        yield Finding(("kubernetes", "namespace"), f"{options.namespace!r:.80} is no name of a namespace", _hint(63))
    if options.service_account is not None and not _SUBDOMAIN.fullmatch(options.service_account):
        yield Finding(("kubernetes", "service_account"), f"{options.service_account!r:.80} is no name of an object", _hint(253))
    if options.role_arn is not None and not _ROLE.fullmatch(options.role_arn):
        yield Finding(("kubernetes", "role_arn"), "is no role's ARN", "Write it as arn:aws:iam::<account>:role/<name>.")
    for index, name in enumerate(options.image_pull_secrets):
        if not _SUBDOMAIN.fullmatch(name):
            yield Finding(("kubernetes", "image_pull_secrets", index), "is no name of a Secret", _hint(253))
    for field, other in (("queue", options.queue), ("priority_class", options.priority_class)):
        if other is not None and not _SUBDOMAIN.fullmatch(other):
            yield Finding(("kubernetes", field), f"{other!r:.80} is no name of an object", _hint(253))
    for path, claim in options.volumes.items():
        if not _SUBDOMAIN.fullmatch(claim.claim):
            yield Finding(("kubernetes", "volumes", path, "claim"), f"{claim.claim!r:.80} is no name of a claim", _hint(253))
    yield from _lint_hosts(workload)


def _lint_hosts(workload: Workload) -> Iterator[Finding]:
    ingress, route = workload.kubernetes.ingress, workload.kubernetes.http_route
    named: list[tuple[FieldPath, str]] = []
    if ingress and ingress.host:
        named.append((("kubernetes", "ingress", "host"), ingress.host))
    if route:
        named += [(("kubernetes", "http_route", "hostnames", index), host) for index, host in enumerate(route.hostnames)]
    for path, host in named:
        if not _SUBDOMAIN.fullmatch(host.removeprefix("*.")):
            yield Finding(path, f"{host!r:.80} is no name of a host", _hint(253))
    if ingress and ingress.certificate and not _SUBDOMAIN.fullmatch(ingress.certificate):
        yield Finding(("kubernetes", "ingress", "certificate"), "is no name of a Secret", _hint(253))


def _lint_mounts(compiled: Compiled) -> Iterator[Finding]:
    """Two volumes at one path, which the API refuses."""
    pod = compiled.documents[-1]["spec"]["template"]["spec"]
    paths = [mount["mountPath"].rstrip("/") for mount in pod["containers"][0]["volumeMounts"]]
    for path in sorted({path for path in paths if paths.count(path) > 1}):
        yield Finding(
            ("kubernetes", "volumes", path), f"something else is mounted at {path}", "Mount the claim at another directory."
        )


def _lint_labels(workload: Workload) -> Iterator[Finding]:
    options = workload.kubernetes
    for field, values in (
        ("labels", options.labels),
        ("node_selector", options.node_selector),
        ("annotations", options.annotations),
    ):
        for key, value in values.items():
            path: FieldPath = ("kubernetes", field, key)
            if not _is_key(key):
                yield Finding(
                    path, f"{key!r:.80} is no key of {field}", "Write it as name or domain/name, the name of up to 63."
                )
            if field != "annotations" and not _VALUE.fullmatch(value):
                yield Finding(path, f"{value!r:.80} is no value of a label", "Use up to 63 of A-Z a-z 0-9 - _ .")


def _lint_strings(workload: Workload, compiled: Compiled) -> Iterator[Finding]:
    """Arguments and variables as execve counts them; a variable that is too long is in the bundle already."""
    container = compiled.documents[-1]["spec"]["template"]["spec"]["containers"][0]
    field = "command" if getattr(workload, "command", None) else "arguments"
    total = 0
    for index, word in enumerate(container["args"]):
        size = len(expand(word, {}).encode()) + 1
        total += size
        if size > LONGEST_STRING_BYTES:
            yield Finding(
                (field, index), f"{size} bytes, at most {LONGEST_STRING_BYTES} for one argument", "Put it into a file."
            )
    total += sum(len(entry["name"]) + len(str(entry.get("value", "")).encode()) + 2 for entry in container["env"])
    if total > _ALL_STRINGS_BYTES:
        yield Finding(
            ("environment",), f"arguments and variables have {total} bytes together, at most {_ALL_STRINGS_BYTES}",
            "Put what is large into `files`.",
        )  # fmt: skip


def _lint_ignored(workload: Workload) -> Iterator[Finding]:
    fields: dict[str, Any] = json.loads(workload.model_dump_json(exclude_defaults=True))
    used = workload_kind(workload.kind).used
    for name, instead in _IGNORED.items():
        if name in fields and name not in used:
            yield Finding((name,), f"has no effect on Kubernetes: {instead}", level="note")
    for option, (kinds, instead) in _OPTIONS_OF_KINDS.items():
        if option in fields.get("kubernetes", {}) and workload.kind not in kinds:
            yield Finding(("kubernetes", option), f"has no effect on a {workload.kind} workload: {instead}", level="note")
    if isinstance(workload, Job) and workload.nodes > 1 and workload.kubernetes.retries:
        yield Finding(
            ("kubernetes", "retries"), "a host that is started again joins a job that has begun without it", level="note"
        )


def _is_key(key: str) -> bool:
    prefix, mark, name = key.rpartition("/")
    return bool(_KEY_NAME.fullmatch(name)) and (not mark or bool(_SUBDOMAIN.fullmatch(prefix)))


def _hint(characters: int) -> str:
    return f"Use up to {characters} of a-z 0-9 -{' .' if characters > 63 else ''}, beginning and ending with a letter or digit."  # noqa: PLR2004 - of a label
