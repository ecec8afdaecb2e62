"""The local API's models and endpoints: what there is, and the threads in which endpoints serve.

Source: API reference, Create…, Describe… and Delete… of Model, EndpointConfig and Endpoint; the words of errors are those of
the service's answers.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker.local_api.errors import ServiceError
from lyftlearn_image.emulation.sagemaker.local_api.log import Log
from lyftlearn_image.emulation.sagemaker.local_api.resources import ResourceStore, ResourceType
from lyftlearn_image.emulation.sagemaker.local_api.runtime import Runtime
from lyftlearn_image.emulation.sagemaker.serving import endpoint as endpoints, model as models
from lyftlearn_image.emulation.sagemaker.serving.endpoint import EndpointSpec
from lyftlearn_image.errors import LyftlearnError
from lyftlearn_image.platforms.sagemaker import job_kinds
from lyftlearn_image.platforms.sagemaker.actions import ENDPOINT, ENDPOINT_CONFIG, MODEL, TRANSFORM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.sagemaker.context import Context
    from lyftlearn_image.emulation.sagemaker.local_api.resources import Resource

_FLUSH_S = 0.2
_MODEL = ResourceType("Model", "model", "model", is_dated=False)
_CONFIG = ResourceType("EndpointConfig", "endpoint configuration", "endpoint-config", is_dated=False)
_ENDPOINT = ResourceType("Endpoint", "endpoint", "endpoint")


class Hosting:
    """Models, endpoint configurations and endpoints. `runtime` is what invokes those in service; see `runtime.serve`."""

    def __init__(self, context: Context, endpoint: AwsEndpoint, workspace: Path) -> None:
        self.runtime = Runtime(context.account)
        self.resources = ResourceStore(context.account)
        self._context = context
        self._logs: Any = endpoint.client("logs")
        self._workspace = workspace
        self._numbers = itertools.count(1)

    def handle(self, action: str, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer to an action, None for one that is not about these. Raises ServiceError."""
        if action == TRANSFORM:
            self.resources.get(_MODEL, request.get("ModelName", ""))
            return None
        creates: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            MODEL: self._create_model, ENDPOINT_CONFIG: self._create_config, ENDPOINT: self._create_endpoint,
        }  # fmt: skip
        if action in creates:
            try:
                return creates[action](request)
            except LyftlearnError as error:
                raise ServiceError("ValidationException", str(error)) from None
        for kind in (_MODEL, _CONFIG, _ENDPOINT):
            if action == f"Describe{kind.stem}":
                return self.resources.describe(kind, request.get(kind.name_field, ""))
            if action == f"Delete{kind.stem}":
                self._delete(kind, request.get(kind.name_field, ""))
                return {}
        return None

    def model_requests(self, transform_job: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
        """The CreateModel request that a transform job's ModelName means."""
        return (self.resources.get(_MODEL, transform_job["ModelName"]).request,)

    def _create_model(self, request: Mapping[str, Any]) -> dict[str, Any]:
        models.validate(request)
        models.check_model_data(request, self._context.s3)
        return _arn(_MODEL, self.resources.create(_MODEL, request["ModelName"], request))

    def _create_config(self, request: Mapping[str, Any]) -> dict[str, Any]:
        endpoints.validate(request)
        for variant in request["ProductionVariants"]:
            self.resources.get(_MODEL, variant["ModelName"])
        return _arn(_CONFIG, self.resources.create(_CONFIG, request["EndpointConfigName"], request))

    def _create_endpoint(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request.get("EndpointName", "")
        config = self.resources.get(_CONFIG, request.get("EndpointConfigName", "")).request
        endpoints.validate(config, request)
        model_requests = {
            variant["ModelName"]: self.resources.get(_MODEL, variant["ModelName"]).request
            for variant in config["ProductionVariants"]
        }
        endpoint = self.resources.create(
            _ENDPOINT, name, request, EndpointStatus="Creating", ProductionVariants=_variant_summaries(config)
        )
        spec = EndpointSpec(name, config, model_requests)
        workspace = self._workspace / f"{name}-{next(self._numbers)}"
        endpoint.thread = threading.Thread(target=self._serve, args=(endpoint, spec, workspace), daemon=True)
        endpoint.thread.start()
        return _arn(_ENDPOINT, endpoint)

    def _serve(self, resource: Resource, spec: EndpointSpec, workspace: Path) -> None:
        """One endpoint's life, in its own thread."""
        variant = spec.config["ProductionVariants"][0]["VariantName"]
        log = Log(self._logs, f"{job_kinds.ENDPOINT.log_group}/{spec.name}", f"{variant}/i-0")
        try:
            running = endpoints.run_endpoint(self._context, spec, workspace, on_line=log.add, is_over=resource.stop.is_set)
            with running as endpoint:
                self.runtime.add(endpoint)
                self.resources.update(resource, EndpointStatus="InService")
                while not resource.stop.wait(_FLUSH_S):
                    log.flush()
                self.runtime.remove(spec.name)
        except LyftlearnError as error:
            self.resources.update(resource, EndpointStatus="Failed", FailureReason=error.what)
        except Exception as error:  # noqa: BLE001 - an endpoint whose thread has ended must not seem to be created for ever
            reason = f"InternalServerError: {type(error).__name__}"
            self.resources.update(resource, EndpointStatus="Failed", FailureReason=reason)
        finally:
            with contextlib.suppress(Exception):  # the local AWS endpoint may be gone by now
                log.flush()
            if resource.stop.is_set():
                self.resources.remove(_ENDPOINT, spec.name)

    def _delete(self, kind: ResourceType, name: str) -> None:
        resource = self.resources.get(kind, name)
        if resource.is_running:
            # It goes when its containers are gone.
            self.resources.update(resource, EndpointStatus="Deleting")
            resource.stop.set()
        else:
            self.resources.remove(kind, name)


def _arn(kind: ResourceType, resource: Resource) -> dict[str, Any]:
    return {kind.arn_field: resource.description[kind.arn_field]}


def _variant_summaries(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """ProductionVariants of DescribeEndpoint."""
    summaries = []
    for variant in config["ProductionVariants"]:
        count, weight = variant.get("InitialInstanceCount", 1), variant.get("InitialVariantWeight", 1.0)
        counts = {"CurrentInstanceCount": count, "DesiredInstanceCount": count}
        summaries.append({"VariantName": variant["VariantName"], **counts, "CurrentWeight": weight, "DesiredWeight": weight})
    return summaries
