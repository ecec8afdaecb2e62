"""Whose containers, volumes and networks may be removed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from hypothesis import given, strategies as st

from lyftlearn_image.emulation.docker import ownership
from lyftlearn_image.emulation.docker.container_spec import ContainerSpec, Mount
from lyftlearn_image.emulation.docker.ownership import OWNER_LABEL, has_ended, owner, owner_labels

if TYPE_CHECKING:
    import pytest

    from lyftlearn_image.emulation.docker.containers import Containers

OWNER = "from lyftlearn_image.emulation.docker.ownership import owner; print(owner(), flush=True); input()"


def test_a_process_has_ended_when_it_has() -> None:
    """Not before; and a later process with the same PID is another one."""
    command = [sys.executable, "-c", OWNER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        label = process.stdout.readline().strip()
        assert not has_ended(label)
        boot_id, pid, start_time = label.split("/")
        assert has_ended(f"{boot_id}/{pid}/{int(start_time) - 1}")
        process.communicate("\n")
    assert has_ended(label)


def test_a_process_that_nobody_has_reaped_has_ended() -> None:
    """Its PID is still taken: the parent of a killed one may never ask, as a container's first process."""
    with subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        label = process.stdout.readline().strip()
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert has_ended(label)


def test_a_process_of_another_user_that_cannot_be_looked_at_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where /proc hides it, its PID is still taken; one that is taken by nobody has ended."""
    monkeypatch.setattr(ownership, "_look_at", lambda _: ("", ""))
    space = owner().split("/")[0]
    assert not has_ended(f"{space}/{os.getpid()}/1")
    assert has_ended(f"{space}/{2**22 + 1}/1")


def test_a_process_of_another_container_is_left_alone(containers: Containers, probe_image: str, tmp_path: Path) -> None:
    """A harness in a container, with the engine's socket, has PIDs of its own, which mean other processes here."""
    source = Path(str(ownership.__file__))
    program = "import sys; sys.path.append('/code'); import ownership; print(ownership.owner(), flush=True); sys.stdin.read()"
    spec = ContainerSpec(
        image=probe_image,
        name=f"{containers.run_id}-owner",
        entrypoint=("python3", "-c", program),
        command=(),
        mounts=(Mount(f"/code/{source.name}", source, read_only=True),),
        stdin_open=True,
    )
    said: SimpleQueue[str] = SimpleQueue()
    with containers.start(spec, stdout=tmp_path / "out", stderr=tmp_path / "err", on_line=said.put):
        label = said.get(timeout=120).strip()
    space, pid, start_time = label.split("/")
    assert (pid, start_time.isdecimal()) == ("1", True)
    assert space != owner().split("/")[0]
    assert not has_ended(label)


def test_this_process_runs() -> None:
    """What it labels is its own."""
    assert owner_labels() == {OWNER_LABEL: owner()}
    assert not has_ended(owner())


@given(st.text(max_size=40))
def test_a_label_of_another_machine_is_left_alone(label: str) -> None:
    """Whatever it says: its processes cannot be seen from here."""
    assert not has_ended(label)
    assert not has_ended(f"00000000-0000-0000-0000-000000000000/{label}")
    # Nor does what stands for no process stop whoever looks.
    has_ended(f"{owner().split('/')[0]}/{label}")
