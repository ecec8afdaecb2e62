"""What the API refuses of a ConfigMap, Secret, Service or ServiceAccount before any pod sees it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.kubernetes.fields import refuse_unknown
from lyftlearn_image.errors import InvalidInputError, UnsupportedError
from lyftlearn_image.platforms.kubernetes.object_limits import CONFIG_MAP_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_NAME_LENGTH = 253


def check_objects(manifests: list[Mapping[str, Any]]) -> None:
    """Raises InvalidInputError for a name, a key or a size that the API refuses (kubernetes/api ConfigMap.Data)."""
    for one in manifests:
        kind, name = one["kind"], str(one["metadata"]["name"])
        if kind in ("Service", "ServiceAccount"):
            refuse_unknown(one)
            continue
        if kind not in ("ConfigMap", "Secret"):
            raise UnsupportedError(f"the embedded target does not implement the kind {kind} ({name})")
        if len(name) > _NAME_LENGTH or not _NAME.fullmatch(name):
            raise InvalidInputError(f"{kind} {name!r}: not a name that the API takes", hint="Use a-z, 0-9, - and .")
        values = {**(one.get("data") or {}), **(one.get("binaryData") or {}), **(one.get("stringData") or {})}
        for key in values:
            if not _KEY.fullmatch(key):
                raise InvalidInputError(f"{kind} {name}: {key!r} is not a key that the API takes", hint="Use A-Z a-z 0-9 - _ .")
        size = sum(len(str(value).encode()) for value in values.values())
        if size > CONFIG_MAP_BYTES:
            raise InvalidInputError(f"{kind} {name} has {size} bytes, at most {CONFIG_MAP_BYTES}", hint="Put the data into S3.")
