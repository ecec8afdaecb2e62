"""The local API's models, endpoint configurations and endpoints; what runs is `endpoint_life`, the registry `model_packages`.

Source: API reference, the actions of Model, EndpointConfig and Endpoint; the words of errors are those of the service's
answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker import fields
from lyftlearn_image.emulation.sagemaker.local_api import listing, variants
from lyftlearn_image.emulation.sagemaker.local_api.endpoint_life import EndpointLives
from lyftlearn_image.emulation.sagemaker.local_api.errors import ServiceError
from lyftlearn_image.emulation.sagemaker.local_api.model_packages import ModelPackages
from lyftlearn_image.emulation.sagemaker.local_api.resources import ResourceStore, ResourceType
from lyftlearn_image.emulation.sagemaker.local_api.runtime import Runtime
from lyftlearn_image.emulation.sagemaker.serving import endpoint as endpoints, model as models
from lyftlearn_image.emulation.sagemaker.serving.endpoint import EndpointSpec
from lyftlearn_image.errors import InvalidInputError, LyftlearnError, UnsupportedError
from lyftlearn_image.platforms.sagemaker.actions import ENDPOINT, ENDPOINT_CONFIG, MODEL, TRANSFORM
from lyftlearn_image.platforms.sagemaker.api_model import validate_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.sagemaker.context import Context
    from lyftlearn_image.emulation.sagemaker.local_api.resources import Resource

_MODEL = ResourceType("Model", "model", "model", is_dated=False)
_CONFIG = ResourceType("EndpointConfig", "endpoint configuration", "endpoint-config", is_dated=False)
_ENDPOINT = ResourceType("Endpoint", "endpoint", "endpoint")
_KINDS = (_MODEL, _CONFIG, _ENDPOINT)
_IN_SERVICE = "InService"


class Hosting:
    """Models, endpoint configurations and endpoints. `runtime` is what invokes those in service; see `runtime_server.serve`."""

    def __init__(self, context: Context, endpoint: AwsEndpoint, workspace: Path) -> None:
        self.runtime = Runtime(context.account, context.s3)
        self.resources = ResourceStore(context.account)
        self._context = context
        self._packages = ModelPackages(self.resources)
        self._lives = EndpointLives(context, endpoint.client("logs"), workspace, self.runtime, self.resources)
        self._actions: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            MODEL: self._create_model,
            ENDPOINT_CONFIG: self._create_config,
            ENDPOINT: self._create_endpoint,
            "UpdateEndpoint": self._update_endpoint,
            "UpdateEndpointWeightsAndCapacities": self._update_weights,
            **{f"{verb}{kind.stem}": answer for kind in _KINDS for verb, answer in self._verbs(kind)},
            **{f"List{kind.stem}s": self._lister(kind) for kind in _KINDS},
            **self._packages.actions,
        }

    def handle(self, action: str, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer to an action, None for one that is not about these. Raises ServiceError."""
        if action == TRANSFORM:
            model = self.resources.get(_MODEL, request.get("ModelName", "")).request
            if model["PrimaryContainer"].get("Mode") == models.MULTI_MODEL:
                raise ServiceError(
                    "ValidationException", "A transform job needs a model whose PrimaryContainer.Mode is SingleModel."
                )
            return None
        if action not in self._actions:
            return None
        try:
            validate_request(action, request)
            return self._actions[action](request)
        except LyftlearnError as error:
            raise ServiceError("ValidationException", str(error)) from None

    def model_requests(self, transform_job: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
        """The CreateModel request that a transform job's ModelName means."""
        return (self.resources.get(_MODEL, transform_job["ModelName"]).request,)

    def _verbs(self, kind: ResourceType) -> tuple[tuple[str, Callable[[Mapping[str, Any]], dict[str, Any]]], ...]:
        return (
            ("Describe", lambda request: self.resources.describe(kind, request[kind.name_field])),
            ("Delete", lambda request: self._delete(kind, request[kind.name_field])),
        )

    def _lister(self, kind: ResourceType) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        status = "EndpointStatus" if kind is _ENDPOINT else ""
        times = ("CreationTime", "LastModifiedTime") if kind.is_dated else ("CreationTime",)
        shown = tuple(filter(None, (kind.name_field, kind.arn_field, *times, status)))

        def answer(request: Mapping[str, Any]) -> dict[str, Any]:
            found = listing.choose(self.resources.descriptions(kind), request, name_field=kind.name_field, status_field=status)
            return listing.page([{name: one[name] for name in shown} for one in found], request, f"{kind.stem}s")

        return answer

    def _create_model(self, request: Mapping[str, Any]) -> dict[str, Any]:
        fields.refuse_unknown(request, fields.MODEL)
        container = _only_container(request)
        # What runs has one container, with the package's image and data; what is described is the request.
        packaged = self._packages.container(container) if "ModelPackageName" in container else dict(container)
        runs = {**{name: value for name, value in request.items() if name != "Containers"}, "PrimaryContainer": packaged}
        models.validate(runs)
        models.check_model_data(runs, self._context.s3)
        told = {"Mode": "SingleModel", "Environment": {}, **container}
        described = {"Containers": [told]} if "Containers" in request else {"PrimaryContainer": told}
        isolation = request.get("EnableNetworkIsolation", False)
        created = self.resources.create(_MODEL, request["ModelName"], request, **described, EnableNetworkIsolation=isolation)
        created.request = runs
        return _arn(_MODEL, created)

    def _create_config(self, request: Mapping[str, Any]) -> dict[str, Any]:
        endpoints.validate(request)
        for variant in request["ProductionVariants"]:
            self.resources.get(_MODEL, variant["ModelName"])
        described = [{"InitialVariantWeight": 1.0, **variant} for variant in request["ProductionVariants"]]
        created = self.resources.create(_CONFIG, request["EndpointConfigName"], request, ProductionVariants=described)
        return _arn(_CONFIG, created)

    def _create_endpoint(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request["EndpointName"]
        config = self.resources.get(_CONFIG, request["EndpointConfigName"]).request
        endpoints.validate(config, request)
        spec = self._spec(name, config)
        described = {"EndpointName": name, "EndpointConfigName": request["EndpointConfigName"]}
        endpoint = self.resources.create(
            _ENDPOINT, name, described, EndpointStatus="Creating", ProductionVariants=variants.summaries(config, spec.models)
        )
        self._lives.start(endpoint, spec, lambda: self.resources.remove(_ENDPOINT, name))
        return _arn(_ENDPOINT, endpoint)

    def _update_endpoint(self, request: Mapping[str, Any]) -> dict[str, Any]:
        fields.refuse_unknown(request, fields.UPDATE_ENDPOINT)
        endpoint = self._updatable(request)
        config = self.resources.get(_CONFIG, request["EndpointConfigName"]).request
        live = endpoint.description["ProductionVariants"]
        self._lives.update(self._spec(request["EndpointName"], variants.retained(config, live, request)))
        return _arn(_ENDPOINT, endpoint)

    def _update_weights(self, request: Mapping[str, Any]) -> dict[str, Any]:
        fields.refuse_unknown(request, fields.UPDATE_ENDPOINT_WEIGHTS_AND_CAPACITIES)
        endpoint = self._updatable(request)
        spec = self._lives.spec(request["EndpointName"])
        config = variants.with_desired(spec.config, request["DesiredWeightsAndCapacities"])
        endpoints.validate(config)
        self._lives.update(EndpointSpec(spec.name, config, spec.models))
        return _arn(_ENDPOINT, endpoint)

    def _updatable(self, request: Mapping[str, Any]) -> Resource:
        endpoint = self.resources.get(_ENDPOINT, request["EndpointName"])
        status = endpoint.description["EndpointStatus"]
        if status != _IN_SERVICE:
            arn = endpoint.description["EndpointArn"]
            which = "failed" if status == "Failed" else "in-progress"
            raise ServiceError("ValidationException", f'Cannot update {which} endpoint "{arn}".')
        return endpoint

    def _spec(self, name: str, config: Mapping[str, Any]) -> EndpointSpec:
        """Raises ServiceError for a model that has been deleted."""
        names = {variant["ModelName"] for variant in config["ProductionVariants"]}
        return EndpointSpec(name, config, {model: self.resources.get(_MODEL, model).request for model in names})

    def _delete(self, kind: ResourceType, name: str) -> dict[str, Any]:
        resource = self.resources.get(kind, name)
        if resource.is_running:
            # It goes when its containers are gone.
            self.resources.update(resource, EndpointStatus="Deleting")
            resource.stop.set()
        else:
            self.resources.remove(kind, name)
        return {}


def _only_container(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """The container of a CreateModel request; a list of one is the same."""
    if "PrimaryContainer" in request and "Containers" in request:
        raise InvalidInputError("PrimaryContainer and Containers stand together in the request", hint="Give one of them.")
    containers = request.get("Containers", [request.get("PrimaryContainer", {})])
    if len(containers) != 1:
        raise UnsupportedError("the embedded target does not implement Containers of more or fewer than one")
    (container,) = containers
    return dict(container)


def _arn(kind: ResourceType, resource: Resource) -> dict[str, Any]:
    return {kind.arn_field: resource.description[kind.arn_field]}
