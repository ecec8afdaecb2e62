"""Errors as the API tells them, and objects that it does not take. Words: Kubernetes v1.36."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ANNOTATIONS_BYTES = 262144
_REASONS = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "AlreadyExists", 410: "Expired",
    415: "UnsupportedMediaType", 422: "Invalid", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable",
    504: "Timeout",
}  # fmt: skip
# Labels that the Job controller writes, and nobody else.
_OWN_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name")
# Of custom resources the API server knows no more than their schema.
CUSTOM = ("httproutes",)
GROUPS = {"jobs": "batch", "deployments": "apps", "replicasets": "apps"}


class Refusal(Exception):  # noqa: N818 - a Status of the API
    """An answer other than the one that was asked for. `is_status` is False for what stands before the API: plain text."""

    def __init__(self, code: int, message: str, *, is_status: bool = True) -> None:
        super().__init__(message)
        self.code = code
        self.is_status = is_status
        self.status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
                       "reason": _REASONS.get(code, ""), "message": message}  # fmt: skip


class Cut(Exception):  # noqa: N818 - no answer at all
    """The connection ends without an answer."""


def not_found(resource: str, name: str) -> Refusal:
    """404 for an object."""
    group = GROUPS.get(resource)
    return Refusal(404, f'{resource}.{group} "{name}" not found' if group else f'{resource} "{name}" not found')


def check_object(resource: str, document: Mapping[str, Any], uid: str = "") -> None:
    """Refuses what the API server does not take: values of the wrong type, too long annotations, another one's labels.

    `uid` is that of a new object.
    """
    kind, name = document.get("kind", ""), document["metadata"]["name"]
    for path, value in _variables(document):
        if not isinstance(value, str):
            went = "bool" if isinstance(value, bool) else "number" if isinstance(value, int | float) else "object"
            message = f'{kind} in version "{document.get("apiVersion", "v1").rpartition("/")[2]}" cannot be handled as a {kind}'
            raise Refusal(400, f"{message}: json: cannot unmarshal {went} into Go struct field {path} of type string")
    annotations = document["metadata"].get("annotations") or {}
    group = f"{kind}.{GROUPS[resource]}" if resource in GROUPS else kind
    if sum(len(key) + len(value) for key, value in annotations.items()) > _ANNOTATIONS_BYTES:
        message = f"metadata.annotations: Too long: may not be more than {_ANNOTATIONS_BYTES} bytes"
        raise Refusal(422, f'{group} "{name}" is invalid: {message}')
    if resource == "jobs" and uid:
        _check_job(document, f'{group} "{name}" is invalid', uid)


def _variables(document: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that must be a string, with its path as Go has it."""
    if isinstance(document, dict):
        for key, value in document.items():
            here = f"{path}.{key}" if path else key
            if key in {"labels", "annotations", "data"} and isinstance(value, dict):
                yield from ((f"ObjectMeta.{here}", one) for one in value.values())
            elif key == "env" and isinstance(value, list):
                yield from ((f"EnvVar.{here}.value", one["value"]) for one in value if "value" in one)
            elif key in {"args", "command"} and isinstance(value, list):
                yield from ((f"Container.{here}", one) for one in value)
            else:
                yield from _variables(value, here)
    elif isinstance(document, list):
        for value in document:
            yield from _variables(value, path)


def _check_job(document: Mapping[str, Any], begin: str, uid: str) -> None:
    """A Job's selector and the labels that go with it are the server's."""
    labels = (document["spec"]["template"].get("metadata") or {}).get("labels") or {}
    wrong: list[str] = []
    for key in _OWN_LABELS:
        own = document["metadata"]["name"] if key.endswith("job-name") else uid
        if key in labels and labels[key] != own:
            given = json.dumps({key: labels[key]})
            wrong.append(f"spec.template.metadata.labels[{key}]: Invalid value: {given}: must be '{own}'")
    if document["spec"].get("selector") and not document["spec"].get("manualSelector"):
        wrong.append("spec.template.metadata.labels: Invalid value: `selector` does not match template `labels`")
    if wrong:
        raise Refusal(422, f"{begin}: {wrong[0] if len(wrong) == 1 else '[' + ', '.join(wrong) + ']'}")
