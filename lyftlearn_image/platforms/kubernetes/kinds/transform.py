"""From a batch transform to a Job, whose container sends the input's objects to the model server beside it.

The server is a native sidecar (KEP-753, on by default since Kubernetes 1.29): it starts before the client and ends with it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import UnsupportedError
from lyftlearn_image.platforms import bundle
from lyftlearn_image.platforms.kubernetes.container_env import env_beside
from lyftlearn_image.platforms.kubernetes.deployment import http_port
from lyftlearn_image.platforms.kubernetes.job import indexed, job_manifest
from lyftlearn_image.platforms.kubernetes.kind import WorkloadKind
from lyftlearn_image.platforms.kubernetes.kinds.serving import POD, SERVING_PORT
from lyftlearn_image.platforms.kubernetes.metadata import config_map, service_account
from lyftlearn_image.platforms.kubernetes.model import model_transfers, mounts_beside, unpack_model
from lyftlearn_image.platforms.kubernetes.pod_template import BUNDLE_KEY, place_bundle, pod_parts, pod_spec
from lyftlearn_image.platforms.kubernetes.probes import ping
from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.platforms.sagemaker.instance_choice import find_instance_type
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from lyftlearn_image.platforms.kubernetes.pod_template import PodParts
    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.workload import Transform

OPTIONS = "LYFTLEARN_TRANSFORM"
FIELDS = ("content_type", "accept", "split", "assemble", "batch", "max_concurrent", "max_payload_mb", "timeout_s", "nodes")
INPUT_DIR = f"{contract.PROCESSING_DIR}/input/data"
_OUTPUT_DIR = f"{contract.PROCESSING_DIR}/output"
_SPLITS = ("None", "Line")
# Of SageMaker's variables those that it sets for a caller's own choices (developer guide, your-algorithms-batch-code).
_STRATEGIES = {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}
_WRITABLE = ("/tmp", contract.HOME, "/opt/ml/config", "/opt/ml/processing", "/opt/ml/output", "/opt/ml/input")  # noqa: S108
# The client holds one object and its answers at a time.
_CLIENT_LIMITS = {"cpu": "500m", "memory": "2048Mi"}
_STARTUP_S = 600
# Nothing limits a transform job of SageMaker's but its hosts; this is what a training or processing job has at most there.
DEADLINE_S = 5 * 24 * 3600


def compile_transform(workload: Transform, launch: Launch) -> Compiled:
    """The Job after the ConfigMaps that it needs. UnsupportedError for a split that the client does not do."""
    if workload.split not in _SPLITS:
        raise UnsupportedError(
            f"on Kubernetes batch transform does not split {workload.split}",
            where=f"the workload {workload.name}, `split`",
            hint="Use Line or None, or a processing workload that reads the records.",
        )
    parts = pod_parts(workload, launch, POD, model_transfers(workload))
    server_fields = {**http_port(SERVING_PORT), "startupProbe": ping(_STARTUP_S), "restartPolicy": "Always"}
    pod = pod_spec(workload, parts, ("serve",), **server_fields)
    server = pod["containers"][0] | {"name": "server"}
    server["env"] = sorted([*server["env"], *_batch_variables(workload)], key=lambda variable: str(variable["name"]))
    model, model_objects = unpack_model(workload, launch, parts, pod)
    output = f"{launch.s3_prefix}/{launch.job_name}/output/"
    client, client_map, client_objects = _client(workload, launch, parts, output)
    client["securityContext"] = server["securityContext"]
    pod["volumes"] = [
        *pod["volumes"],
        *({"name": f"client{_name(path)}", "emptyDir": {}} for path in _WRITABLE),
        {"name": "client", "configMap": {"name": client_map["metadata"]["name"]}},
    ]
    pod = {"restartPolicy": "Never", **pod, "initContainers": [*pod.get("initContainers", []), server], "containers": [client]}
    spec = {
        "backoffLimit": workload.kubernetes.retries,
        "activeDeadlineSeconds": workload.kubernetes.deadline_s or DEADLINE_S,
        "ttlSecondsAfterFinished": workload.kubernetes.ttl_s,
        **indexed(workload.nodes),
    }
    job = job_manifest(workload, launch, spec, pod)
    documents = (*service_account(workload, launch.job_name), *parts.config_maps, *model, client_map, job)
    objects = {**parts.objects, **model_objects, **client_objects}
    return Compiled("kubernetes", "Job", documents, objects, {"output": output})


def _client(
    workload: Transform, launch: Launch, parts: PodParts, output: str
) -> tuple[dict[str, Any], dict[str, Any], dict[str, bytes]]:
    """The container that sends; the ConfigMap with its program and bundle; the bundle as an object, where it is too large."""
    transfers = bundle.Bundle(
        job_name=launch.job_name,
        kind="processing",
        instance_type=find_instance_type(workload) or "",
        downloads=((INPUT_DIR, workload.input),),
        uploads=((_OUTPUT_DIR, output),),
        **parts.bundle_fields,
    )
    data = bundle.to_bytes(transfers)
    program = Path(__file__).parent.with_name("transform_client.py").read_text(encoding="utf-8")
    location, objects = place_bundle(launch, data, beside=program, s3_name="client-bundle.json")
    options = {key: value for key, value in workload.model_dump(mode="json").items() if key in FIELDS and value is not None}
    own = {contract.BUNDLE: bundle.reference(location, data), OPTIONS: json.dumps(options, sort_keys=True)}
    # Scratch of its own at the server's places; what the workload mounts elsewhere (its CA, say) it has too.
    shared = [mount for mount in mounts_beside(parts) if mount["mountPath"] not in (*_WRITABLE, *POD.writable)]
    mounts = [{"name": f"client{_name(path)}", "mountPath": path} for path in _WRITABLE]
    container = {
        "name": "main",
        "image": workload.image,
        "args": ["python", f"{contract.BUNDLE_MOUNT}/client.py", INPUT_DIR, _OUTPUT_DIR],
        "env": env_beside(parts.env, **own),
        "resources": {"limits": dict(_CLIENT_LIMITS), "requests": dict(_CLIENT_LIMITS)},
        "volumeMounts": [*mounts, *shared, {"name": "client", "mountPath": contract.BUNDLE_MOUNT, "readOnly": True}],
    }
    contents = {"client.py": program} if objects else {BUNDLE_KEY: data.decode(), "client.py": program}
    return container, config_map(workload, launch.job_name, f"{launch.job_name}-client", contents), objects


def _batch_variables(workload: Transform) -> list[dict[str, str]]:
    variables = {
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_BATCH_STRATEGY": _STRATEGIES.get(workload.batch or ""),
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": workload.max_concurrent,
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": workload.max_payload_mb,
    }
    return [{"name": name, "value": str(value)} for name, value in variables.items() if value is not None]


def _name(path: str) -> str:
    return path.replace("/", "-")


KIND = WorkloadKind(compile=compile_transform, pod=POD, reads=("model", "input"))
