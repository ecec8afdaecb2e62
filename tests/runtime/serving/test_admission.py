"""Which requests may wait, without a server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from lyftlearn_runtime.serving import admission as admissions, settings
from lyftlearn_runtime.serving.admission import Admission

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20


class Clock:
    """A time that passes when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The one by which turns are counted."""
    found = Clock()
    monkeypatch.setattr(admissions, "monotonic", found)
    return found


async def waiting(admission: Admission, count: int) -> list[asyncio.Task[bool]]:
    """So many who are inside, of whom those without a slot wait."""
    tasks = []
    for _ in range(count):
        admission.enter()
        tasks.append(asyncio.ensure_future(admission.slot()))
    await asyncio.sleep(0)
    return tasks


def turns(admission: Admission, clock: Clock, seconds: float) -> Iterator[None]:
    """One turn after the other, each so long after the one before."""
    while True:
        clock.now += seconds
        admission.free_slot()
        yield


def test_a_burst_is_taken_whole(clock: Clock) -> None:
    """By default a thousand wait; the multi-model server takes a hundred."""
    found = settings.read({"LYFTLEARN_SERVE_CONCURRENCY": "2"})

    async def burst() -> int:
        admission = Admission(found.concurrency, found.queue, found.wait_s)
        taken = 0
        while not admission.refuses(1):
            await waiting(admission, 1)
            taken += 1
        return taken

    assert asyncio.run(burst()) == 1002


@pytest.mark.parametrize(("seconds", "refused"), [(0.5, False), (0.59, False), (0.62, True), (3.0, True)])
def test_only_those_are_refused_whose_clients_would_have_gone(clock: Clock, seconds: float, refused: bool) -> None:  # noqa: FBT001
    """A hundred wait, and turns come at a pace: the next one is refused where that makes more than a minute."""

    async def queue() -> bool:
        admission = Admission(1, 1000, 60.0)
        await waiting(admission, 130)
        turn = turns(admission, clock, seconds)
        for _ in range(30):
            next(turn)
            admission.leave()
        assert admission.expected_wait_s(clock.now) == pytest.approx(100 * seconds)
        return admission.refuses(1)

    assert asyncio.run(queue()) is refused


def test_a_server_that_is_stuck_refuses_at_last(clock: Clock) -> None:
    """No turn has come yet, and none comes."""

    async def stuck() -> list[bool]:
        admission = Admission(1, 1000, 60.0)
        await waiting(admission, 11)
        seen = [admission.refuses(1)]
        clock.now += 30
        seen.append(admission.refuses(1))
        return seen

    assert asyncio.run(stuck()) == [False, True]


def test_beyond_a_hundred_their_bodies_count(clock: Clock) -> None:
    """A hundred are kept whatever they hold; of the others as many as fit into 256 MiB."""

    async def large() -> list[bool]:
        admission = Admission(1, 1000, 60.0)
        admission.held_bytes = 255 * MIB
        await waiting(admission, 100)
        seen = [admission.refuses(6 * MIB)]
        await waiting(admission, 1)
        return [*seen, admission.refuses(6 * MIB), admission.refuses(MIB)]

    assert asyncio.run(large()) == [False, True, False]


def test_a_number_that_was_said_counts_alone(clock: Clock) -> None:
    """LYFTLEARN_SERVE_QUEUE are those that wait, LYFTLEARN_SERVE_WAIT seconds; batch transform has its own."""
    found = settings.read({"LYFTLEARN_SERVE_QUEUE": "1", "LYFTLEARN_SERVE_WAIT": "7"})
    assert (found.queue, found.wait_s) == (1, 7.0)
    assert settings.read({"SAGEMAKER_BATCH": "true"}).wait_s == 0
    assert settings.read({}).wait_s == 60

    async def two() -> list[bool]:
        admission = Admission(1, 1, 0)
        seen = []
        for _ in range(3):
            seen.append(admission.refuses(1))
            await waiting(admission, 1)
        return seen

    assert asyncio.run(two()) == [False, False, True]


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, 0),
        ({"SAGEMAKER_MODEL_SERVER_TIMEOUT": "2"}, 120),
        ({"SAGEMAKER_MODEL_SERVER_TIMEOUT": "2", "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS": "5"}, 5),
        ({"MODEL_SERVER_TIMEOUT": "7"}, 7),
    ],
)
def test_the_timeout_is_in_the_units_of_whoever_named_it(environ: dict[str, str], seconds: float) -> None:
    """Minutes by the toolkit's variable, seconds by its newer one and by gunicorn's."""
    assert settings.read(environ).timeout_s == seconds
