"""From a notebook to the requests that make its image one of SageMaker Studio's."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.platforms.sagemaker import request_parts
from lyftlearn_image.platforms.sagemaker.overflow import Room, divide

if TYPE_CHECKING:
    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.workload import Notebook

IMAGE = "CreateImage"
IMAGE_VERSION = "CreateImageVersion"
APP_CONFIG = "CreateAppImageConfig"
# CreateImageVersion's ClientToken has at most 36 characters; it makes sending the same request again harmless.
_TOKEN_CHARACTERS = 36


def compile_notebook(workload: Notebook, launch: Launch) -> Compiled:
    """CreateImage, CreateImageVersion and CreateAppImageConfig: attach the latter to a domain, and JupyterLab offers it.

    Arguments alone keep the image's ENTRYPOINT, the shim (developer guide, studio-updated-jl-admin-guide-custom-images).
    """
    room = Room(APP_CONFIG, "JupyterLabAppImageConfig.ContainerConfig.ContainerEnvironmentVariables")
    environment, _, objects, _ = divide(workload, launch, room)
    container: dict[str, Any] = {"ContainerArguments": ["notebook", *workload.arguments]}
    if environment:
        container["ContainerEnvironmentVariables"] = environment
    token = hashlib.sha256(f"{launch.job_name}\n{workload.image}".encode()).hexdigest()[:_TOKEN_CHARACTERS]
    image = {"ImageName": launch.job_name, "RoleArn": launch.role_arn, **request_parts.tags(workload)}
    version = {"BaseImage": workload.image, "ClientToken": token, "ImageName": launch.job_name}
    app = {
        "AppImageConfigName": launch.job_name,
        **request_parts.tags(workload),
        "JupyterLabAppImageConfig": {
            "FileSystemConfig": {"DefaultUid": workload.studio_uid, "DefaultGid": workload.studio_gid},
            "ContainerConfig": container,
        },
    }
    return Compiled("sagemaker", APP_CONFIG, (image, version, app), objects, actions=(IMAGE, IMAGE_VERSION, APP_CONFIG))
