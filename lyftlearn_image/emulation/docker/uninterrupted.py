"""A block that a signal does not cut in two: the engine makes what it was asked for, whether or not its answer is read."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Holds back the first signal that would raise in the block until the block has ended; a second one is not held back.

    Names that the block binds are bound when the signal raises. Only the main thread runs Python's handlers, so in any other
    this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}
    held: list[int] = []

    def restore() -> None:
        while before:
            signal.signal(*before.popitem())

    def hold(number: int, *_: Any) -> None:
        first = not held
        held.append(number)
        if not first:
            restore()
            signal.raise_signal(number)

    for number in _SIGNALS:
        # None is a handler that Python did not install and could not restore.
        if callable(handler := signal.getsignal(number)):
            before[number] = handler
            signal.signal(number, hold)
    try:
        yield
    finally:
        restore()
    if len(held) == 1:
        signal.raise_signal(held[0])


@contextlib.contextmanager
def created(create: Callable[[], T], remove: Callable[[T], object]) -> Iterator[T]:
    """What `create` makes on the engine, removed at the end: neither request is cut in two by a signal.

    What `create` raises is raised; a removal that fails is left to the next run.
    """
    resource: list[T] = []
    try:
        with uninterrupted():
            resource.append(create())
        yield resource[0]
    finally:
        with uninterrupted(), contextlib.suppress(Exception):
            for one in resource:
                remove(one)
