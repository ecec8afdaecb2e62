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
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    @property
    def is_full(self) -> bool:
        """Whether another request would be one too many."""
        return self.inside >= self._most

    def enter(self) -> None:
        """One more is inside."""
        self.inside += 1
        if self.inside == 1:
            self._is_empty.clear()

    def leave(self) -> None:
        """One less."""
        self.inside -= 1
        if not self.inside:
            self._is_empty.set()

    def try_slot(self) -> bool:
        """A slot at once, unless there is none, or others wait for it."""
        if self._free and not self._waiting:
            self._free -= 1
            return True
        return False

    async def slot(self) -> None:
        """A slot in one's turn."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.free_slot()
            raise

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
        try:
            await asyncio.wait_for(self._is_empty.wait(), within_s)
        except asyncio.TimeoutError:
            return False
        return True
