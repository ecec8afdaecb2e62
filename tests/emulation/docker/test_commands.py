"""Commands in running containers: what takes too long or says too much is ended inside the container, by the engine."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.emulation.docker.container_spec import ContainerSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.running_container import RunningContainer

WITHIN_S = 60.0
SLEEPERS = ("sh", "-c", "grep -l '[s]leepy' /proc/[0-9]*/cmdline | wc -l")


@pytest.fixture
def running(containers: Containers, probe_image: str, tmp_path: Path) -> Iterator[RunningContainer]:
    """A container of a plain user that waits."""
    spec = ContainerSpec(
        image=probe_image, name=f"{containers.run_id}-commands", entrypoint=("sleep", "600"), command=(), user="1234:1234"
    )
    with containers.start(spec, stdout=tmp_path / "out", stderr=tmp_path / "err") as started:
        yield started


def test_a_command_that_takes_too_long_is_killed_in_its_container(
    running: RunningContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what it has started, and nothing else of the container; no process of this machine gets a signal.

    The PID that the engine tells is of the machine that the engine runs on, where it may be anybody's here.
    """
    signalled: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *told: signalled.append(told))
    script = "(exec -a sleepy-child sleep 500) & trap '' TERM; exec -a sleepy sleep 500"
    assert running.execute(("bash", "-c", script), 1.0).exit_code is None
    deadline = time.monotonic() + WITHIN_S
    while (found := running.execute(SLEEPERS, WITHIN_S).output.strip()) != b"0":
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    assert running.wait(0) is None
    assert not signalled


def test_of_what_a_command_says_the_beginning_is_kept(running: RunningContainer) -> None:
    """A probe may print gigabytes; the kubelet keeps 10 KiB."""
    result = running.execute(("sh", "-c", "head -c 50000000 /dev/zero; exit 3"), WITHIN_S)
    assert result.exit_code == 3
    assert result.output == bytes(10 << 10)
