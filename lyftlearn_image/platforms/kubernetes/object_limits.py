"""How large an object of the Kubernetes API may be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

# etcd's default request limit (etcd.io/docs, "System limits").
OBJECT_BYTES = 1572864
# ConfigMap.Data: "the total bytes of the keys' values ... should not exceed 1 MiB" (k8s.io/docs/concepts/configuration).
CONFIG_MAP_BYTES = 1 << 20
# TotalAnnotationSizeLimitB (kubernetes/apimachinery, api/validation/objectmeta.go).
ANNOTATIONS_BYTES = 256 << 10
# A namespace and empty fields, which kubectl adds to its copy.
_ADDED_BYTES = 128


def check_size(manifest: Mapping[str, Any]) -> None:
    """Raises InvalidInputError for an object that etcd refuses (recorded in pods, case 17: 2 MB is too large)."""
    size = len(json.dumps(manifest))
    if size > OBJECT_BYTES:
        raise InvalidInputError(
            f"{manifest['kind']} {manifest['metadata']['name']} has {size} bytes: request is too large",
            hint=f"An object has at most {OBJECT_BYTES} bytes; put what is large into files in S3.",
        )


def needs_server_side(manifest: Mapping[str, Any]) -> bool:
    """Whether `kubectl apply` refuses an object: it keeps a copy of it in an annotation, unless the server is to apply it.

    Source: k8s.io/docs/reference/using-api/server-side-apply; kubernetes/kubectl, pkg/util/apply.go. Go's JSON escapes `<>&`.
    """
    text = json.dumps(manifest, ensure_ascii=False, separators=(",", ":"))
    annotations = manifest["metadata"].get("annotations", {})
    size = len(text.encode()) + 5 * sum(text.count(sign) for sign in "<>&")
    size += sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    return size + _ADDED_BYTES > ANNOTATIONS_BYTES
