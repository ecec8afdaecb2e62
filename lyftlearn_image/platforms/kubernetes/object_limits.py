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


def check_size(manifest: Mapping[str, Any]) -> None:
    """Raises InvalidInputError for an object that etcd refuses (recorded in pods, case 17: 2 MB is too large)."""
    size = len(json.dumps(manifest))
    if size > OBJECT_BYTES:
        raise InvalidInputError(
            f"{manifest['kind']} {manifest['metadata']['name']} has {size} bytes: request is too large",
            hint=f"An object has at most {OBJECT_BYTES} bytes; put what is large into files in S3.",
        )
