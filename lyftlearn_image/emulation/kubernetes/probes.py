"""The probes of one run of a container: startup gates the other two, liveness ends the run, readiness is told.

Source: kubernetes.io/docs "Configure Liveness, Readiness and Startup Probes"; kubernetes/api Probe for the defaults.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.emulation.kubernetes.handlers import Outcome, carry_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lyftlearn_image.emulation.docker.running_container import RunningContainer


@dataclass(frozen=True)
class Timing:
    """When a probe asks and how often it must hear the same to believe it."""

    initial_delay_s: float = 0.0
    period_s: float = 10.0
    timeout_s: float = 1.0
    success_threshold: int = 1
    failure_threshold: int = 3


def timing_of(probe: Mapping[str, Any]) -> Timing:
    """A probe's timing; zero and what is not said are the API's defaults."""
    default = Timing()
    return Timing(
        float(probe.get("initialDelaySeconds") or 0),
        float(probe.get("periodSeconds") or default.period_s),
        float(probe.get("timeoutSeconds") or default.timeout_s),
        int(probe.get("successThreshold") or default.success_threshold),
        int(probe.get("failureThreshold") or default.failure_threshold),
    )


def verdicts(outcomes: Iterator[Outcome], timing: Timing) -> Iterator[tuple[Outcome, bool | None]]:
    """Each outcome, with what a threshold of the same outcomes in a row says: True, False, or None for not yet."""
    before: bool | None = None
    count = 0
    for outcome in outcomes:
        count = count + 1 if outcome.succeeded is before else 1
        before = outcome.succeeded
        needed = timing.success_threshold if outcome.succeeded else timing.failure_threshold
        yield outcome, outcome.succeeded if count >= needed else None


@dataclass(frozen=True)
class Reports:
    """Whom a probe tells: the container has started, it is ready or not, it must be killed (with a probe's grace)."""

    started: Callable[[], None]
    ready: Callable[[bool], None]
    kill: Callable[[str, float | None], None]
    unhealthy: Callable[[str], None]


@contextlib.contextmanager
def probing(container: Mapping[str, Any], running: RunningContainer, ip: str, reports: Reports) -> Iterator[None]:
    """Probes a running container until the block ends. Without probes it is started and ready at once."""
    over = threading.Event()
    threads: list[threading.Thread] = []

    def watch(kind: str, decide: Callable[[Mapping[str, Any], Outcome, bool], bool]) -> None:
        thread = threading.Thread(target=_watch, args=(kind, container, running, ip, over, reports, decide), daemon=True)
        threads.append(thread)
        thread.start()

    def after_start() -> None:
        reports.started()
        if "livenessProbe" in container:
            watch("livenessProbe", lambda probe, outcome, says: _end_unless(probe, outcome, reports, says=says))
        if "readinessProbe" in container:
            watch("readinessProbe", lambda _probe, _outcome, says: _tell(reports, says=says))
        else:
            reports.ready(True)  # noqa: FBT003 - a report's one argument

    def at_start(probe: Mapping[str, Any], outcome: Outcome, says: bool) -> bool:  # noqa: FBT001 - as the other two
        if says:
            after_start()
            return False
        return _end_unless(probe, outcome, reports, says=says)

    if "startupProbe" in container:
        watch("startupProbe", at_start)
    else:
        after_start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()


def _end_unless(probe: Mapping[str, Any], outcome: Outcome, reports: Reports, *, says: bool) -> bool:
    if not says:
        reports.kill(outcome.output, probe.get("terminationGracePeriodSeconds"))
    return says


def _tell(reports: Reports, *, says: bool) -> bool:
    reports.ready(says)
    return True


def _watch(  # noqa: PLR0913, PLR0917 - one probe of one run
    kind: str,
    container: Mapping[str, Any],
    running: RunningContainer,
    ip: str,
    over: threading.Event,
    reports: Reports,
    decide: Callable[[Mapping[str, Any], Outcome, bool], bool],
) -> None:
    """Asks again and again, and decides on each verdict whether to go on."""
    probe = container[kind]
    for outcome, says in verdicts(_outcomes(probe, container, running, ip, over), timing_of(probe)):
        if over.is_set():
            return
        if not outcome.succeeded:
            reports.unhealthy(f"{kind.removesuffix('Probe').capitalize()} probe failed: {outcome.output}")
        if says is not None and not decide(probe, outcome, says):
            return


def _outcomes(
    probe: Mapping[str, Any], container: Mapping[str, Any], running: RunningContainer, ip: str, over: threading.Event
) -> Iterator[Outcome]:
    timing = timing_of(probe)
    over.wait(timing.initial_delay_s)
    while not over.is_set():
        asked = time.monotonic()
        yield carry_out(probe, container, running, ip, timeout_s=timing.timeout_s)
        over.wait(max(0.0, asked + timing.period_s - time.monotonic()))
