"""The `/opt/ml` tree of a job, with the config files in their documented shapes.

Sources: SageMaker developer guide, pages your-algorithms-training-algo-running-container and byoc-input-and-output;
the further keys of resourceconfig.json are those seen in real jobs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_GROUP = "homogeneousCluster"


def resource_config(instance_type: str, names: Sequence[str], index: int) -> dict[str, Any]:
    """resourceconfig.json of a job's host number `index`.

    The hosts of the group are in another order than `hosts`, as in real jobs: who takes ranks from there must notice.
    """
    return {
        "current_host": names[index],
        "current_instance_type": instance_type,
        "current_group_name": _GROUP,
        "hosts": sorted(names),
        "instance_groups": [{"instance_group_name": _GROUP, "instance_type": instance_type, "hosts": list(names[::-1])}],
        "network_interface_name": "eth0",
        "topology": None,
    }


def input_data_config(channels: list[Mapping[str, Any]], default_mode: str) -> dict[str, Any]:
    """inputdataconfig.json: channel → what it is. FastFile shows as File, as the guide says today."""
    config = {}
    for channel in channels:
        source = channel["DataSource"]["S3DataSource"]
        mode = channel.get("InputMode", default_mode)
        entry = {
            "TrainingInputMode": "File" if mode == "FastFile" else mode,
            "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
        }
        config[channel["ChannelName"]] = {"ContentType": channel["ContentType"], **entry} if "ContentType" in channel else entry
    return config


def processing_job_config(request: Mapping[str, Any], arn: str) -> dict[str, Any]:
    """processingjobconfig.json: the request with its ARN, and null where the guide shows null."""
    app = request["AppSpecification"]
    cluster = request["ProcessingResources"]["ClusterConfig"]
    return {
        "ProcessingJobArn": arn,
        "ProcessingJobName": request["ProcessingJobName"],
        "AppSpecification": {
            "ImageUri": app["ImageUri"],
            "ContainerEntrypoint": app.get("ContainerEntrypoint"),
            "ContainerArguments": app.get("ContainerArguments"),
        },
        "Environment": dict(request.get("Environment", {})),
        "ProcessingInputs": [dict(one) for one in request.get("ProcessingInputs", [])],
        "ProcessingOutputConfig": {
            "Outputs": [dict(one) for one in request.get("ProcessingOutputConfig", {}).get("Outputs", [])],
            "KmsKeyId": request.get("ProcessingOutputConfig", {}).get("KmsKeyId"),
        },
        "ProcessingResources": {"ClusterConfig": {"VolumeKmsKeyId": None, **cluster}},
        "RoleArn": request["RoleArn"],
        "StoppingCondition": dict(request.get("StoppingCondition", {})),
    }


def write_json(path: Path, document: object) -> None:
    """A config file, with its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
