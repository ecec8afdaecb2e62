"""On Kubernetes, the files that SageMaker writes for a job, so that a script of either kind finds them.

Shapes: SageMaker developer guide, your-algorithms-training-algo-running-container and byoc-input-and-output.
"""

from __future__ import annotations

import os

from lyftlearn_runtime import cluster, contract, files
from lyftlearn_runtime.context import PROCESSING_CONFIG, RESOURCE_CONFIG
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.quick_json import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from lyftlearn_runtime.bundle import Bundle, Transfer

_INPUT_CONFIG = "/opt/ml/input/config/inputdataconfig.json"
_PROCESSING_RESOURCES = "/opt/ml/config/resourceconfig.json"
_TRAINING_DIRS = ("input/config", "input/data", "model", "output/data", "checkpoints")


def write_job_files(bundle: Bundle, environ: Mapping[str, str]) -> None:
    """Writes them for the bundle's job. A file that is there already, mounted by the team, stays."""
    resources = cluster.resource_config(bundle.job.instance_type, bundle.job.hosts, _index(bundle.job.hosts, environ))
    if bundle.job.kind == "training":
        for below in _TRAINING_DIRS:
            # A volume over one of them hides what the image has there.
            _make(f"{contract.ML_DIR}/{below}")
        _write(RESOURCE_CONFIG, resources)
        _write(_INPUT_CONFIG, {name: _channel() for name in bundle.channels})
    else:
        _write(_PROCESSING_RESOURCES, resources)
        _write(PROCESSING_CONFIG, _processing(bundle))
        for one in bundle.uploads:
            # "This directory will be created by the platform" (developer guide, build-your-own-processing-container).
            _make(one.path)


def host_uploads(bundle: Bundle, environ: Mapping[str, str]) -> list[Transfer]:
    """Where this pod's outputs go: an archive of any host but the first has the host's number in its name.

    SageMaker puts the files of all hosts into one archive; pods cannot without waiting for each other, and lose nothing so.
    """
    index = _index(bundle.job.hosts, environ) if bundle.job else 0
    return [one._replace(uri=_numbered(one.uri, index)) if index else one for one in bundle.uploads]


def _numbered(uri: str, index: int) -> str:
    directory, slash, name = uri.rpartition("/")
    stem, dot, suffix = name.partition(".")
    return f"{directory}{slash}{stem}-{index}{dot}{suffix}" if name else uri


def _index(hosts: Sequence[str], environ: Mapping[str, str]) -> int:
    """This pod's place among the hosts of an Indexed Job (Kubernetes, "Jobs", completion mode)."""
    value = environ.get("JOB_COMPLETION_INDEX", "0")
    if not hosts:
        return 0
    if not value.isdigit() or int(value) >= len(hosts):
        message = f"JOB_COMPLETION_INDEX is {value!r}; expected 0 to {len(hosts) - 1}, for this job has {len(hosts)} hosts"
        raise ShimError(message, contract.EXIT_CONFIG)
    return int(value)


def _channel() -> dict[str, str]:
    return {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}


def _processing(bundle: Bundle) -> dict[str, Any]:
    """What a pod knows of the job: no ARN, role or volume size, which only the service has."""
    cluster_config = {"InstanceCount": max(1, len(bundle.job.hosts)), "InstanceType": bundle.job.instance_type}
    return {
        "ProcessingJobName": bundle.job.name,
        "Environment": dict(bundle.environment),
        "ProcessingInputs": [_input(name, one) for name, one in _named_inputs(bundle)],
        "ProcessingOutputConfig": {"Outputs": [_output(one) for one in bundle.uploads], "KmsKeyId": None},
        "ProcessingResources": {"ClusterConfig": cluster_config},
    }


def _named_inputs(bundle: Bundle) -> list[tuple[str, Transfer]]:
    """Each input with its name: both lists of a bundle are by the names of the channels."""
    if len(bundle.channels) == len(bundle.downloads):
        return list(zip(sorted(bundle.channels), bundle.downloads))  # noqa: B905 - `strict` needs Python 3.10
    return [(os.path.basename(one.path), one) for one in bundle.downloads]


def _input(name: str, one: Transfer) -> dict[str, Any]:
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


def _make(directory: str) -> None:
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError:
        pass  # a script that needs it says so; most need only some of them


def _write(path: str, document: Mapping[str, Any]) -> None:
    if not os.path.exists(path):
        files.replace(path, dumps(document).encode())
