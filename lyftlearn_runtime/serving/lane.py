"""Threads for handlers that are not short: one queue in, one wake-up of the event loop out."""

from __future__ import annotations

import asyncio
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class _Job(NamedTuple):
    """A call, and who waits for it in which loop."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class Lane:
    """So many threads as calls may run at once. They end with the process: nothing waits for one that is stuck."""

    def __init__(self, threads: int) -> None:
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._count = 0
        for _ in range(threads):
            self.add_thread()

    def add_thread(self) -> None:
        """One more, such as for one that is stuck."""
        threading.Thread(target=self._work, name=f"handler_{self._count}", daemon=True).start()
        self._count += 1

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a function returns or raises that a thread of the lane calls."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._jobs.put(_Job(loop, future, function, arguments))
        return await future

    def _work(self) -> None:
        while True:
            # In a function of its own: a request's data must not live until the next one comes.
            _carry_out(self._jobs.get())


def _carry_out(job: _Job) -> None:
    result, error = None, None
    try:
        result = job.function(*job.arguments)
    except BaseException as caught:  # noqa: BLE001 - whoever waits for it takes it
        error = caught
    try:
        job.loop.call_soon_threadsafe(_settle, job.future, result, error)
    except RuntimeError:
        return  # the loop has ended, and nobody waits any more


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
