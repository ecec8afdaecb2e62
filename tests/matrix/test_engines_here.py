"""Rows of the matrix of engines that need no engine of their own: a user of the docker group, a container with the socket."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.doctor.checkup import Level
from lyftlearn_image.doctor.engine import check_engine

if TYPE_CHECKING:
    from collections.abc import Callable

NOBODY = 65534
SOCKET = Path("/var/run/docker.sock")
ROOT = Path(__file__).resolve().parents[2]
CHECK = "from lyftlearn_image.doctor.engine import check_engine\nfor one in check_engine(300): print(one.level.value, one.name)"


def test_a_user_of_the_group_docker_has_all_of_the_engine(engine: None) -> None:
    """Nothing of it needs root."""
    # Imported while the interpreter's own files may be read: they may be root's.
    list(check_engine(300))
    groups = os.getgroups()
    os.setgroups([SOCKET.stat().st_gid])
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        found = {one.name: one.level for one in check_engine(300)}
    finally:
        os.setresuid(0, 0, 0)
        os.setgroups(groups)
    assert [found[name] for name in ("engine", "BuildKit", "runs here")] == [Level.OK] * 3


def test_a_container_with_the_socket_is_told_how_it_shares_the_engines_machine(
    probe_image: str, docker_cli: Callable[..., str], tmp_path: Path
) -> None:
    """By itself it shares nothing; with the options that the hint names runs work there."""
    # The interpreter of this process, with all that it imports, at the same paths.
    folders = {str(ROOT), sys.prefix, sys.base_prefix}
    mounts = [f"--volume={path}:{path}:ro" for path in folders] + [f"--volume={SOCKET}:{SOCKET}"]
    shared = (f"--volume={tmp_path}:{tmp_path}", f"--env=TMPDIR={tmp_path}", "--ipc=host")
    told = [
        docker_cli("run", "--rm", *mounts, *options, f"--entrypoint={sys.executable}", probe_image, "-B", "-c", CHECK)
        for options in ((), ("--network=host",), ("--network=host", *shared))
    ]
    assert ["ok engine" in one for one in told] == [True] * 3
    assert ["ok runs here" in one for one in told] == [False, False, True]
    assert ["warning runs here" in one for one in told] == [True, True, False]
