"""How many requests run, how many wait, and when there is none left."""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic

# So many may wait whatever their bodies hold (awslabs/multi-model-server, job_queue_size); beyond, so many bytes are kept.
_ALWAYS = 100
_HELD_BYTES = 256 << 20
# The newest pause between two turns counts for one in so many.
_SMOOTHING = 8
# A pause that lasts counts once it is so many times as long as those before it.
_PATIENCE = 4


class Admission:
    """Counts the requests that are inside, and gives `concurrency` of them a slot each. Belongs to one event loop.

    `wait_s` is how long a request may be expected to wait for its slot; 0 for any time.
    """

    def __init__(self, concurrency: int, queue: int, wait_s: float = 0) -> None:
        self.inside = 0
        self.held_bytes = 0
        self._concurrency = concurrency
        self._free = concurrency
        self._most = concurrency + queue
        self._wait_s = wait_s
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._emptied: asyncio.Event | None = None
        # When a turn came last, and the seconds from one to the next while somebody waits.
        self._last = 0.0
        self._pause_s = 0.0

    @property
    def is_full(self) -> bool:
        """Whether another request would be one too many."""
        return self.inside >= self._most

    def refuses(self, size: int) -> bool:
        """Whether a request with a body of so many bytes is not to wait: too many do, or its client will have gone by then."""
        waiting = self.inside - self._concurrency
        if waiting < 0:
            return False
        if self.is_full or (waiting >= _ALWAYS and self.held_bytes + size > _HELD_BYTES):
            return True
        return bool(self._wait_s and self._waiting) and self.expected_wait_s(monotonic()) > self._wait_s

    def expected_wait_s(self, now: float) -> float:
        """How long one more would wait, by the pace at which turns come."""
        return (len(self._waiting) + 1) * max(self._pause_s, (now - self._last) / _PATIENCE)

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
        if not self._waiting:
            self._last = monotonic()
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
                self._count_turn(monotonic())
                future.set_result(None)
                return
        self._free += 1

    def _count_turn(self, now: float) -> None:
        self._pause_s += (now - self._last - self._pause_s) / (_SMOOTHING if self._pause_s else 1)
        self._last = now

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
