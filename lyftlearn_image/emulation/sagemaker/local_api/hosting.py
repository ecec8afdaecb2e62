"""The local control plane's models and endpoints: what there is, and the threads in which endpoints serve.

Source: API reference, Create…, Describe… and Delete… of Model, EndpointConfig and Endpoint; the words of errors are those of
the service's answers.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.sagemaker.local_api.errors import ServiceError
from lyftlearn_image.emulation.sagemaker.local_api.log import Log
from lyftlearn_image.emulation.sagemaker.local_api.runtime import Runtime
from lyftlearn_image.emulation.sagemaker.serving import endpoint as endpoints, model as models
from lyftlearn_image.errors import LyftlearnError
from lyftlearn_image.platforms.sagemaker import job_kinds
from lyftlearn_image.platforms.sagemaker.actions import ENDPOINT, ENDPOINT_CONFIG, MODEL, TRANSFORM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import boto3

    from lyftlearn_image.emulation.sagemaker.context import Machine

_FLUSH_S = 0.2
_END_S = 60.0


@dataclass(frozen=True)
class _Sort:
    """A sort of thing that has a name: `stem` is what the API's names have in common, `words` what its errors say."""

    stem: str
    words: str
    arn: str

    @property
    def name_field(self) -> str:
        return f"{self.stem}Name"


_MODEL = _Sort("Model", "model", "model")
_CONFIG = _Sort("EndpointConfig", "endpoint configuration", "endpoint-config")
_ENDPOINT = _Sort("Endpoint", "endpoint", "endpoint")


@dataclass
class _Thing:
    """What was asked, and what is told. An endpoint's thread ends when `over` is set."""

    request: Mapping[str, Any]
    told: dict[str, Any]
    over: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None


