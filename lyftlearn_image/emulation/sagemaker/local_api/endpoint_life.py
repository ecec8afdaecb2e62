"""Endpoints in service: the thread in which each one starts, is updated, and ends.

An update starts the new containers beside the old ones, which serve until the new ones are healthy; where those do not get
ready the old ones stay, and FailureReason says why (aws-controllers-k8s/sagemaker-controller#7: such an endpoint is InService
again). Source: API reference, UpdateEndpoint; developer guide, deployment-guardrails-blue-green-all-at-once.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker.local_api import variants
from lyftlearn_image.emulation.sagemaker.local_api.log import Log
from lyftlearn_image.emulation.sagemaker.serving import endpoint as endpoints
from lyftlearn_image.errors import LyftlearnError
from lyftlearn_image.platforms.sagemaker import job_kinds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lyftlearn_image.emulation.sagemaker.context import Context
    from lyftlearn_image.emulation.sagemaker.local_api.resources import Resource, ResourceStore
    from lyftlearn_image.emulation.sagemaker.local_api.runtime import Runtime
    from lyftlearn_image.emulation.sagemaker.serving.endpoint import Endpoint, EndpointSpec

_FLUSH_S = 0.2


@dataclass(frozen=True)
class _Serving:
    """What serves: closing `stack` ends its containers."""

    endpoint: Endpoint
    spec: EndpointSpec
    stack: contextlib.ExitStack


@dataclass
class _Life:
    """One endpoint, as long as it is there."""

    resource: Resource
    spec: EndpointSpec
    on_end: Callable[[], None]
    updates: queue.SimpleQueue[EndpointSpec] = field(default_factory=queue.SimpleQueue)
    ending: list[threading.Thread] = field(default_factory=list)
    generations: itertools.count[int] = field(default_factory=lambda: itertools.count(1))


class EndpointLives:
    """Starts, updates and ends endpoints, and keeps what DescribeEndpoint says of each in `resources`."""

    def __init__(self, context: Context, logs: Any, workspace: Path, runtime: Runtime, resources: ResourceStore) -> None:
        self._context = context
        self._logs = logs
        self._workspace = workspace
        self._runtime = runtime
        self._resources = resources
        self._numbers = itertools.count(1)
        self._lives: dict[str, _Life] = {}

    def start(self, resource: Resource, spec: EndpointSpec, on_end: Callable[[], None]) -> None:
        """Starts an endpoint; `on_end` is called when it has been deleted and its containers are gone."""
        life = self._lives[spec.name] = _Life(resource, spec, on_end)
        resource.thread = threading.Thread(target=self._serve, args=(life,), daemon=True)
        resource.thread.start()

    def spec(self, name: str) -> EndpointSpec:
        """What an endpoint in service is made of now."""
        return self._lives[name].spec

    def update(self, spec: EndpointSpec) -> None:
        """Lets the endpoint of this name become another one. Its status says when that is done."""
        life = self._lives[spec.name]
        self._resources.update(life.resource, EndpointStatus="Updating", FailureReason=None)
        life.updates.put(spec)

    def _serve(self, life: _Life) -> None:
        """One endpoint's life, in its own thread."""
        resource, name = life.resource, life.spec.name
        variant = life.spec.config["ProductionVariants"][0]["VariantName"]
        log = Log(self._logs, f"{job_kinds.ENDPOINT.log_group}/{name}", f"{variant}/i-0")
        serving: _Serving | None = None
        try:
            serving = self._begin(life, life.spec, log)
            while not resource.stop.wait(_FLUSH_S):
                log.flush()
                with contextlib.suppress(queue.Empty):
                    serving = self._update(life, serving, life.updates.get_nowait(), log)
        except LyftlearnError as error:
            self._resources.update(resource, EndpointStatus="Failed", FailureReason=error.what)
        except Exception as error:  # noqa: BLE001 - an endpoint whose thread has ended must not seem to be created for ever
            reason = f"InternalServerError: {type(error).__name__}"
            self._resources.update(resource, EndpointStatus="Failed", FailureReason=reason)
        finally:
            self._runtime.remove(name)
            with contextlib.suppress(Exception):  # the containers' run may have been ended by now
                if serving is not None:
                    serving.stack.close()
            for thread in life.ending:
                thread.join()
            with contextlib.suppress(Exception):  # the local AWS endpoint may be gone by now
                log.flush()
            if resource.stop.is_set():
                life.on_end()

    def _begin(self, life: _Life, spec: EndpointSpec, log: Log) -> _Serving:
        """New containers, which have the traffic from now on."""
        spec = replace(spec, generation=next(life.generations))
        workspace = self._workspace / f"{spec.name}-{next(self._numbers)}"
        with contextlib.ExitStack() as stack:
            running = endpoints.run_endpoint(self._context, spec, workspace, on_line=log.add, is_over=life.resource.stop.is_set)
            endpoint = stack.enter_context(running)
            self._runtime.add(endpoint, spec.config.get("AsyncInferenceConfig"))
            serving = _Serving(endpoint, spec, stack.pop_all())
        self._tell(life, spec)
        return serving

    def _update(self, life: _Life, serving: _Serving, spec: EndpointSpec, log: Log) -> _Serving:
        """What serves after an update: the old containers where only weights change, or where the new ones do not get ready."""
        is_same = {**serving.spec.config, "ProductionVariants": ()} == {**spec.config, "ProductionVariants": ()}
        if is_same and variants.counts(spec.config) == variants.counts(serving.spec.config):
            weights = {one["VariantName"]: one.get("InitialVariantWeight", 1.0) for one in spec.config["ProductionVariants"]}
            for variant in serving.endpoint.variants:
                variant.weight = weights[variant.name]
            self._tell(life, spec)
            return _Serving(serving.endpoint, spec, serving.stack)
        try:
            new = self._begin(life, spec, log)
        except LyftlearnError as error:
            self._resources.update(life.resource, EndpointStatus="InService", FailureReason=error.what)
            return serving
        # A server that does not end when it is asked to has 30 s: nobody waits for that.
        life.ending.append(threading.Thread(target=serving.stack.close, daemon=True))
        life.ending[-1].start()
        return new

    def _tell(self, life: _Life, spec: EndpointSpec) -> None:
        life.spec = spec
        self._resources.update(
            life.resource,
            EndpointStatus="InService",
            EndpointConfigName=spec.config["EndpointConfigName"],
            ProductionVariants=variants.summaries(spec.config, spec.models, time.time()),
            AsyncInferenceConfig=spec.config.get("AsyncInferenceConfig"),
        )
