"""Whose containers, volumes and networks may be removed."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given, strategies as st

from lyftlearn_image.emulation.docker.ownership import OWNER_LABEL, has_ended, owner, owner_labels

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


def test_this_process_runs() -> None:
    """What it labels is its own."""
    assert owner_labels() == {OWNER_LABEL: owner()}
    assert not has_ended(owner())


@given(st.text(max_size=40))
def test_a_label_of_another_machine_is_left_alone(label: str) -> None:
    """Whatever it says: its processes cannot be seen from here."""
    assert not has_ended(label)
    assert not has_ended(f"00000000-0000-0000-0000-000000000000/{label}")
