"""What the API refuses of a manifest before any pod is created."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.kubernetes.fields import refuse_unsupported
from lyftlearn_image.errors import InvalidInputError, UnsupportedError
from lyftlearn_image.platforms.kubernetes.object_limits import CONFIG_MAP_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_NAME_LENGTH = 253


def validate_objects(manifests: Iterable[Mapping[str, Any]]) -> None:
    """Checks the ConfigMaps, Secrets, Services and ServiceAccounts of a namespace.

    InvalidInputError for a name, key or size that the API refuses (kubernetes/api ConfigMap.Data), UnsupportedError for any
    other kind.
    """
    for manifest in manifests:
        kind, name = manifest["kind"], str(manifest["metadata"]["name"])
        if kind in ("Service", "ServiceAccount"):
            refuse_unsupported(manifest)
            continue
        if kind not in ("ConfigMap", "Secret"):
            raise UnsupportedError(f"the embedded target does not implement the kind {kind} ({name})")
        if len(name) > _NAME_LENGTH or not _NAME.fullmatch(name):
            raise InvalidInputError(f"{kind} {name!r}: not a name that the API takes", hint="Use a-z, 0-9, - and .")
        values = {**(manifest.get("data") or {}), **(manifest.get("binaryData") or {}), **(manifest.get("stringData") or {})}
        for key in values:
            if not _KEY.fullmatch(key):
                raise InvalidInputError(f"{kind} {name}: {key!r} is not a key that the API takes", hint="Use A-Z a-z 0-9 - _ .")
        size = sum(len(str(value).encode()) for value in values.values())
        if size > CONFIG_MAP_BYTES:
            raise InvalidInputError(f"{kind} {name} has {size} bytes, at most {CONFIG_MAP_BYTES}", hint="Put the data into S3.")


def validate_job(manifest: Mapping[str, Any]) -> None:
    """Raises InvalidInputError for a Job that the API refuses (kubernetes.io/docs "Jobs")."""
    spec = manifest["spec"]
    policy = spec["template"]["spec"].get("restartPolicy")
    if policy not in ("Never", "OnFailure"):
        raise InvalidInputError(
            f"spec.template.spec.restartPolicy: {policy or 'Always, the default,'} is not of a Job",
            hint="Say Never or OnFailure.",
        )
    if spec.get("podFailurePolicy") and policy != "Never":
        raise InvalidInputError("spec.podFailurePolicy: only with restartPolicy Never")
    rules = (spec.get("successPolicy") or {}).get("rules") or ()
    if any("succeededIndexes" not in rule and "succeededCount" not in rule for rule in rules):
        raise InvalidInputError("spec.successPolicy.rules: each needs succeededIndexes or succeededCount")
    if spec.get("completionMode") == "Indexed" and spec.get("completions") is None:
        raise InvalidInputError("spec.completions: an Indexed Job must say how many")
    for field in ("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"):
        if spec.get(field) is not None and spec.get("completionMode") != "Indexed":
            raise InvalidInputError(f"spec.{field}: only of an Indexed Job")
