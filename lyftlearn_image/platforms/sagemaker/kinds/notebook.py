"""From a notebook to the requests that make its image one of SageMaker Studio's."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.platforms.sagemaker import actions
from lyftlearn_image.platforms.sagemaker.kind import WorkloadKind
from lyftlearn_image.platforms.sagemaker.overflow import Slots
from lyftlearn_image.platforms.sagemaker.request_parts import request_parts, set_members

if TYPE_CHECKING:
    from lyftlearn_image.platforms.launch import Launch
    from lyftlearn_image.workload import Notebook

# CreateImageVersion's ClientToken has at most 36 characters; it makes sending the same request again harmless.
_TOKEN_CHARACTERS = 36
_SLOTS = Slots(actions.APP_CONFIG, environment="JupyterLabAppImageConfig.ContainerConfig.ContainerEnvironmentVariables")


def compile_notebook(workload: Notebook, launch: Launch) -> Compiled:
    """CreateImage, CreateImageVersion and CreateAppImageConfig: attach the latter to a domain, and JupyterLab offers it.

    Arguments alone keep the image's ENTRYPOINT, the shim (developer guide, studio-updated-jl-admin-guide-custom-images).
    """
    parts = request_parts(workload, launch, _SLOTS)
    token = hashlib.sha256(f"{launch.job_name}\n{workload.image}".encode()).hexdigest()[:_TOKEN_CHARACTERS]
    image = {"ImageName": launch.job_name, "RoleArn": launch.role_arn, "Tags": parts.tags}
    version = {"BaseImage": workload.image, "ClientToken": token, "ImageName": launch.job_name}
    app = {
        "AppImageConfigName": launch.job_name,
        "Tags": parts.tags,
        "JupyterLabAppImageConfig": {
            "FileSystemConfig": {"DefaultUid": workload.studio_uid, "DefaultGid": workload.studio_gid},
            "ContainerConfig": {
                "ContainerArguments": ["notebook", *workload.arguments],
                "ContainerEnvironmentVariables": parts.environment,
            },
        },
    }
    return Compiled(
        "sagemaker",
        actions.APP_CONFIG,
        (set_members(image), version, set_members(app)),
        parts.objects,
        actions=(actions.IMAGE, actions.IMAGE_VERSION, actions.APP_CONFIG),
    )


KIND = WorkloadKind(
    compile=compile_notebook,
    log_group="studio",
    log_streams="*",
    is_job=False,
    writes=lambda _: False,
    has_own_network=False,
    arguments=("arguments", 1),
    ignored=("storage_gb", "storage_class", "network", "encryption"),
)
