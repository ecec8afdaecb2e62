"""The containers of a job's hosts, side by side: they end together, as the service ends them."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lyftlearn_image.errors import RunError
from lyftlearn_image.runs.first_failure import Attempt, first_failure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lyftlearn_image.emulation.docker.container_spec import ContainerSpec
    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.running_container import ContainerExit, RunningContainer
    from lyftlearn_image.runs.stop_watch import StopWatch

# StopTrainingJob: the signal, then SIGKILL 120 s later; so for MaxRuntimeInSeconds (API reference). The window of a
# processing job is not documented.
STOP_GRACE_S = 120
_TICK_S = 0.1


@dataclass(frozen=True)
class HostContainer:
    """The container of one host, and the files that its output goes to."""

    spec: ContainerSpec
    stdout: Path
    stderr: Path


@dataclass(frozen=True)
class GroupExit:
    """How the containers ended, in the hosts' order, and the index of the host that decided it: the first that failed."""

    exits: tuple[ContainerExit, ...]
    deciding_index: int

    @property
    def exit(self) -> ContainerExit:
        """How the deciding host's container ended."""
        return self.exits[self.deciding_index]


def run_hosts(
    containers: Containers, hosts: Sequence[HostContainer], watch: StopWatch, *, stop_signal: str, max_runtime_s: float
) -> GroupExit:
    """Runs them all to their ends. One that fails, a stop, an interruption, or the end of the time ends the others too.

    They are then sent `stop_signal`, and SIGKILL after STOP_GRACE_S.
    """
    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(
                containers.start(
                    host.spec, stdout=host.stdout, stderr=host.stderr, on_line=watch.line_handler(is_first_host=index == 0)
                )
            )
            for index, host in enumerate(hosts)
        ]
        return _HostGroup(running, watch, stop_signal).until_all_ended(time.monotonic() + max_runtime_s)


class _HostGroup:
    """Waits for several containers, each in a thread of its own."""

    def __init__(self, running: Sequence[RunningContainer], watch: StopWatch, stop_signal: str) -> None:
        self._running = running
        self._watch = watch
        self._stop_signal = stop_signal
        self._ended: queue.SimpleQueue[tuple[int, ContainerExit | BaseException]] = queue.SimpleQueue()
        self._exits: dict[int, ContainerExit] = {}
        self._has_failed = False

    def until_all_ended(self, deadline: float) -> GroupExit:
        for index in range(len(self._running)):
            threading.Thread(target=self._wait_for, args=(index,), daemon=True).start()
        is_stopping = False
        while len(self._exits) < len(self._running):
            self._take_next(None if is_stopping else self._tick(deadline))
            if not is_stopping and self._is_over(deadline):
                is_stopping = True
                self._stop_all()
        exits = tuple(self._exits[index] for index in range(len(self._running)))
        return GroupExit(exits, self._deciding_index(exits))

    def _deciding_index(self, exits: Sequence[ContainerExit]) -> int:
        watch = self._watch
        is_asked = watch.stopped or watch.timed_out or watch.interrupted
        return first_failure(
            [
                Attempt(index, one.exit_code, one.finished_at, bool(one.exit_code), is_ended_by_platform=is_asked)
                for index, one in enumerate(exits)
            ]
        )

    def _tick(self, deadline: float) -> float:
        left = max(0.0, deadline - time.monotonic())
        return min(_TICK_S, left) if self._watch.can_be_stopped else left

    def _take_next(self, timeout_s: float | None) -> None:
        try:
            index, end = self._ended.get(timeout=timeout_s)
        except queue.Empty:
            return
        if isinstance(end, BaseException):
            raise end
        self._exits[index] = end
        self._has_failed = self._has_failed or bool(end.exit_code)

    def _is_over(self, deadline: float) -> bool:
        """Whether the containers that are left are to be stopped, and why: the watch then says so."""
        if len(self._exits) == len(self._running):
            return False
        watch = self._watch
        watch.take_request()
        watch.timed_out = time.monotonic() >= deadline and not (watch.stopped or watch.interrupted)
        return self._has_failed or watch.stopped or watch.timed_out or watch.interrupted

    def _wait_for(self, index: int) -> None:
        try:
            ended = self._running[index].wait()
            self._ended.put((index, ended or RunError("a container did not end")))
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits for all
            self._ended.put((index, error))

    def _stop_all(self) -> None:
        for index, running in enumerate(self._running):
            if index not in self._exits:
                threading.Thread(target=_stop, args=(running, self._stop_signal), daemon=True).start()


def _stop(running: RunningContainer, stop_signal: str) -> None:
    with contextlib.suppress(RunError):  # it may have ended in this very moment
        if stop_signal == "SIGTERM":
            running.stop(STOP_GRACE_S)
            return
        running.signal(stop_signal)
    if running.wait(STOP_GRACE_S) is None:
        with contextlib.suppress(RunError):
            running.stop(0)
