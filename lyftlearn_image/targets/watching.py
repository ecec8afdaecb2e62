"""Waiting for a container as a platform does: until it ends, is stopped, or has used up its time."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lyftlearn_image.targets.containers import ContainerExit, RunningContainer
    from lyftlearn_image.targets.target import StopRequest

_TICK_S = 0.1


class Watch:
    """Of one run: sees its stdout lines, and stops it when that was asked for."""

    def __init__(self, stop: StopRequest | None, on_line: Callable[[str], None] | None) -> None:
        self._stop = stop
        self._on_line = on_line
        self._asked = stop.asked if stop else threading.Event()
        self.stopped = False
        self.timed_out = False

    def on_line(self, line: str) -> None:
        """Takes one line of stdout."""
        if self._stop and self._stop.when and self._stop.when.search(line):
            self._asked.set()
        if self._on_line:
            self._on_line(line)

    def wait_for_stop(self, seconds: float) -> bool:
        """Whether the run is to be stopped; waits so long for somebody to ask."""
        return self._asked.wait(seconds)

    def wait(
        self, running: RunningContainer, *, max_runtime_s: float, grace_s: int, stop_signal: str = "SIGTERM"
    ) -> ContainerExit:
        """How it ended. A stop, or the end of its time, is `stop_signal` and after `grace_s` SIGKILL."""
        deadline = time.monotonic() + max_runtime_s
        while True:
            tick = _TICK_S if self._stop and not self.stopped else max(0.0, deadline - time.monotonic())
            if ended := running.wait(tick):
                return ended
            if self._asked.is_set() and not self.stopped:
                self.stopped = True
                _stop(running, grace_s, stop_signal)
            elif time.monotonic() >= deadline and not self.timed_out and not self.stopped:
                self.timed_out = True
                _stop(running, grace_s, stop_signal)
            if self.stopped or self.timed_out:
                return self._end(running)

    @staticmethod
    def _end(running: RunningContainer) -> ContainerExit:
        ended = running.wait()
        if ended is None:  # pragma: no cover - wait() without a limit gives an end
            raise RunError("a stopped container did not end")
        return ended


def _stop(running: RunningContainer, grace_s: int, stop_signal: str) -> None:
    if stop_signal == "SIGTERM":
        running.stop(grace_s)
        return
    with contextlib.suppress(RunError):  # it may have ended in this very moment
        running.signal(stop_signal)
    if running.wait(grace_s) is None:
        running.stop(0)


def read_observation(artifacts: Mapping[str, Path]) -> dict[str, Any] | None:
    """The realised environment that the shim left among a run's artifacts, None when it left none.

    Raises RunError when the script has made something else of it.
    """
    for path in (artifacts.get("output", None), artifacts.get("lyftlearn", None)):
        for candidate in (path / ".lyftlearn" / "observation.json", path / "observation.json") if path else ():
            if candidate.is_file():
                return _observation(candidate)
    return None


def _observation(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))
    except ValueError:
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("observed_at"), int | float):
        raise RunError("the observation of the environment is not the shim's: the script changed it", where=str(path))
    return document
