"""The local API's Studio: images, domains, spaces and the JupyterLab apps that run in them.

An app's image is that of its ResourceSpec; its AppImageConfig is the one that the domain has for this image under
JupyterLabAppSettings.CustomImages. Where JupyterLab is, DescribeSpace says as `Url`. Source: API reference, the actions of
_ACTIONS; developer guide, studio-updated-byoi-how-to; the log group: "Log groups and streams that SageMaker sends".
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker import fields, studio_app
from lyftlearn_image.emulation.sagemaker.local_api.errors import ServiceError
from lyftlearn_image.emulation.sagemaker.local_api.log import Log
from lyftlearn_image.emulation.sagemaker.local_api.resources import ResourceStore, ResourceType
from lyftlearn_image.errors import LyftlearnError, UnsupportedError
from lyftlearn_image.platforms.sagemaker.actions import APP_CONFIG, IMAGE, IMAGE_VERSION
from lyftlearn_image.platforms.sagemaker.api_model import output_members, validate_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.sagemaker.context import Context
    from lyftlearn_image.emulation.sagemaker.local_api.resources import Resource

DOMAIN, SPACE, APP = "CreateDomain", "CreateSpace", "CreateApp"
_LOG_GROUP = "/aws/sagemaker/studio"
_FLUSH_S = 0.2
_TYPES = {
    create: ResourceType(stem, label, label.replace(" ", "-"), missing_code="ResourceNotFound", exists_code="ResourceInUse")
    for create, stem, label in (
        (IMAGE, "Image", "image"),
        (IMAGE_VERSION, "ImageVersion", "image version"),
        (APP_CONFIG, "AppImageConfig", "app image config"),
        (DOMAIN, "Domain", "domain"),
        (SPACE, "Space", "space"),
        (APP, "App", "app"),
    )
}
_FIELDS = {DOMAIN: fields.DOMAIN, SPACE: fields.SPACE, APP: fields.APP}


class Studio:
    """Images, app image configs, domains, spaces and apps. A space's files are below `workspace` as long as this is there."""

    def __init__(self, context: Context, endpoint: AwsEndpoint, workspace: Path) -> None:
        self.resources = ResourceStore(context.account)
        self._context = context
        self._logs: Any = endpoint.client("logs")
        self._workspace = workspace

    def handle(self, action: str, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer to an action, None for one that is not about these. Raises ServiceError."""
        creates: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            IMAGE: self._create_image, IMAGE_VERSION: self._create_version, APP_CONFIG: self._create_app_config,
            DOMAIN: self._create_domain, SPACE: self._create_space, APP: self._create_app,
        }  # fmt: skip
        if action in creates:
            try:
                self._validate(action, request)
                return creates[action](request)
            except LyftlearnError as error:
                raise ServiceError("ValidationException", str(error)) from None
        for create, kind in _TYPES.items():
            if action == f"Describe{kind.stem}":
                described = self.resources.describe(kind, self._name(create, request))
                members = output_members(action)
                return {name: value for name, value in described.items() if name in members}
            if action == f"Delete{kind.stem}":
                self._delete(kind, self._name(create, request))
                return {}
        return None

    @staticmethod
    def _validate(action: str, request: Mapping[str, Any]) -> None:
        if action in _FIELDS:
            validate_request(action, request)
            fields.refuse_unknown(request, _FIELDS[action])
        else:
            studio_app.validate(action, request)

    def _name(self, create: str, request: Mapping[str, Any]) -> str:
        """The name by which the resource of a Describe or Delete request is kept. Without a version the latest is meant."""
        if create == DOMAIN:
            return str(request.get("DomainId", ""))
        if create == SPACE:
            return f"{request.get('DomainId')}/{request.get('SpaceName')}"
        if create == APP:
            return _app_name(request)
        if create == IMAGE_VERSION:
            image = str(request.get("ImageName", ""))
            return f"{image}/{request.get('Version') or self._latest_version(image)}"
        return str(request.get(_TYPES[create].name_field, ""))

    def _create_image(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return self._create(IMAGE, request["ImageName"], request, ImageStatus="CREATED")

    def _create_version(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request["ImageName"]
        image = self.resources.get(_TYPES[IMAGE], name)
        version = self._latest_version(name) + 1
        arn = image.description["ImageArn"]
        return self._create(
            IMAGE_VERSION, f"{name}/{version}", request, ImageArn=arn, Version=version, ImageVersionStatus="CREATED"
        )

    def _create_app_config(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return self._create(APP_CONFIG, request["AppImageConfigName"], request)

    def _create_domain(self, request: Mapping[str, Any]) -> dict[str, Any]:
        for custom in _custom_images(request):
            self.resources.get(_TYPES[IMAGE], custom["ImageName"])
            self.resources.get(_TYPES[APP_CONFIG], custom["AppImageConfigName"])
        domain_id = f"d-{uuid.uuid4().hex[:12]}"
        return {**self._create(DOMAIN, domain_id, request, DomainId=domain_id, Status="InService"), "DomainId": domain_id}

    def _create_space(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.resources.get(_TYPES[DOMAIN], request["DomainId"])
        return self._create(SPACE, f"{request['DomainId']}/{request['SpaceName']}", request, Status="InService")

    def _create_app(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if "SpaceName" not in request:
            raise UnsupportedError("the embedded target runs apps in spaces only", hint="Give a SpaceName.")
        domain = self.resources.get(_TYPES[DOMAIN], request["DomainId"]).request
        space = self.resources.get(_TYPES[SPACE], f"{request['DomainId']}/{request['SpaceName']}")
        spec = self._app_spec(request, domain)
        name = _app_name(request)
        answer = self._create(APP, name, request, Status="Pending")
        app = self.resources.get(_TYPES[APP], name)
        app.thread = threading.Thread(target=self._run, args=(app, space, spec), daemon=True)
        app.thread.start()
        return answer

    def _app_spec(self, request: Mapping[str, Any], domain: Mapping[str, Any]) -> studio_app.AppSpec:
        resource_spec = request.get("ResourceSpec", {})
        version = self._image_version(resource_spec)
        name = version["ImageName"]
        config = next((one["AppImageConfigName"] for one in _custom_images(domain) if one["ImageName"] == name), None)
        if config is None:
            raise ServiceError("ValidationException", f"The image {name} is not attached to domain {request['DomainId']}.")
        return studio_app.AppSpec(
            image_name=name,
            base_image=version["BaseImage"],
            config=self.resources.get(_TYPES[APP_CONFIG], config).request,
            space=request["SpaceName"],
            domain_id=request["DomainId"],
            instance_type=resource_spec.get("InstanceType", studio_app.DEFAULT_INSTANCE_TYPE),
        )

    def _image_version(self, resource_spec: Mapping[str, Any]) -> Mapping[str, Any]:
        """The CreateImageVersion request that a ResourceSpec means: a version, or the latest one of an image."""
        arn = resource_spec.get("SageMakerImageVersionArn") or resource_spec.get("SageMakerImageArn")
        if arn is None:
            raise UnsupportedError(
                "the embedded target has none of Studio's own images", hint="Give a ResourceSpec.SageMakerImageArn."
            )
        resource_type, _, name = str(arn).rpartition(":")[2].partition("/")
        if resource_type == _TYPES[IMAGE].arn_type:
            name = f"{name}/{self._latest_version(name)}"
        return self.resources.get(_TYPES[IMAGE_VERSION], name).request

    def _latest_version(self, image: str) -> int:
        versions = [name.rpartition("/") for name in self.resources.names(_TYPES[IMAGE_VERSION])]
        return max((int(number) for name, _, number in versions if name == image), default=0)

    def _run(self, app: Resource, space: Resource, spec: studio_app.AppSpec) -> None:
        """One app's life, in its own thread."""
        log = Log(self._logs, _LOG_GROUP, f"{spec.domain_id}/{spec.space}/JupyterLab/default")
        workspace = self._workspace / spec.domain_id / spec.space
        workspace.mkdir(parents=True, exist_ok=True)
        try:
            running = studio_app.run_app(self._context, spec, workspace, on_line=log.add, is_over=app.stop.is_set)
            with running as jupyterlab:
                self.resources.update(space, Url=jupyterlab.url)
                self.resources.update(app, Status="InService")
                while not app.stop.wait(_FLUSH_S):
                    log.flush()
        except LyftlearnError as error:
            self.resources.update(app, Status="Failed", FailureReason=error.what)
        except Exception as error:  # noqa: BLE001 - an app whose thread has ended must not seem to start for ever
            self.resources.update(app, Status="Failed", FailureReason=f"InternalFailure: {type(error).__name__}")
        finally:
            with contextlib.suppress(Exception):  # the local AWS endpoint may be gone by now
                log.flush()
            if app.stop.is_set():
                self.resources.remove(_TYPES[APP], _app_name(app.request))

    def _delete(self, kind: ResourceType, name: str) -> None:
        resource = self.resources.get(kind, name)
        if resource.is_running:
            self.resources.update(resource, Status="Deleting")
            resource.stop.set()
        else:
            self.resources.remove(kind, name)

    def _create(self, create: str, name: str, request: Mapping[str, Any], **description: Any) -> dict[str, Any]:
        kind = _TYPES[create]
        return {kind.arn_field: self.resources.create(kind, name, request, **description).description[kind.arn_field]}


def _app_name(request: Mapping[str, Any]) -> str:
    return "/".join(str(request.get(name)) for name in ("DomainId", "SpaceName", "AppType", "AppName"))


def _custom_images(domain: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    settings = domain["DefaultUserSettings"].get("JupyterLabAppSettings", {})
    images: list[Mapping[str, Any]] = settings.get("CustomImages", [])
    return images
