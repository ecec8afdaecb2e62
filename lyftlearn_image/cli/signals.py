"""Signals that end a verb in order: what it has begun on the engine is removed first."""

from __future__ import annotations

import contextlib
import signal
import time
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_S = 0.2


class Signalled(KeyboardInterrupt):
    """One of the signals has come. Ctrl-C is one of them, and all of them end a verb as it does."""


@contextlib.contextmanager
def raise_on_signals() -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP raise Signalled in the block, the first two also where a shell has them ignored.

    A second signal changes nothing: what the first one has begun is to end in its order.
    """

    def end(*_: Any) -> NoReturn:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise Signalled

    # nohup ignores SIGHUP, for who starts it wants just that.
    ended_by = [number for number in _SIGNALS if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in ended_by}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def wait_for_signal() -> NoReturn:
    """Waits until one of the signals raises Signalled.

    The system may give a signal to any thread, and Python's handler runs in the main one, which then has to wake by itself.
    """
    while True:
        time.sleep(_LOOK_S)
