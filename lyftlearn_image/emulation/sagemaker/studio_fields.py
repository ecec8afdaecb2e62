"""Which fields of the requests about SageMaker Studio are implemented; see `fields`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_ANY_ROLE = "the local endpoint takes any identity"
_NO_TAGS = "tags are for the account, not for the container"
_ABOUT_IMAGE = "it describes the image and changes nothing in it"
_ONE_NETWORK = "the run's own network stands for the VPC"
_ONE_USER = "whoever reaches this machine's loopback may use the app"
IMAGE: Mapping[str, str | None] = {"ImageName": None, "RoleArn": _ANY_ROLE, "Tags": _NO_TAGS}
IMAGE_VERSION: Mapping[str, str | None] = {
    "ImageName": None,
    "BaseImage": None,
    "ClientToken": "it makes sending the request again harmless, and here it is sent once",
    "JobType": _ABOUT_IMAGE,
    "MLFramework": _ABOUT_IMAGE,
    "ProgrammingLang": _ABOUT_IMAGE,
    "ReleaseNotes": _ABOUT_IMAGE,
}
_JUPYTERLAB = "JupyterLabAppImageConfig"
APP_IMAGE_CONFIG: Mapping[str, str | None] = {
    "AppImageConfigName": None,
    "Tags": _NO_TAGS,
    f"{_JUPYTERLAB}.FileSystemConfig.DefaultUid": None,
    f"{_JUPYTERLAB}.FileSystemConfig.DefaultGid": None,
    f"{_JUPYTERLAB}.FileSystemConfig.MountPath": None,
    f"{_JUPYTERLAB}.ContainerConfig.ContainerEntrypoint[]": None,
    f"{_JUPYTERLAB}.ContainerConfig.ContainerArguments[]": None,
    f"{_JUPYTERLAB}.ContainerConfig.ContainerEnvironmentVariables.*": None,
}
_CUSTOM_IMAGES = "DefaultUserSettings.JupyterLabAppSettings.CustomImages[]"
DOMAIN: Mapping[str, str | None] = {
    "DomainName": None,
    "AuthMode": _ONE_USER,
    "SubnetIds": _ONE_NETWORK,
    "VpcId": _ONE_NETWORK,
    "AppNetworkAccessType": _ONE_NETWORK,
    "Tags": _NO_TAGS,
    "DefaultUserSettings.ExecutionRole": _ANY_ROLE,
    "DefaultUserSettings.SecurityGroups": _ONE_NETWORK,
    f"{_CUSTOM_IMAGES}.ImageName": None,
    f"{_CUSTOM_IMAGES}.AppImageConfigName": None,
}
SPACE: Mapping[str, str | None] = {
    "DomainId": None,
    "SpaceName": None,
    "Tags": _NO_TAGS,
    "OwnershipSettings": _ONE_USER,
    "SpaceSharingSettings": _ONE_USER,
    "SpaceDisplayName": "it is for people, and changes nothing in the app",
    "SpaceSettings.AppType": None,
}
APP: Mapping[str, str | None] = {
    "DomainId": None,
    "SpaceName": None,
    "AppType": None,
    "AppName": None,
    "Tags": _NO_TAGS,
    "ResourceSpec.InstanceType": None,
    "ResourceSpec.SageMakerImageArn": None,
    "ResourceSpec.SageMakerImageVersionArn": None,
}
# Of the implemented fields, the values that are implemented.
VALUES: Mapping[str, tuple[object, ...]] = {
    # "The home directory is /home/sagemaker-user and cannot be changed" (developer guide, studio-updated-byoi-specs).
    f"{_JUPYTERLAB}.FileSystemConfig.MountPath": ("/home/sagemaker-user",),
    "AppType": ("JupyterLab",),
    "AppName": ("default",),
    "SpaceSettings.AppType": ("JupyterLab",),
}
