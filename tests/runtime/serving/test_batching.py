"""Micro-batching without a server: what goes together, and that each gets the answer that it would get alone."""

from __future__ import annotations

import asyncio
import threading
import types
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from lyftlearn_runtime.serving import handlers
from lyftlearn_runtime.serving.admission import Admission
from lyftlearn_runtime.serving.batching import Batcher
from lyftlearn_runtime.serving.errors import RequestError
from lyftlearn_runtime.serving.invocation import InferenceRequest, InferenceResponse, Model
from lyftlearn_runtime.serving.lane import Lane
from lyftlearn_runtime.serving.pace import Pace

JSON, CSV = "application/json", "text/csv"


class Doubling:
    """A model of rows of two, that has seen so many rows at each call."""

    n_features_in_ = 2

    def __init__(self) -> None:
        self.calls: list[int] = []

    def predict(self, rows: Any) -> Any:
        """A number a row; it takes no infinity."""
        self.calls.append(len(rows))
        if np.isinf(rows).any():
            raise ValueError("infinity")
        return rows.sum(axis=1) * 2


async def there() -> Any:
    """The next message of a client that is still there: there is none."""
    await asyncio.get_running_loop().create_future()


async def gone() -> Any:
    """That of one which has hung up."""
    return {"type": "http.disconnect"}


def request(body: str | bytes, kind: str = JSON) -> InferenceRequest:
    """A request with this body."""
    return InferenceRequest(body.encode() if isinstance(body, str) else body, kind, JSON, "", [])


async def loaded(lane: Lane, module: Any) -> Model:
    """A model with a module's handlers."""
    model = Model(handlers.module_handlers(module), lane, "/nowhere", Pace())
    await model.load()
    return model


def module(model: Any, **functions: Any) -> Any:
    """A team's module whose model is this."""
    found = types.ModuleType("inference")
    vars(found).update(model_fn=lambda _: model, **functions)
    return found


async def settled(*answers: Any) -> list[Any]:
    """What each of them gives or raises."""
    return await asyncio.gather(*answers, return_exceptions=True)


def same(left: Any, right: Any) -> bool:
    """Whether two answers are the same to their clients."""
    if isinstance(left, RequestError):
        return isinstance(right, RequestError) and (left.status, left.message) == (right.status, right.message)
    return bool(left == right)


BODIES = st.sampled_from([
    (b"[[1, 2]]", JSON), (b"[[1, 2], [3.5, 4]]", JSON), (b"[5, 6]", JSON), (b"[[7, 8]]", JSON), (b"1,2\n3,4\n", CSV),
    (b"[[1, 2, 3]]", JSON), (b"[[1, 2]", JSON), (b"\xff", JSON), (b"[]", JSON), (b"inf,1\n", CSV), (b"x,1\n", CSV),
    (b"1", "a/b"),
])  # fmt: skip


@given(bodies=st.lists(BODIES, min_size=1, max_size=12))
def test_each_gets_the_answer_that_it_would_get_alone(bodies: list[tuple[bytes, str]]) -> None:
    """Bodies good and bad, in any mixture: the same bytes and the same errors, to the word."""

    async def run() -> None:
        model = await loaded(Lane(1), module(Doubling()))
        requests = [request(*one) for one in bodies]
        together = model.batch(requests)
        alone = await settled(*map(model.invoke, requests))
        assert all(map(same, together, alone)), (together, alone)

    asyncio.run(run())


def test_what_fits_goes_at_once_and_a_bad_body_costs_nobody_else_his_answer() -> None:
    """Arrays of one type and shape are one call. Where that fails, each is asked alone."""
    model = Doubling()

    async def run(*bodies: str) -> list[Any]:
        model.calls.clear()
        return (await loaded(Lane(1), module(model))).batch([request(one, CSV) for one in bodies])

    answers: list[InferenceResponse] = asyncio.run(run("1,2\n", "3,4\n5,6\n", "x\n", "7,8\n"))
    assert model.calls == [4]
    assert [answers[place].content for place in (0, 1, 3)] == [b"[6.0]", b"[14.0, 22.0]", b"[30.0]"]
    assert isinstance(answers[2], RequestError)
    answers = asyncio.run(run("1,2\n", "inf,1\n", "3,4\n"))
    assert model.calls[:2] == [3, 1]
    assert [answers[place].content for place in (0, 2)] == [b"[6.0]", b"[14.0]"]
    assert isinstance(answers[1], RequestError)
    assert answers[1].status == 400


@pytest.mark.parametrize(
    "predict",
    [
        pytest.param(lambda data, _: {"sum": float(data.sum())}, id="no array"),
        pytest.param(lambda data, _: data.sum(axis=0), id="no row for each row"),
        pytest.param(lambda data, _: float(data.sum()), id="a number"),
        pytest.param(lambda data, _: data[:, 0].tolist(), id="a list of rows"),
    ],
)
def test_a_predict_fn_of_the_team_is_asked_alone_where_it_gives_no_rows(predict: Any) -> None:
    """What does not give a row for each row cannot be divided, so nobody gets a part of another's."""

    async def run() -> None:
        model = await loaded(Lane(1), module(None, predict_fn=predict))
        requests = [request(one) for one in ("[[1, 2]]", "[[3, 4], [5, 6]]", "[[7, 8]]")]
        assert model.batch(requests) == await settled(*map(model.invoke, requests))

    asyncio.run(run())


def test_what_waits_together_goes_together() -> None:
    """While a batch runs, those that come wait, and are the next one; at most so many; who has hung up is left out."""
    begun, go = threading.Event(), threading.Event()
    calls: list[list[float]] = []

    def predict(data: Any, _: Any) -> Any:
        calls.append(data[:, 0].tolist())
        begun.set()
        go.wait(60)
        return data[:, 0]

    async def run() -> list[Any]:
        lane, admission = Lane(1), Admission(1, 100)
        batcher = Batcher(await loaded(lane, module(None, predict_fn=predict)), lane, admission, 3, 0.0)
        waiting = [asyncio.ensure_future(batcher.answer(request("[[0, 0]]"), there))]
        await asyncio.to_thread(begun.wait, 60)
        waiting += [
            asyncio.ensure_future(batcher.answer(request(f"[[{number}, 0]]"), gone if number == 2 else there))
            for number in range(1, 6)
        ]
        await asyncio.sleep(0)
        go.set()
        answers = await asyncio.gather(*waiting)
        assert admission.has_slot
        return [one and one.content for one in answers]

    assert asyncio.run(run()) == [b"[0]", b"[1]", None, b"[3]", b"[4]", b"[5]"]
    assert calls == [[0], [1, 3], [4, 5]]


def test_a_batch_waits_for_others_and_not_for_ever() -> None:
    """With a wait, requests that come one after the other are one batch: once it is full, or when the time is over."""
    model = Doubling()

    async def run(most: int, wait_s: float) -> None:
        lane = Lane(1)
        batcher = Batcher(await loaded(lane, module(model)), lane, Admission(4, 100), most, wait_s)
        waiting = []
        for _ in range(2):
            waiting.append(asyncio.ensure_future(batcher.answer(request("[[1, 2]]"), there)))
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)

    asyncio.run(run(2, 3600.0))
    assert model.calls == [2]
    asyncio.run(run(100, 0.5))
    assert sum(model.calls) == 4
