"""An endpoint on this machine: its variants' containers, started, asked for their health, and invoked.

Sources: SageMaker developer guide, your-algorithms-inference-code (health, time limits, stopping); API reference,
CreateEndpointConfig, CreateEndpoint and InvokeEndpoint. Reasons and messages are the service's words, as seen in the threads
that stand beside them.
"""

from __future__ import annotations

import contextlib
import random
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker import fields
from lyftlearn_image.emulation.sagemaker.serving import model as models
from lyftlearn_image.emulation.sagemaker.serving.model_server import STOP_GRACE_S, ModelServer
from lyftlearn_image.emulation.sagemaker.serving.multi_model import MultiModelServer
from lyftlearn_image.errors import InvalidInputError, LyftlearnError
from lyftlearn_image.platforms.sagemaker.actions import ENDPOINT, ENDPOINT_CONFIG
from lyftlearn_image.platforms.sagemaker.api_model import validate_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from lyftlearn_image.emulation.docker.container_spec import ContainerSpec
    from lyftlearn_image.emulation.docker.running_container import RunningContainer
    from lyftlearn_image.emulation.sagemaker.context import Context

# "SageMaker waits 8 minutes" where ContainerStartupHealthCheckTimeoutInSeconds does not say (your-algorithms-inference-code).
_START_TIMEOUT_S = 8 * 60
# The pace of the pings of a container in service is not documented, nor how many it may miss.
_PING_PERIOD_S = 5.0
# aws/amazon-sagemaker-examples#1113.
_NO_PING = (
    "The primary container for production variant {variant} did not pass the ping health check. "
    "Please check CloudWatch logs for this endpoint."
)


class EndpointFailedError(LyftlearnError):
    """The endpoint did not come into service; the text is its FailureReason."""


@dataclass
class _Instance:
    """One container of a variant, and what is known of its health."""

    server: ModelServer
    running: RunningContainer
    is_healthy: bool = True


@dataclass
class Variant:
    """A production variant: its share of the traffic is its weight."""

    name: str
    weight: float
    instances: list[_Instance] = field(default_factory=list)


@dataclass(frozen=True)
class Endpoint:
    """An endpoint in service."""

    name: str
    variants: tuple[Variant, ...]

    def choose(self, target_variant: str | None) -> tuple[str, ModelServer] | None:
        """Variant and server for a request: by weight, or of the `target_variant`. None when no container runs.

        Which instance has it is chance among the healthy ones; a busy one that misses a ping is asked only when none is.
        Raises InvalidInputError for a variant that is not there.
        """
        variants = [variant for variant in self.variants if target_variant in (None, variant.name)]
        if not variants:
            raise InvalidInputError(f"Variant {target_variant} of endpoint {self.name} not found.")
        running = {variant.name: [one for one in variant.instances if one.running.wait(0) is None] for variant in variants}
        weights = [variant.weight if running[variant.name] else 0.0 for variant in variants]
        if not any(weights):
            return None
        (chosen,) = random.choices(variants, weights)  # noqa: S311 - traffic, no secret
        instances = running[chosen.name]
        return chosen.name, random.choice([one for one in instances if one.is_healthy] or instances).server  # noqa: S311


@dataclass(frozen=True)
class EndpointSpec:
    """What an endpoint is made of: its CreateEndpointConfig request, and the CreateModel requests by ModelName.

    `generation` tells the containers of an update from those that they replace.
    """

    name: str
    config: Mapping[str, Any]
    models: Mapping[str, Mapping[str, Any]]
    generation: int = 1


def validate(config: Mapping[str, Any], request: Mapping[str, Any] | None = None) -> None:
    """Refuses what CreateEndpointConfig and CreateEndpoint would refuse, and what is not implemented here."""
    validate_request(ENDPOINT_CONFIG, config)
    fields.refuse_unknown(config, fields.ENDPOINT_CONFIG)
    if request is not None:
        validate_request(ENDPOINT, request)
        fields.refuse_unknown(request, fields.ENDPOINT)
    if "S3OutputPath" not in config.get("AsyncInferenceConfig", {"OutputConfig": {"S3OutputPath": ""}})["OutputConfig"]:
        raise InvalidInputError("AsyncInferenceConfig.OutputConfig.S3OutputPath is needed: there is no bucket by default")
    for variant in config["ProductionVariants"]:
        if missing := {"ModelName", "InstanceType"} - variant.keys():
            raise InvalidInputError(f"the variant {variant['VariantName']} has no {' and no '.join(sorted(missing))}")


