"""Commands in running containers: what takes too long or says too much is ended inside the container, by the engine."""

from __future__ import annotations

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.emulation.docker.container_spec import ContainerSpec
from lyftlearn_image.emulation.docker.running_container import _find_command

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """It alone, and nothing else of the container, of this machine nothing; it is not told apart by what it can see.

    The PID that the engine tells is of the machine that the engine runs on, where it may be anybody's here. What the command
    has started stays, as the kubelet's runtime leaves it.
    """
    signalled: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *told: signalled.append(told))
    before = running.execute(("sh", "-c", "env"), WITHIN_S).output
    with ThreadPoolExecutor(3) as pool:
        older = pool.submit(running.execute, ("sh", "-c", "sleep 8; echo older"), WITHIN_S)
        time.sleep(1)
        late = pool.submit(running.execute, ("bash", "-c", "trap '' TERM; env > /tmp/env; exec -a sleepy sleep 500"), 3.0)
        time.sleep(1)
        younger = pool.submit(running.execute, ("sh", "-c", "sleep 6; echo younger"), WITHIN_S)
        assert late.result().exit_code is None
        deadline = time.monotonic() + WITHIN_S
        while (found := running.execute(SLEEPERS, WITHIN_S).output.strip()) != b"0":
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        assert (older.result().output, younger.result().output) == (b"older\n", b"younger\n")
    shell_s_own = re.compile(rb"^(?:_|SHLVL|PWD|OLDPWD)=.*\n", re.MULTILINE)
    seen = running.execute(("cat", "/tmp/env"), WITHIN_S).output
    assert sorted(shell_s_own.sub(b"", seen).splitlines()) == sorted(shell_s_own.sub(b"", before).splitlines())
    assert running.wait(0) is None
    assert not signalled


@pytest.mark.parametrize(
    ("processes", "found"),
    [
        ("1 500\n", None),
        ("1 9900\n20 9700\n", 20),
        ("1 5\n20 9200\n30 9705\n40 9800\n50 9999\n", 30),
        ("20 9200\n", None),
        ("1 9800\n", None),
    ],
)
@pytest.mark.parametrize("is_here", [True, False])
def test_a_command_is_known_by_when_it_began(processes: str, found: int | None, is_here: bool) -> None:  # noqa: FBT001 - drawn
    """It is the first since it was asked for; the container's own process is none. Another machine has another clock."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text() if is_here else "of-another-machine\n"
    ahead_s = 0 if is_here else 5000
    assert _find_command(f"{boot}100.00\n{processes}", 97.0 + ahead_s, 100.0 + ahead_s) == found


def test_of_what_a_command_says_the_beginning_is_kept(running: RunningContainer) -> None:
    """A probe may print gigabytes; the kubelet keeps 10 KiB."""
    result = running.execute(("sh", "-c", "head -c 50000000 /dev/zero; exit 3"), WITHIN_S)
    assert result.exit_code == 3
    assert result.output == bytes(10 << 10)
