"""The program of the sandbox."""

from __future__ import annotations

import pytest

from lyftlearn_image.emulation.docker.pause_image import pause_program
from lyftlearn_image.errors import UnsupportedError


def test_the_sandbox_program_is_a_small_executable() -> None:
    """For both machines that images are built for; another one is refused."""
    for machine in ("x86_64", "aarch64"):
        assert pause_program(machine).startswith(b"\x7fELF")
        assert len(pause_program(machine)) < 300
    with pytest.raises(UnsupportedError, match="riscv64"):
        pause_program("riscv64")
