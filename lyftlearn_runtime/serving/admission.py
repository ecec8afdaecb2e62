"""How many requests run, how many wait, and when there is none left."""

from __future__ import annotations

import asyncio


class Admission:
    """Counts the requests that are inside. Belongs to one event loop."""

    def __init__(self, concurrency: int, queue: int) -> None:
        self.slots = asyncio.Semaphore(concurrency)
        self.inside = 0
        self._most = concurrency + queue
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    @property
    def is_full(self) -> bool:
        """Whether another request would be one too many."""
        return self.inside >= self._most

    def __enter__(self) -> None:
        self.inside += 1
        self._is_empty.clear()

    def __exit__(self, *_: object) -> None:
        self.inside -= 1
        if not self.inside:
            self._is_empty.set()

    async def empty(self, within_s: float) -> bool:
        """Whether everybody has left, as soon as that is so, after `within_s` seconds at the latest."""
        try:
            await asyncio.wait_for(self._is_empty.wait(), within_s)
        except asyncio.TimeoutError:
            return False
        return True
