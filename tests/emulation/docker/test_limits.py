"""Limits that nobody enforces here are named."""

from __future__ import annotations

from typing import Any

import pytest

from lyftlearn_image.emulation.docker.limits import beyond_machine, unenforced_limits

GIB = 1 << 30
ABLE: dict[str, Any] = {"MemTotal": 8 * GIB, "NCPU": 2, "MemoryLimit": True, "SwapLimit": True, "CpuCfsQuota": True}


@pytest.mark.parametrize(("ability", "named"), [("MemoryLimit", "memory"), ("SwapLimit", "swap"), ("CpuCfsQuota", "CPU")])
def test_what_an_engine_cannot_limit_is_named(ability: str, named: str) -> None:
    """By its own word; one that says nothing of it, as podman, is not suspected."""
    (note,) = unenforced_limits({**ABLE, ability: False})
    assert note.startswith(f"{named} is not limited")
    assert unenforced_limits(ABLE) == unenforced_limits({"MemTotal": 1}) == ()


def test_a_limit_beyond_the_machine_is_named() -> None:
    """With both sizes."""
    assert beyond_machine("limits.memory=8Gi", 8 * GIB, ABLE) == ()
    (note,) = beyond_machine("limits.memory=9Gi", 9 * GIB, ABLE)
    assert "limits.memory=9Gi allows 9.0 GiB, and this machine has 8.0 GiB" in note
