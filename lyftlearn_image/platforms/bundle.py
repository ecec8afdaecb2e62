"""The launch bundle: what does not fit a platform's request, in one JSON file with a digest.

The shim reads it (`lyftlearn_runtime/bundle.py`). It never holds a secret: only references to secrets.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lyftlearn_image.workload import Job
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from lyftlearn_image.workload import ConfigFile, Workload


@dataclass(frozen=True)
class Bundle:
    """What the shim is to make true. `hosts` to `checkpoints` are for Kubernetes, where no service moves data or names hosts.

    `kind` is empty where no job's files are to be laid out: for servers and notebooks. `hosts` are the names of a job's
    hosts, in the order of their indexes, for a job on several.

    `mounted` are paths of files that the platform mounts by itself; the shim only observes them.
    `downloads` and `uploads` are pairs of a path in the container and an S3 URI. An upload's URI that ends in `/` is
    a prefix that gets every file below the path; any other gets a tar.gz of the path's content. `checkpoints` is such a pair
    that is kept the same while the job runs. `command` is what BUNDLED_COMMAND stands for.
    """

    job_name: str
    kind: str
    instance_type: str
    environment: Mapping[str, str] = field(default_factory=dict)
    hyperparameters: Mapping[str, JsonValue] = field(default_factory=dict)
    files: Mapping[str, ConfigFile] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    mounted: tuple[str, ...] = ()
    downloads: tuple[tuple[str, str], ...] = ()
    uploads: tuple[tuple[str, str], ...] = ()
    checkpoints: tuple[str, str] | None = None
    command: tuple[str, ...] = ()


def bundle_for(workload: Workload, job_name: str, instance_type: str | None, **contents: Any) -> Bundle:
    """A bundle for this workload on such an instance, which a pod is told of, too; `contents` are fields of `Bundle`."""
    # A trial is a training job to whoever runs in it.
    kind = {"tuning": "training"}.get(workload.kind, workload.kind) if isinstance(workload, Job) else ""
    return Bundle(job_name=job_name, kind=kind, instance_type=instance_type or "", **contents)


def shim_variables(workload: Workload) -> dict[str, str]:
    """The variables by which both platforms' requests tell the shim what the workload wants of it."""
    named = sorted(name for name, text in workload.secrets.items() if text.partition("://")[0] not in contract.CLEAR_SCHEMES)
    refresh = workload.refresh
    style = workload.arguments if isinstance(workload, Job) else ""
    variables = {
        contract.PROGRAM: getattr(workload, "program", None) or "",
        contract.ARGUMENTS: style if style != contract.ARGUMENT_STYLES[0] else "",
        contract.REFERENCES: ",".join(named),
        contract.ENV_FROM: " ".join(workload.secret_sets),
        contract.REFRESH: f"{refresh.every_s}:{refresh.signal or ''}" if refresh else "",
    }
    return {name: value for name, value in variables.items() if value}


def to_bytes(bundle: Bundle) -> bytes:
    """The bundle's JSON: the same bytes for the same content. Empty parts are left out."""
    document: dict[str, Any] = {
        "version": contract.BUNDLE_VERSION,
        "job": _job(bundle) if bundle.kind else {},
        "environment": dict(bundle.environment),
        "hyperparameters": dict(bundle.hyperparameters),
        "files": [_file(path, file) for path, file in sorted(bundle.files.items())],
        "channels": dict(bundle.channels),
        "mounted": list(bundle.mounted),
        "downloads": [{"path": path, "uri": uri} for path, uri in bundle.downloads],
        "uploads": [{"path": path, "uri": uri} for path, uri in bundle.uploads],
        "checkpoints": dict(zip(("path", "uri"), bundle.checkpoints, strict=True)) if bundle.checkpoints else None,
        "command": list(bundle.command),
    }
    filled = {key: value for key, value in document.items() if value}
    return _encode_json(filled)


def _encode_json(filled: Mapping[str, Any]) -> bytes:
    return json.dumps(filled, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _job(bundle: Bundle) -> dict[str, Any]:
    job = {"name": bundle.job_name, "kind": bundle.kind, "instance_type": bundle.instance_type}
    return {**job, "hosts": list(bundle.hosts)} if bundle.hosts else dict(job)


def reference(location: str, data: bytes) -> str:
    """The value of LYFTLEARN_BUNDLE: the location (a path or s3://bucket/key) and the digest of its bytes."""
    return f"{location}#sha256={hashlib.sha256(data).hexdigest()}"


def encode_hyperparameters(values: Mapping[str, JsonValue]) -> dict[str, str]:
    """Hyperparameters as the strings that SageMaker carries.

    A string stays as it is unless it would read as JSON (`"5"`, `"true"`); then it gets JSON's quotes, as the
    SageMaker Python SDK v2 does. So decoding (JSON, else the string) gives back exactly the value.
    """
    return {key: _encode_value(value) for key, value in values.items()}


def _encode_value(value: JsonValue) -> str:
    if isinstance(value, str) and not _is_json(value):
        return value
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _file(path: str, file: ConfigFile) -> dict[str, str]:
    content = {"content": file.content} if file.content is not None else {"secret": str(file.secret)}
    return {"path": path, **content, "mode": file.mode, **({"owner": file.owner} if file.owner else {})}


# The bytes of a bundle with nothing in it.
EMPTY = _encode_json({"version": contract.BUNDLE_VERSION})
