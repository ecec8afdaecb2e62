"""What an engine says of itself, as far as it decides what can be done with it: whose it is, and on which machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import docker

    from lyftlearn_image.build.connection import EngineAddress

# What engines in a machine of their own call their system (`docker info`, Operating System).
_VM_SYSTEMS = ("Docker Desktop", "Rancher Desktop", "OrbStack")
# Docker and Podman leave these in every container (moby, oci_linux.go; podman-run(1)).
_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class EngineFacts:
    """An engine that answers. `root` is the directory of its images, on its own machine; `proxies` are its own.

    `place` is where it is seen from here: `here`, `remote`, `vm`, or `socket` where this is a container with its socket.
    """

    address: str
    product: str
    version: str
    place: str
    is_rootless: bool
    remaps_users: bool
    root: str
    proxies: tuple[str, ...]

    @property
    def is_podman(self) -> bool:
        """Whether it is Podman, which speaks Docker's API and has no BuildKit."""
        return self.product == "Podman"

    @property
    def has_files_here(self) -> bool:
        """Whether its own directories are those of this machine, by all that is known without asking it."""
        return self.place == "here"

    def __str__(self) -> str:
        places = {
            "remote": "on another machine",
            "vm": "in a virtual machine",
            "socket": "outside of this container, which has its socket",
        }
        said = [f"{self.product} {self.version}", "rootless" if self.is_rootless else "", places.get(self.place, "")]
        return f"{', '.join(filter(None, said))}, at {self.address}"


def engine_facts(client: docker.DockerClient, address: EngineAddress) -> EngineFacts:
    """What the engine of a client at this address is. Raises the docker SDK's own errors."""
    version, info = client.version(), client.info()
    components = [str(one.get("Name", "")) for one in version.get("Components") or ()]
    security = [str(one) for one in info.get("SecurityOptions") or ()]
    return EngineFacts(
        address=str(address),
        product="Podman" if any("Podman" in name for name in components) else "Docker",
        version=_shown(version.get("Version")),
        place=_place(address.host, info, version),
        # Podman tells it in a key of its own.
        is_rootless=any(option.startswith("name=rootless") for option in security) or info.get("Rootless") is True,
        remaps_users=any(option.startswith("name=userns") for option in security),
        root=str(info.get("DockerRootDir") or ""),
        proxies=tuple(str(info[name]) for name in ("HttpProxy", "HttpsProxy") if info.get(name)),
    )


def in_container() -> bool:
    """Whether this process is in a container of Docker, Podman or Kubernetes."""
    return any(mark.exists() for mark in _CONTAINER_MARKS) or "KUBERNETES_SERVICE_HOST" in os.environ


def _place(host: str, info: dict[str, Any], version: dict[str, Any]) -> str:
    if urlsplit(host).scheme != "unix":
        return "remote"
    kernel = str(version.get("KernelVersion") or info.get("KernelVersion") or "")
    system = str(info.get("OperatingSystem") or "")
    # Containers have the kernel of their machine, so another kernel is another machine.
    if any(name in system for name in _VM_SYSTEMS) or (kernel and kernel != os.uname().release):
        return "vm"
    # An engine beside us in the same container has our name.
    return "socket" if in_container() and info.get("Name") != os.uname().nodename else "here"


def _shown(text: object) -> str:
    return str(text or "of an unknown version")[:_SHOWN_CHARACTERS]
