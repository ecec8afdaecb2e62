"""Micro-batching: requests that wait together are carried out together, and each gets its own answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from lyftlearn_runtime.serving import reply

if TYPE_CHECKING:
    from lyftlearn_runtime.serving.admission import Admission
    from lyftlearn_runtime.serving.invocation import InferenceRequest, InferenceResponse, Model
    from lyftlearn_runtime.serving.lane import Lane


class _Waiting(NamedTuple):
    """A request that waits for its batch; `receive` tells whether its client is still there."""

    request: InferenceRequest
    receive: Any
    future: asyncio.Future[Any]
    since: float


class Batcher:
    """Gathers what waits: at most `most` requests, and none for longer than `wait_s` while a slot is free."""

    def __init__(self, model: Model, lane: Lane, admission: Admission, most: int, wait_s: float) -> None:
        self._model = model
        self._lane = lane
        self._admission = admission
        self._most = most
        self._wait_s = wait_s
        self._waiting: list[_Waiting] = []
        self._running: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def answer(self, request: InferenceRequest, receive: Any) -> InferenceResponse | None:
        """The answer to one of them, None where its client has gone. RequestError as that of `Model.invoke`."""
        loop = asyncio.get_running_loop()
        one = _Waiting(request, receive, loop.create_future(), loop.time())
        self._waiting.append(one)
        self._begin()
        return await one.future  # type: ignore[no-any-return]

    def _begin(self) -> None:
        """Starts as many batches as there are slots for."""
        loop = asyncio.get_running_loop()
        while self._waiting and self._admission.has_slot:
            left = self._waiting[0].since + self._wait_s - loop.time()
            if len(self._waiting) < self._most and left > 0:
                if self._timer is None:
                    self._timer = loop.call_later(left, self._ring)
                return
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            self._admission.take_slot()
            task = loop.create_task(self._run(batch))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def _ring(self) -> None:
        self._timer = None
        self._begin()

    async def _run(self, batch: list[_Waiting]) -> None:
        try:
            here = [one for one in batch if not reply.has_gone(one.receive)]
            for one in batch:
                if one not in here:
                    one.future.set_result(None)
            answers = await self._lane.call(self._model.batch, [one.request for one in here]) if here else []
            for one, answer in zip(here, answers):  # noqa: B905 - 3.10 has it first
                if one.future.done():
                    continue
                if isinstance(answer, BaseException):
                    one.future.set_exception(answer)
                else:
                    one.future.set_result(answer)
        except BaseException as error:
            for one in batch:
                if not one.future.done():
                    one.future.set_exception(error)
            raise
        finally:
            self._admission.free_slot()
            self._begin()
