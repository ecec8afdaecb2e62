"""Who watches one run: takes its lines as they come, and knows when it is to be stopped or interrupted."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lyftlearn_image.run import StopRequest


def tells_retry(phase: str) -> bool:
    """Whether a phase says that the run starts again: another attempt, or SageMaker's word before it (SecondaryStatus)."""
    return phase.startswith("attempt ") or phase == "Interrupted"


class StopWatch:
    """Looks through the stdout lines of one run for the one that asks for its stop, and passes them on.

    `stopped`, `interrupted` and `timed_out` say what has become of the run.
    """

    def __init__(
        self,
        stop: StopRequest | None,
        on_line: Callable[[str], None] | None,
        on_phase: Callable[[str], None] | None = None,
    ) -> None:
        self._stop = stop
        self._on_line = on_line
        self._on_phase = on_phase
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
        self._check(line)
        if self._on_line:
            self._on_line(line)

    def on_phase(self, phase: str) -> None:
        """Takes the platform's word for what the run has come to, and passes it on."""
        if self._on_phase:
            self._on_phase(phase)

    def line_handler(self, *, is_first_host: bool) -> Callable[[str], None]:
        """What takes the lines of one host of several: any may ask for the stop, only the first one's are passed on."""
        return self.on_line if is_first_host else self._check

    def wait_for_stop(self, seconds: float) -> bool:
        """Whether the run is to be stopped; waits up to `seconds` for somebody to ask."""
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

    def _check(self, line: str) -> None:
        if self._stop and self._stop.when and self._stop.when.search(line):
            self._asked.set()
