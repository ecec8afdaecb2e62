"""An endpoint on this machine: its variants' containers, started, asked for their health, and invoked.

Sources: SageMaker developer guide, your-algorithms-inference-code (health, time limits, stopping); API reference,
CreateEndpointConfig, CreateEndpoint and InvokeEndpoint. Reasons and messages are the service's words, as seen in the threads
that stand beside them.
"""

from __future__ import annotations

import contextlib
import random
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker import fields
from lyftlearn_image.emulation.sagemaker.serving import model as models
from lyftlearn_image.emulation.sagemaker.serving.model_server import STOP_GRACE_S, ModelServer
from lyftlearn_image.errors import InvalidInputError, LyftlearnError
from lyftlearn_image.platforms.sagemaker.actions import ENDPOINT, ENDPOINT_CONFIG
from lyftlearn_image.platforms.sagemaker.api_model import validate_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.docker.running_container import RunningContainer
    from lyftlearn_image.emulation.sagemaker.context import Machine

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

    def choose(self, target: str | None) -> tuple[str, ModelServer] | None:
        """Name and server for a request: by weight, or of the `target` variant. None when no container runs.

        Which instance has it is chance among the healthy ones; a busy one that misses a ping is asked only when none is.
        Raises InvalidInputError for a variant that is not there.
        """
        variants = [one for one in self.variants if target in (None, one.name)]
        if not variants:
            raise InvalidInputError(f"Variant {target} of endpoint {self.name} not found.")
        running = {one.name: [each for each in one.instances if each.running.wait(0) is None] for one in variants}
        weights = [one.weight if running[one.name] else 0.0 for one in variants]
        if not any(weights):
            return None
        (chosen,) = random.choices(variants, weights)  # noqa: S311 - traffic, no secret
        instances = running[chosen.name]
        return chosen.name, random.choice([one for one in instances if one.is_healthy] or instances).server  # noqa: S311


def check(config: Mapping[str, Any], request: Mapping[str, Any] | None = None) -> None:
    """Refuses what the service would refuse, and what is not implemented here."""
    validate_request(ENDPOINT_CONFIG, config)
    fields.refuse_unknown(config, fields.ENDPOINT_CONFIG)
    if request is not None:
        validate_request(ENDPOINT, request)
        fields.refuse_unknown(request, fields.ENDPOINT)
    for variant in config["ProductionVariants"]:
        if missing := {"ModelName", "InstanceType"} - variant.keys():
            raise InvalidInputError(f"the variant {variant['VariantName']} has no {' and no '.join(sorted(missing))}")


@contextlib.contextmanager
def in_service(  # noqa: PLR0913 - what an endpoint is
    machine: Machine,
    name: str,
    config: Mapping[str, Any],
    model_requests: Mapping[str, Mapping[str, Any]],
    workspace: Path,
    *,
    on_line: Callable[[str], None] | None = None,
    is_over: Callable[[], bool] = lambda: False,
) -> Iterator[Endpoint]:
    """The endpoint, all of whose containers have answered /ping; they are stopped at the end (SIGTERM, SIGKILL after 30 s).

    `model_requests` are CreateModel requests by ModelName. Each instance writes to `<variant>/<number>/stdout` and `stderr`
    below `workspace`. `is_over` ends the wait for health. Raises EndpointFailedError with the service's reason.
    """
    over = threading.Event()
    with contextlib.ExitStack() as stack:
        variants = []
        for said in config["ProductionVariants"]:
            variant = Variant(said["VariantName"], said.get("InitialVariantWeight", 1.0))
            model = _model(model_requests[said["ModelName"]], workspace / variant.name, machine)
            for number in range(said.get("InitialInstanceCount", 1)):
                place = workspace / variant.name / str(number)
                place.mkdir(parents=True)
                spec = models.serving_spec(model, machine, said["InstanceType"], name=f"{name}-{variant.name}-{number}")
                on_chunk = _Lines(on_line) if on_line else None
                started = machine.containers.start(spec, stdout=place / "stdout", stderr=place / "stderr", on_chunk=on_chunk)
                running = stack.enter_context(started)
                stack.callback(running.stop, STOP_GRACE_S)
                variant.instances.append(_Instance(ModelServer(str(spec.ip)), running))
            timeout_s = said.get("ContainerStartupHealthCheckTimeoutInSeconds", _START_TIMEOUT_S)
            for one in variant.instances:
                if not one.server.wait_until_healthy(one.running, timeout_s, is_over):
                    raise EndpointFailedError(_NO_PING.format(variant=variant.name))
            variants.append(variant)
        thread = threading.Thread(target=_keep_asking, args=(variants, over), daemon=True)
        thread.start()
        try:
            yield Endpoint(name, tuple(variants))
        finally:
            over.set()
            thread.join()


class _Lines:
    """Whole lines of both streams of one container, as they come."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._pending: dict[str, bytes] = {}

    def __call__(self, stream: str, data: bytes) -> None:
        *lines, self._pending[stream] = (self._pending.get(stream, b"") + data).split(b"\n")
        for line in lines:
            self._on_line(line.decode("utf-8", "replace"))


def _model(request: Mapping[str, Any], host: Path, machine: Machine) -> models.Model:
    try:
        return models.prepare(request, host, machine.s3)
    except models.ModelDataError as error:
        raise EndpointFailedError(str(error)) from None


def _keep_asking(variants: list[Variant], over: threading.Event) -> None:
    while not over.wait(_PING_PERIOD_S):
        for variant in variants:
            for one in variant.instances:
                one.is_healthy = one.server.ping()
