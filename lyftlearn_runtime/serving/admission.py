"""How many requests run, how many wait, and when there is none left."""

from __future__ import annotations

import asyncio
from collections import deque


class Admission:
    """Counts the requests that are inside, and gives `concurrency` of them a slot each. Belongs to one event loop."""

    def __init__(self, concurrency: int, queue: int) -> None:
        self.inside = 0
        self._free = concurrency
        self._most = concurrency + queue
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._emptied: asyncio.Event | None = None

    @property
    def is_full(self) -> bool:
        """Whether another request would be one too many."""
        return self.inside >= self._most

    def enter(self) -> None:
        """One more is inside."""
        self.inside += 1

    def leave(self) -> None:
        """One less."""
        self.inside -= 1
        if not self.inside and self._emptied is not None:
            self._emptied.set()

    @property
    def has_slot(self) -> bool:
        """Whether there is a slot at once: one is free, and nobody waits for it."""
        return self._free > 0 and not self._waiting

    def take_slot(self) -> None:
        """Takes one that `has_slot` has told of."""
        self._free -= 1

    async def slot(self) -> bool:
        """Takes a slot in one's turn; whether that had to be waited for."""
        if self.has_slot:
            self.take_slot()
            return False
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.free_slot()
            raise
        return True

    def free_slot(self) -> None:
        """Gives a slot to the one who has waited longest, or back."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                return
        self._free += 1

    async def empty(self, within_s: float) -> bool:
        """Whether everybody has left, as soon as that is so, after `within_s` seconds at the latest."""
        if not self.inside:
            return True
        self._emptied = asyncio.Event()
        try:
            await asyncio.wait_for(self._emptied.wait(), within_s)
        except asyncio.TimeoutError:
            return False
        return True
