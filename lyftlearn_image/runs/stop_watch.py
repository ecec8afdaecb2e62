"""What a run says meanwhile, and what is asked of it: its lines, a stop, the observation that the shim left."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lyftlearn_image.run import StopRequest


class Watch:
    """Of one run: sees its stdout lines, and says when a stop, or an interruption, was asked for."""

    def __init__(self, stop: StopRequest | None, on_line: Callable[[str], None] | None) -> None:
        self._stop = stop
        self._on_line = on_line
        self._asked = stop.asked if stop else threading.Event()
        self.stopped = False
        self.timed_out = False
        self.interrupted = False

    @property
    def can_be_stopped(self) -> bool:
        """Whether anybody may ask."""
        return self._stop is not None

    def on_line(self, line: str) -> None:
        """Takes one line of stdout."""
        self._look_at(line)
        if self._on_line:
            self._on_line(line)

    def of_host(self, *, is_first: bool) -> Callable[[str], None]:
        """What takes the lines of one host of several: only the first one's are told to others."""
        return self.on_line if is_first else self._look_at

    def wait_for_stop(self, seconds: float) -> bool:
        """Whether the run is to be stopped; waits so long for somebody to ask."""
        return self._asked.wait(seconds)

    def take_request(self) -> None:
        """Notes what was asked for, if anything was. An interruption comes once."""
        if not self._asked.is_set() or self._stop is None:
            return
        if self._stop.is_interruption:
            self.interrupted = True
            self._stop = None
            self._asked.clear()
        else:
            self.stopped = True

    def _look_at(self, line: str) -> None:
        if self._stop and self._stop.when and self._stop.when.search(line):
            self._asked.set()
