"""Commands in running containers: what takes too long or says too much is ended inside the container, by the engine."""

from __future__ import annotations

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.emulation.docker.commands import (
    _LIST as LIST,
    _find_process as find_process,
    _Interval as Interval,
    _Process as Process,
)
from lyftlearn_image.emulation.docker.container_spec import ContainerSpec
from lyftlearn_image.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.running_container import RunningContainer

WITHIN_S = 60.0
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
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
    """It alone, whatever begins beside it, and of this machine nothing; it is not told apart by what it can see.

    The PID that the engine tells is of the machine that the engine runs on, where it may be anybody's here. What the command
    has started stays, as the kubelet's runtime leaves it.
    """
    signalled: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *told: signalled.append(told))
    before = running.execute(("sh", "-c", "env"), WITHIN_S).output
    patient = ("sh", "-c", "until [ -e /tmp/killed ]; do sleep 0.1; done; echo whole")
    sleepy = ("bash", "-c", "trap '' TERM; env > /tmp/env; exec -a sleepy sleep 500")
    with ThreadPoolExecutor(8) as pool:
        beside = [pool.submit(running.execute, patient, 10 * WITHIN_S) for _ in range(3)]
        late = [pool.submit(running.execute, sleepy, 0.5) for _ in range(2)]
        beside += [pool.submit(running.execute, patient, 10 * WITHIN_S) for _ in range(3)]
        try:
            assert [one.result().exit_code for one in late] == [None, None]
            deadline = time.monotonic() + WITHIN_S
            while (found := running.execute(SLEEPERS, WITHIN_S).output.strip()) != b"0":
                assert time.monotonic() < deadline, found
                time.sleep(0.05)
        finally:
            running.execute(("touch", "/tmp/killed"), WITHIN_S)
        assert [one.result().output for one in beside] == [b"whole\n"] * 6
    shell_s_own = re.compile(rb"^(?:_|SHLVL|PWD|OLDPWD)=.*\n", re.MULTILINE)
    seen = running.execute(("cat", "/tmp/env"), WITHIN_S).output
    assert sorted(shell_s_own.sub(b"", seen).splitlines()) == sorted(shell_s_own.sub(b"", before).splitlines())
    assert running.wait(0) is None
    assert not signalled


def test_the_processes_of_another_container_are_no_commands(
    running: RunningContainer, containers: Containers, probe_image: str, tmp_path: Path
) -> None:
    """Containers of a pod may share their processes: the other's first one has no parent either, and may begin at any time."""
    spec = ContainerSpec(
        image=probe_image,
        name=f"{containers.run_id}-beside",
        entrypoint=("sh", "-c", "echo $$; exec sleep 600"),
        command=(),
        user="1234:1234",
        pid_mode=f"container:{running.id}",
    )
    begun: SimpleQueue[str] = SimpleQueue()
    with containers.start(spec, stdout=tmp_path / "1", stderr=tmp_path / "2", on_line=begun.put):
        other = begun.get(timeout=WITHIN_S).strip()
        _, _, *lines = running.execute(("sh", "-c", LIST), WITHIN_S).output.decode().splitlines()
        assert len(lines) == 2
        assert lines[0].startswith("1 ")
        assert other not in {line.split()[0] for line in lines}


@given(
    asked=st.integers(100_000, 10**9),
    lasted=st.integers(0, 30_000),
    after=st.integers(0, 30_000),
    apart=st.integers(20, 30_000),
    clock=st.sampled_from([0, -60_000, 7 * 10**9]),
    listing=st.tuples(st.integers(0, 2000), st.integers(0, 2000)),
)
def test_a_command_is_known_by_when_it_began(  # noqa: PLR0913, PLR0917 - drawn
    asked: int, lasted: int, after: int, apart: int, clock: int, listing: tuple[int, int]
) -> None:
    """It began after it was asked for and before the engine told of it: that process is found, and never another one.

    The container's own process is none. Another machine has another clock, known as well as when the list was made: what began
    close to the command cannot be told from it there, and nothing is found. All times are milliseconds.
    """
    until, began = asked + lasted, asked + min(after, lasted)
    listed_for, listed_at = max(listing), until + 40_000 + min(listing)
    boot = BOOT_ID.read_text() if clock == 0 else "of-another-machine\n"
    head = f"{boot}{(listed_at + clock) // 10 / 100:.2f}\n"

    def find(processes: dict[int, int]) -> Process | None:
        lines = "".join(f"{pid} {(at + clock) // 10}\n" for pid, at in processes.items())
        during = Interval(asked / 1000, until / 1000)
        return find_process(head + lines, during, Interval((until + 40_000) / 1000, (until + 40_000 + listed_for) / 1000))

    others = {1: began, 20: asked - apart, 40: until + apart}
    its_own = Process(30, (began + clock) // 10)
    is_certain = clock == 0 or apart > listed_for + 50
    assert find({**others, 30: began}) in ((its_own,) if is_certain else (its_own, None))
    assert find({**others, 30: began, 50: began}) is None
    assert not is_certain or find(others) is None


def test_of_what_a_command_says_the_beginning_is_kept(running: RunningContainer) -> None:
    """A probe may print gigabytes; the kubelet keeps 10 KiB."""
    result = running.execute(("sh", "-c", "head -c 50000000 /dev/zero; exit 3"), WITHIN_S)
    assert result.exit_code == 3
    assert result.output == bytes(10 << 10)


def test_a_container_that_is_held_still_runs_its_commands_afterwards(running: RunningContainer) -> None:
    """None of its processes goes on meanwhile; who holds or frees what has ended is told, or does nothing."""
    counts = ("sh", "-c", "while :; do echo >> /tmp/beats; sleep 0.01; done")
    beats = ("sh", "-c", "wc -l < /tmp/beats")
    with ThreadPoolExecutor(2) as pool:
        endless = pool.submit(running.execute, counts, WITHIN_S)
        while not running.execute(beats, WITHIN_S).output.strip().isdigit():
            time.sleep(0.1)
        running.pause()
        waiting = pool.submit(running.execute, ("echo", "now"), WITHIN_S)
        time.sleep(0.5)
        assert not waiting.done()
        running.unpause()
        assert waiting.result().output == b"now\n"
        running.signal("SIGKILL")
        endless.result()
    assert running.wait(WITHIN_S)
    running.unpause()
    with pytest.raises(RunError):
        running.pause()
