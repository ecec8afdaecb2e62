"""A model below /opt/ml/model: fetched by the shim, or unpacked by an init container before the server starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms import bundle
from lyftlearn_image.platforms.kubernetes.metadata import metadata
from lyftlearn_image.platforms.kubernetes.pod_template import Transfers
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.workload import Serving, Transform

MODEL_DIR = "/opt/ml/model"
MODEL_KEY = "bundle.json"
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


def unpack_model(workload: Serving | Transform, launch: Launch, pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Gives the pod an init container that unpacks the model as SageMaker does, where it is an archive.

    Returns the ConfigMap with the bundle that tells the container which one; nothing for a model of single files.
    """
    if not _is_packed(workload):
        return []
    name = f"{launch.job_name}-model"
    data = bundle.to_bytes(bundle.bundle_for(workload, launch.job_name, downloads=((MODEL_DIR, workload.model),)))
    main = pod["containers"][0]
    scratch = [mount for mount in main["volumeMounts"] if mount["mountPath"] in (MODEL_DIR, "/tmp", contract.HOME)]  # noqa: S108
    archive = f"{MODEL_DIR}/{workload.model.rpartition('/')[2]}"
    pod["volumes"].append({"name": "model", "configMap": {"name": name}})
    pod.setdefault("initContainers", []).append(
        {
            "name": "model",
            "image": workload.image,
            "args": ["python", "-c", _UNPACK.format(path=archive, into=MODEL_DIR)],
            "env": [{"name": contract.BUNDLE, "value": bundle.reference(f"{contract.BUNDLE_MOUNT}/{MODEL_KEY}", data)}],
            "resources": main["resources"],
            "securityContext": main["securityContext"],
            "volumeMounts": [*scratch, {"name": "model", "mountPath": contract.BUNDLE_MOUNT, "readOnly": True}],
        }
    )
    document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(workload, name)}
    return [{**document, "data": {MODEL_KEY: data.decode()}}]


def _is_packed(workload: Serving | Transform) -> bool:
    return workload.model.endswith(".tar.gz")
