"""Renews files with secrets while the script runs, and tells the script by a signal of its choice."""

from __future__ import annotations

import os
import signal

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.frozen import namedtuple
from lyftlearn_runtime.log import log_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# `signal` is None where nobody is told.
RefreshPolicy = namedtuple("RefreshPolicy", ["seconds", "signal"])


def parse(value: str) -> RefreshPolicy:
    """What LYFTLEARN_REFRESH says: `300`, or `300:HUP`."""
    text, _, name = value.partition(":")
    number = getattr(signal, "SIG" + name.upper().replace("SIG", "", 1), None) if name else None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 1 <= seconds < float("inf") or (name and not isinstance(number, signal.Signals)):
        raise ShimError(
            f"{contract.REFRESH} is {value!r}; expected seconds, 1 or more, and the name of a signal: 300:HUP",
            contract.EXIT_CONFIG,
        )
    return RefreshPolicy(seconds, number)


class Refresher:
    """Calls `renew` every so often; it gives back the paths of the files that have changed."""

    def __init__(self, policy: RefreshPolicy, renew: Callable[[], list[str]]) -> None:
        import threading  # noqa: PLC0415 - only where a workload asks for it

        self._policy = policy
        self._renew = renew
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._pid = 0

    def start(self, pid: int) -> None:
        """Begins, for the script with this process ID."""
        self._pid = pid
        self._thread.start()

    def close(self) -> None:
        """Ends it; what is being fetched is left behind."""
        self._over.set()

    def _run(self) -> None:
        while not self._over.wait(self._policy.seconds):
            try:
                changed = self._renew()
            except ShimError as error:
                # What was there stays there, and the next turn tries again.
                log_line(f"secrets are not renewed: {error.message}")
                continue
            except Exception as error:  # noqa: BLE001 - its text may hold a value
                log_line(f"secrets are not renewed: {type(error).__name__}")
                continue
            if changed and not self._over.is_set():
                self._tell(changed)

    def _tell(self, changed: list[str]) -> None:
        told = ""
        if self._policy.signal is not None:
            try:
                os.kill(self._pid, self._policy.signal)
                told = f"; the script was sent {self._policy.signal.name}"
            except ProcessLookupError:
                return
        log_line(f"renewed: {', '.join(changed)}{told}")
