"""The probes of a running container: the startup probe holds back the other two, and a failed liveness probe kills it.

Source: kubernetes.io/docs "Configure Liveness, Readiness and Startup Probes"; kubernetes/api Probe for the defaults.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lyftlearn_image.emulation.kubernetes.handlers import HandlerResult, HandlerTarget, run_handler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


@dataclass(frozen=True)
class ProbeTiming:
    """When a probe runs, and how many equal results in a row count. The defaults are the API's."""

    initial_delay_s: float = 0.0
    period_s: float = 10.0
    timeout_s: float = 1.0
    success_threshold: int = 1
    failure_threshold: int = 3

    @classmethod
    def from_manifest(cls, probe: Mapping[str, Any]) -> ProbeTiming:
        """The timing of a probe; a field that is missing or zero has its default."""
        return cls(
            float(probe.get("initialDelaySeconds") or cls.initial_delay_s),
            float(probe.get("periodSeconds") or cls.period_s),
            float(probe.get("timeoutSeconds") or cls.timeout_s),
            int(probe.get("successThreshold") or cls.success_threshold),
            int(probe.get("failureThreshold") or cls.failure_threshold),
        )


class ProbeVerdict(NamedTuple):
    """A result, and whether the probe counts as successful by now: None below the threshold."""

    result: HandlerResult
    is_success: bool | None


def apply_thresholds(results: Iterable[HandlerResult], timing: ProbeTiming) -> Iterator[ProbeVerdict]:
    """A verdict for each result: one that counts after as many equal results in a row as its threshold."""
    previous: bool | None = None
    count = 0
    for result in results:
        count = count + 1 if result.succeeded is previous else 1
        previous = result.succeeded
        threshold = timing.success_threshold if result.succeeded else timing.failure_threshold
        yield ProbeVerdict(result, result.succeeded if count >= threshold else None)


@dataclass(frozen=True)
class ProbeCallbacks:
    """What is called when the container has started, is ready or not, and when a probe fails or demands a kill.

    `on_kill` gets the probe's output and its own terminationGracePeriodSeconds, if it has one.
    """

    on_started: Callable[[], None]
    on_ready: Callable[[bool], None]
    on_kill: Callable[[str, float | None], None]
    on_failure: Callable[[str], None]


@contextlib.contextmanager
def run_probes(target: HandlerTarget, callbacks: ProbeCallbacks) -> Iterator[None]:
    """Probes a running container until the block ends. Without probes it is started and ready at once."""
    prober = _Prober(target, callbacks)
    prober.start()
    try:
        yield
    finally:
        prober.stop()


class _Prober:
    """The probes of one run of a container, each in a thread of its own."""

    def __init__(self, target: HandlerTarget, callbacks: ProbeCallbacks) -> None:
        self._target = target
        self._callbacks = callbacks
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Starts the startup probe, or without one the others."""
        if "startupProbe" in self._target.container:
            self._start_probe("startupProbe", self._on_startup)
        else:
            self._on_started()

    def stop(self) -> None:
        """Ends all probes. The startup probe may start the others meanwhile, which are joined after it."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _on_started(self) -> None:
        self._callbacks.on_started()
        if "livenessProbe" in self._target.container:
            self._start_probe("livenessProbe", self._on_liveness)
        if "readinessProbe" in self._target.container:
            self._start_probe("readinessProbe", self._on_readiness)
        else:
            self._callbacks.on_ready(True)  # noqa: FBT003 - the callback's one argument

    def _start_probe(self, kind: str, on_verdict: Callable[[Mapping[str, Any], ProbeVerdict], bool]) -> None:
        thread = threading.Thread(target=self._probe, args=(kind, on_verdict), name=kind, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _probe(self, kind: str, on_verdict: Callable[[Mapping[str, Any], ProbeVerdict], bool]) -> None:
        """Runs one probe again and again, until it is stopped or its verdict ends it."""
        probe = self._target.container[kind]
        timing = ProbeTiming.from_manifest(probe)
        for verdict in apply_thresholds(self._results(probe, timing), timing):
            if self._stopped.is_set():
                return
            if not verdict.result.succeeded:
                name = kind.removesuffix("Probe").capitalize()
                self._callbacks.on_failure(f"{name} probe failed: {verdict.result.output}")
            if verdict.is_success is not None and not on_verdict(probe, verdict):
                return

    def _results(self, probe: Mapping[str, Any], timing: ProbeTiming) -> Iterator[HandlerResult]:
        self._stopped.wait(timing.initial_delay_s)
        while not self._stopped.is_set():
            began = time.monotonic()
            yield run_handler(probe, self._target, timeout_s=timing.timeout_s)
            self._stopped.wait(max(0.0, began + timing.period_s - time.monotonic()))

    # What a verdict means to each kind of probe; True where the probe goes on.

    def _on_startup(self, probe: Mapping[str, Any], verdict: ProbeVerdict) -> bool:
        if verdict.is_success:
            self._on_started()
            return False
        return self._on_liveness(probe, verdict)

    def _on_liveness(self, probe: Mapping[str, Any], verdict: ProbeVerdict) -> bool:
        if not verdict.is_success:
            self._callbacks.on_kill(verdict.result.output, probe.get("terminationGracePeriodSeconds"))
        return bool(verdict.is_success)

    def _on_readiness(self, _probe: Mapping[str, Any], verdict: ProbeVerdict) -> bool:
        self._callbacks.on_ready(bool(verdict.is_success))
        return True