@contextlib.contextmanager
def run_endpoint(
    context: Context,
    spec: EndpointSpec,
    workspace: Path,
    *,
    on_line: Callable[[str], None] | None = None,
    is_over: Callable[[], bool] = lambda: False,
) -> Iterator[Endpoint]:
    """The endpoint, all of whose containers have answered /ping; they are stopped at the end (SIGTERM, SIGKILL after 30 s).

    Each instance writes to `<variant>/<number>/stdout` and `stderr` below `workspace`; `on_line` gets the lines of all.
    `is_over` ends the wait for health. Raises EndpointFailedError with the service's reason.
    """
    ended = threading.Event()
    with contextlib.ExitStack() as stack:
        variants = []
        for config in spec.config["ProductionVariants"]:
            variant = Variant(config["VariantName"], config.get("InitialVariantWeight", 1.0))
            model = _prepare_model(spec.models[config["ModelName"]], workspace / variant.name, context)
            for number in range(config.get("InitialInstanceCount", 1)):
                name = f"{spec.name}-{variant.name}-{number}" + f"-{spec.generation}" * (spec.generation > 1)
                directory = workspace / variant.name / str(number)
                own = _with_own_models(model, directory)
                container = models.container_spec(own, context, config["InstanceType"], name=name)
                started = _start(context, container, directory, on_line)
                running = stack.enter_context(started)
                stack.callback(running.stop, STOP_GRACE_S)
                variant.instances.append(_Instance(_server(str(container.ip), own, context), running))
            timeout_s = config.get("ContainerStartupHealthCheckTimeoutInSeconds", _START_TIMEOUT_S)
            for instance in variant.instances:
                if not instance.server.wait_until_healthy(instance.running, timeout_s, is_over):
                    raise EndpointFailedError(_NO_PING.format(variant=variant.name))
            variants.append(variant)
        thread = threading.Thread(target=_ping_periodically, args=(variants, ended), daemon=True)
        thread.start()
        try:
            yield Endpoint(spec.name, tuple(variants))
        finally:
            ended.set()
            thread.join()


def _with_own_models(model: models.Model, directory: Path) -> models.Model:
    """The model of one instance: each one of a multi-model container loads its own models."""
    if not model.prefix:
        return model
    (directory / "models").mkdir(parents=True)
    return replace(model, directory=directory / "models")


def _server(host: str, model: models.Model, context: Context) -> ModelServer:
    return MultiModelServer(host, model.prefix, model.directory, context.s3) if model.prefix else ModelServer(host)


def _start(
    context: Context, container: ContainerSpec, directory: Path, on_line: Callable[[str], None] | None
) -> AbstractContextManager[RunningContainer]:
    directory.mkdir(parents=True, exist_ok=True)
    on_chunk = _Lines(on_line) if on_line else None
    return context.containers.start(container, stdout=directory / "stdout", stderr=directory / "stderr", on_chunk=on_chunk)


class _Lines:
    """Whole lines of both streams of one container, as they come."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._pending: dict[str, bytes] = {}

    def __call__(self, stream: str, data: bytes) -> None:
        *lines, self._pending[stream] = (self._pending.get(stream, b"") + data).split(b"\n")
        for line in lines:
            self._on_line(line.decode("utf-8", "replace"))


def _prepare_model(request: Mapping[str, Any], workspace: Path, context: Context) -> models.Model:
    try:
        return models.prepare(request, workspace, context.s3)
    except models.ModelDataError as error:
        raise EndpointFailedError(str(error)) from None


def _ping_periodically(variants: list[Variant], ended: threading.Event) -> None:
    while not ended.wait(_PING_PERIOD_S):
        for variant in variants:
            for instance in variant.instances:
                instance.is_healthy = instance.server.ping()