class Hosting:
    """Models, endpoint configurations and endpoints. `runtime` is what invokes those in service; see `runtime.serve`."""

    def __init__(self, machine: Machine, session: boto3.Session, workspace: Path) -> None:
        self.runtime = Runtime(machine.account)
        self._machine = machine
        self._logs: Any = session.client("logs")
        self._workspace = workspace
        self._things: dict[tuple[str, str], _Thing] = {}
        self._lock = threading.RLock()
        self._count = 0

    def answer(self, action: str, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the service answers, None for an action that is not about these. Raises ServiceError."""
        if action == TRANSFORM:
            self._found(_MODEL, request.get("ModelName", ""))
            return None
        creates: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            MODEL: self._create_model, ENDPOINT_CONFIG: self._create_config, ENDPOINT: self._create_endpoint,
        }  # fmt: skip
        if action in creates:
            try:
                return creates[action](request)
            except LyftlearnError as error:
                raise ServiceError("ValidationException", str(error)) from None
        for sort in (_MODEL, _CONFIG, _ENDPOINT):
            if action == f"Describe{sort.stem}":
                with self._lock:
                    return dict(self._found(sort, request.get(sort.name_field, "")).told)
            if action == f"Delete{sort.stem}":
                self._delete(sort, request.get(sort.name_field, ""))
                return {}
        return None

    def models_of(self, request: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
        """The CreateModel request that a transform job's ModelName means."""
        return (self._found(_MODEL, request["ModelName"]).request,)

    def close(self) -> None:
        """Ends every endpoint, and waits for its containers to be gone."""
        with self._lock:
            running = [one for one in self._things.values() if one.thread]
        for one in running:
            one.over.set()
        for one in running:
            if one.thread:
                one.thread.join(_END_S)

    def _create_model(self, request: Mapping[str, Any]) -> dict[str, Any]:
        models.check(request)
        models.check_data(request, self._machine.s3)
        return self._add(_MODEL, request)

    def _create_config(self, request: Mapping[str, Any]) -> dict[str, Any]:
        endpoints.check(request)
        for variant in request["ProductionVariants"]:
            self._found(_MODEL, variant["ModelName"])
        return self._add(_CONFIG, request)

    def _create_endpoint(self, request: Mapping[str, Any]) -> dict[str, Any]:
        config = self._found(_CONFIG, request["EndpointConfigName"]).request
        endpoints.check(config, request)
        used = {one["ModelName"]: self._found(_MODEL, one["ModelName"]).request for one in config["ProductionVariants"]}
        with self._lock:
            answer = self._add(_ENDPOINT, request, EndpointStatus="Creating", ProductionVariants=_variants(config))
            thing = self._found(_ENDPOINT, request["EndpointName"])
            self._count += 1
            place = self._workspace / f"{request['EndpointName']}-{self._count}"
            thing.thread = threading.Thread(target=self._serve, args=(thing, config, used, place), daemon=True)
        thing.thread.start()
        return answer

    def _serve(self, thing: _Thing, config: Mapping[str, Any], used: Mapping[str, Mapping[str, Any]], place: Path) -> None:
        """One endpoint's life, in its own thread."""
        name = thing.request["EndpointName"]
        log = Log(self._logs, f"{job_kinds.ENDPOINT.log_group}/{name}", f"{config['ProductionVariants'][0]['VariantName']}/i-0")
        try:
            with endpoints.in_service(
                self._machine, name, config, used, place, on_line=log.add, is_over=thing.over.is_set
            ) as endpoint:
                self.runtime.add(endpoint)
                self._tell(thing, EndpointStatus="InService")
                while not thing.over.wait(_FLUSH_S):
                    log.flush()
                self.runtime.remove(name)
        except LyftlearnError as error:
            self._tell(thing, EndpointStatus="Failed", FailureReason=error.what)
        except Exception as error:  # noqa: BLE001 - an endpoint whose thread has ended must not seem to be created for ever
            self._tell(thing, EndpointStatus="Failed", FailureReason=f"InternalServerError: {type(error).__name__}")
        finally:
            with contextlib.suppress(Exception):  # the local endpoint may be gone by now
                log.flush()
            if thing.over.is_set():
                with self._lock:
                    self._things.pop((_ENDPOINT.stem, name), None)

    def _add(self, sort: _Sort, request: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        name, now = request[sort.name_field], time.time()
        arn = self._machine.account.arn(sort.arn, name)
        times = {"CreationTime": now, **({"LastModifiedTime": now} if sort is _ENDPOINT else {})}
        with self._lock:
            if (sort.stem, name) in self._things:
                raise ServiceError("ValidationException", f'Cannot create already existing {sort.words} "{arn}".')
            told = {key: value for key, value in request.items() if key != "Tags"}
            self._things[sort.stem, name] = _Thing(request, {**told, f"{sort.stem}Arn": arn, **times, **more})
        return {f"{sort.stem}Arn": arn}

    def _delete(self, sort: _Sort, name: str) -> None:
        with self._lock:
            thing = self._found(sort, name)
            if thing.thread and thing.thread.is_alive():
                # It goes when its containers are gone.
                self._tell(thing, EndpointStatus="Deleting")
                thing.over.set()
                return
            del self._things[sort.stem, name]

    def _found(self, sort: _Sort, name: str) -> _Thing:
        with self._lock:
            thing = self._things.get((sort.stem, name))
        if thing is None:
            arn = self._machine.account.arn(sort.arn, name)
            raise ServiceError("ValidationException", f'Could not find {sort.words} "{arn}".')
        return thing

    def _tell(self, thing: _Thing, **fields: Any) -> None:
        with self._lock:
            thing.told.update(fields, LastModifiedTime=time.time())


def _variants(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The summaries of DescribeEndpoint."""
    found = []
    for one in config["ProductionVariants"]:
        count, weight = one.get("InitialInstanceCount", 1), one.get("InitialVariantWeight", 1.0)
        sizes = {"CurrentInstanceCount": count, "DesiredInstanceCount": count}
        found.append({"VariantName": one["VariantName"], **sizes, "CurrentWeight": weight, "DesiredWeight": weight})
    return found
