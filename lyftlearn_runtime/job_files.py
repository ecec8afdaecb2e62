"""On Kubernetes, the files that SageMaker writes for a job, so that a script of either kind finds them.

Shapes: SageMaker developer guide, your-algorithms-training-algo-running-container and byoc-input-and-output.
"""

from __future__ import annotations

import json
import os

from lyftlearn_runtime import cluster, contract, files
from lyftlearn_runtime.context import PROCESSING_CONFIG, RESOURCE_CONFIG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from lyftlearn_runtime.bundle import Bundle, Transfer

_INPUT_CONFIG = "/opt/ml/input/config/inputdataconfig.json"
_PROCESSING_RESOURCES = "/opt/ml/config/resourceconfig.json"
_PROCESSING_INPUT = contract.PROCESSING_DIR + "/input/"


def place(given: Bundle) -> None:
    """Writes them for the bundle's job. A file that is there already, mounted by the team, stays."""
    if given.job.kind == "training":
        _write(RESOURCE_CONFIG, cluster.resource_config(given.job.instance_type))
        _write(_INPUT_CONFIG, {name: _channel() for name in given.channels})
    else:
        _write(_PROCESSING_RESOURCES, cluster.resource_config(given.job.instance_type))
        _write(PROCESSING_CONFIG, _processing(given))


def _channel() -> dict[str, str]:
    return {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}


def _processing(given: Bundle) -> dict[str, Any]:
    """What a pod knows of the job: no ARN, role or volume size, which only the service has."""
    return {
        "ProcessingJobName": given.job.name,
        "Environment": dict(given.environment),
        "ProcessingInputs": [_input(one) for one in given.downloads],
        "ProcessingOutputConfig": {"Outputs": [_output(one) for one in given.uploads], "KmsKeyId": None},
        "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": given.job.instance_type}},
    }


def _input(one: Transfer) -> dict[str, Any]:
    name = one.path[len(_PROCESSING_INPUT) :] if one.path.startswith(_PROCESSING_INPUT) else os.path.basename(one.path)
    source = {
        "LocalPath": one.path,
        "S3Uri": one.uri,
        "S3DataDistributionType": "FullyReplicated",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
        "S3CompressionType": "None",
    }
    return {"InputName": name, "S3Input": source}


def _output(one: Transfer) -> dict[str, Any]:
    name = one.uri.rstrip("/").rpartition("/")[2]
    return {"OutputName": name, "S3Output": {"LocalPath": one.path, "S3Uri": one.uri, "S3UploadMode": "EndOfJob"}}


def _write(path: str, document: Mapping[str, Any]) -> None:
    if not os.path.exists(path):
        files.replace(path, json.dumps(document).encode())
