"""A model below /opt/ml/model: fetched by the shim, or unpacked by an init container before the server starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms import bundle
from lyftlearn_image.platforms.kubernetes.container_env import env_beside
from lyftlearn_image.platforms.kubernetes.metadata import config_map
from lyftlearn_image.platforms.kubernetes.pod_template import BUNDLE_KEY, Transfers, place_bundle
from lyftlearn_image.platforms.sagemaker.instance_choice import find_instance_type
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from lyftlearn_image.platforms.kubernetes.pod_template import PodParts
    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.workload import Serving, Transform

MODEL_DIR = "/opt/ml/model"
# Only what stays below the directory; Debian 12's Python has no filters yet (PEP 706). Then the archive has done its work.
_UNPACK = """\
import os, sys, tarfile
with tarfile.open({path!r}) as archive:
    if hasattr(tarfile, "data_filter"):
        archive.extraction_filter = tarfile.data_filter
    else:
        for one in archive:
            if one.name.startswith("/") or ".." in one.name.split("/") or not (one.isfile() or one.isdir()):
                sys.exit("the model has a member that cannot be unpacked safely: " + one.name)
    archive.extractall({into!r})
os.unlink({path!r})
"""


def model_transfers(workload: Serving | Transform) -> Transfers:
    """What the shim of the server downloads: a model of single files. An archive is the init container's."""
    return Transfers() if _is_packed(workload) else Transfers(downloads=((MODEL_DIR, workload.model),))


def unpack_model(
    workload: Serving | Transform, launch: Launch, parts: PodParts, pod: dict[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """Gives the pod an init container that unpacks the model as SageMaker does, where it is an archive.

    Returns the ConfigMap with the bundle that tells the container which one, or the object in S3 where no ConfigMap holds it;
    nothing for a model of single files.
    """
    if not _is_packed(workload):
        return [], {}
    transfers = {"downloads": ((MODEL_DIR, workload.model),), **parts.bundle_fields}
    data = bundle.to_bytes(bundle.bundle_for(workload, launch.job_name, find_instance_type(workload), **transfers))
    name = f"{launch.job_name}-model"
    location, objects = place_bundle(launch, data, s3_name="model-bundle.json")
    mounts = mounts_beside(parts)
    if not objects:
        pod["volumes"] = [*pod["volumes"], {"name": "model", "configMap": {"name": name}}]
        mounts.append({"name": "model", "mountPath": contract.BUNDLE_MOUNT, "readOnly": True})
    main = pod["containers"][0]
    archive = f"{MODEL_DIR}/{workload.model.rpartition('/')[2]}"
    pod.setdefault("initContainers", []).append(
        {
            "name": "model",
            "image": workload.image,
            "args": ["python", "-c", _UNPACK.format(path=archive, into=MODEL_DIR)],
            "env": env_beside(parts.env, **{contract.BUNDLE: bundle.reference(location, data)}),
            "resources": main["resources"],
            "securityContext": main["securityContext"],
            "volumeMounts": mounts,
        }
    )
    return ([] if objects else [config_map(workload, launch.job_name, name, {BUNDLE_KEY: data.decode()})]), objects


def mounts_beside(parts: PodParts) -> list[dict[str, Any]]:
    """The mounts of a container beside the script's: all but the script's bundle, in whose place its own comes."""
    return [mount for mount in parts.mounts if mount["mountPath"] != contract.BUNDLE_MOUNT]


def _is_packed(workload: Serving | Transform) -> bool:
    return workload.model.endswith(".tar.gz")
