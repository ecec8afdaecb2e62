"""An engine whose network or files are not this machine's is told before anything starts."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.emulation.docker.network import has_interface
from lyftlearn_image.emulation.shared_machine import require_shared

if TYPE_CHECKING:
    from pathlib import Path

    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.network import Network

# As a container with the engine's socket has it: a network of its own, and another directory for temporary files.
OWN_NETWORK = ("unshare", "--net")
OWN_FILES = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$TMPDIR" && exec "$@"', "sh")
SUITE = """\
name: nowhere
image: lyftlearn-test-nowhere:1
build: .
cases: [{name: one, workload: {program: train.py}}]
"""
WORKLOAD = "{name: one, kind: training, image: debian:bookworm-slim, program: train.py}\n"


def test_the_engine_of_this_machine_is_taken(containers: Containers, network: Network) -> None:
    """Its bridge is an interface of ours, and it sees our directories; what was made to learn that is gone again."""
    require_shared(containers, network)
    assert has_interface(network.interface)
    assert not has_interface("br-nowhere")
    labels = [f"{name}={value}" for name, value in containers.labels.items()]
    assert not containers.client.containers.list(all=True, filters={"label": labels, "status": "created"})


@pytest.mark.parametrize(
    ("wrapper", "arguments", "missing"),
    [
        (OWN_NETWORK, ("parity", "run", "suite.yaml"), "network"),
        (OWN_FILES, ("run", "workload.yaml", "--target", "sagemaker", "--here"), "files"),
    ],
)
def test_an_engine_that_is_elsewhere_is_told_at_once(
    engine: None, tmp_path: Path, wrapper: tuple[str, ...], arguments: tuple[str, ...], missing: str
) -> None:
    """With what it does not share and what to do: exit code 69, and no image of the suite is built before."""
    files = {"suite.yaml": SUITE, "workload.yaml": WORKLOAD, "train.py": "", "Dockerfile": "FROM scratch\nCOPY train.py /\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = subprocess.run(
        [*wrapper, sys.executable, "-m", "lyftlearn_image", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(temporary)},
        timeout=300,
    )
    assert done.returncode == 69, done.stderr
    assert f"runs on this machine need an engine that shares its {missing}" in done.stderr
    assert "try: " in done.stderr
    assert "[1/1]" not in done.stderr
