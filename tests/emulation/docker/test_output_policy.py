"""What a run's output may be, while cases that run at the same time begin and end."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.emulation.docker.output import OutputPolicy
from lyftlearn_image.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CASES = 16
RUNS_OF_A_CASE = 150


@pytest.fixture
def switching() -> Iterator[None]:
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_no_cut_is_lost_while_other_cases_end(tmp_path: Path, switching: None) -> None:
    """A cut that nobody is told of would be parity."""
    policy = OutputPolicy(Limits(log_bytes=1))

    def play(number: int) -> None:
        for run in range(RUNS_OF_A_CASE):
            directory = tmp_path / f"{number}-{run}"
            directory.mkdir()
            policy.mask_below(directory, {f"secret-{number}-{run}"})
            file = policy.open(directory / "stdout")
            file.write(b"more than one byte")
            file.close()
            assert policy.cut_below(directory) == ("stdout after 1 B",)
            policy.forget(directory)
            assert policy.cut_below(directory) == ()

    with ThreadPoolExecutor(CASES) as pool:
        list(pool.map(play, range(CASES)))
