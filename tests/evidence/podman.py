"""Podman's `kube play`: a program that others wrote, and that runs pod manifests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from lyftlearn_image.build.engine import apt_install

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Its own limits are above those of many machines, where no container then starts.
_CONFIGURATION = """\
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_TIMEOUT_S = 120
# Debian only recommends the second, of which podman makes the container that holds a pod.
_PROGRAMS = ("podman", "catatonit")


class Ended(NamedTuple):
    """What a pod's container left."""

    exit_code: int
    stdout: str
    stderr: str
    inspected: Mapping[str, Any]


class Podman:
    """An installation of its own below a directory: no image or container of the machine's is seen or changed."""

    def __init__(self, directory: Path) -> None:
        if any(shutil.which(program) is None for program in _PROGRAMS):
            apt_install(_PROGRAMS, wanted_for="the evidence of podman")
        configuration = directory / "containers.conf"
        configuration.write_text(_CONFIGURATION, encoding="utf-8")
        self._environment = {**os.environ, "CONTAINERS_CONF": str(configuration)}
        self._command = ["podman", "--root", str(directory / "root"), "--runroot", str(directory / "run")]
        self._directory = directory

    def run(self, *arguments: str) -> str:
        """The stdout of a podman command."""
        done = subprocess.run(
            [*self._command, *arguments], env=self._environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        assert done.returncode == 0, f"podman {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def load(self, image: str) -> None:
        """Takes an image from the Docker engine."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
            subprocess.run([*self._command, "load", "--quiet"], env=self._environment, stdin=saved.stdout, check=True)

    def play(self, documents: Sequence[Mapping[str, Any]]) -> Ended:
        """Runs a pod and the objects that it needs, to its end, on the host's network; removes it."""
        path = self._directory / "pod.yaml"
        path.write_text(yaml.safe_dump_all(documents, sort_keys=False), encoding="utf-8")
        pod = documents[-1]
        name = f"{pod['metadata']['name']}-{pod['spec']['containers'][0]['name']}"
        try:
            self.run("kube", "play", "--network", "host", str(path))
            code = int(self.run("wait", name))
            done = subprocess.run(
                [*self._command, "logs", name], env=self._environment, capture_output=True, text=True, timeout=60, check=True
            )
            return Ended(code, done.stdout, done.stderr, json.loads(self.run("inspect", name))[0])
        finally:
            self.run("kube", "down", str(path))
