"""Whether an engine shares this machine with us: said before anything starts, instead of in the middle of a run.

The embedded targets need two things of an engine's machine. Its network: the AWS endpoint and the agents' credentials listen
on the gateway of the run's bridge, and probes reach containers by their addresses. And its files: channels, `/opt/ml`,
ConfigMaps and Secrets are bind mounts of directories of this process. Building, pushing and removing need neither.
"""

from __future__ import annotations

import os
import socket
import uuid
from typing import TYPE_CHECKING

from lyftlearn_image.build.connection import connect, find_address
from lyftlearn_image.build.engine_facts import engine_facts, in_container
from lyftlearn_image.emulation.docker.containers import Containers
from lyftlearn_image.emulation.docker.errors import engine_errors
from lyftlearn_image.emulation.docker.network import has_interface
from lyftlearn_image.emulation.docker.pause_image import ensure_pause_image
from lyftlearn_image.emulation.private_directories import private_directory
from lyftlearn_image.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.build.engine_facts import EngineFacts
    from lyftlearn_image.emulation.docker.network import Network

_INSIDE = "/lyftlearn"
# Where an engine is → how the toolkit gets to where its network and its files are.
_WAYS: Mapping[str, str] = {
    "remote": "Run this command on the engine's machine.",
    "vm": "Run this command in the virtual machine, or name an engine of this machine with DOCKER_HOST.",
    "socket": (
        "Start this container with --network host, --ipc host and --volume /tmp/lyftlearn:/tmp/lyftlearn, and set "
        "TMPDIR=/tmp/lyftlearn in it; reports and data belong below that directory, too."
    ),
    "here": "Name an engine of this machine with DOCKER_HOST, or run this command in the engine's own network namespace.",
}
_OF_ROOTLESS = (
    "Run this command in the engine's network: nsenter -U --preserve-credentials -n "
    "-t $(pgrep -u $USER -x dockerd) lyftlearn-image …; or use an engine that root runs."
)
_OF_PODMAN = "Name a Docker engine with DOCKER_HOST. Podman has a network only while a container is in it."


def require_shared_machine() -> None:
    """Raises UnavailableError where no emulator can run on the engine, with what it does not share and what to do.

    A network and a container are made for that, which is not started; both are removed.
    """
    client = connect()
    try:
        containers = Containers(client, f"preflight-{uuid.uuid4().hex[:8]}")
        with containers.network() as network:
            require_shared(containers, network)
    finally:
        client.close()


def require_shared(containers: Containers, network: Network) -> None:
    """The same, of a run's own network."""
    missing = _missing_network(network) or _missing_files(containers)
    if missing:
        with engine_errors("asking the engine what it is"):
            facts = engine_facts(containers.client, find_address(os.environ))
        raise UnavailableError(
            f"runs on this machine need an engine that shares its {missing[0]}: {_kind(facts)} does not",
            where=f"{facts}: {missing[1]}",
            hint=_way(facts, missing[0]) + ("" if facts.is_podman else " `build` and `push` work as they are."),
        )


def _missing_network(network: Network) -> tuple[str, str] | None:
    try:
        with socket.create_server((network.gateway, 0)):
            pass
    except OSError as error:
        return "network", f"its bridge {network.gateway} is not here ({os.strerror(error.errno or 0)})"
    # Another engine of this machine may have a bridge with the same address.
    if not has_interface(network.interface):
        return "network", f"its bridge {network.interface} is not here"
    return None


def _missing_files(containers: Containers) -> tuple[str, str] | None:
    """An engine that does not see a directory refuses to mount it: no container has to start."""
    import docker.errors  # noqa: PLC0415 - see EngineAddress.client()
    from docker.types import Mount  # noqa: PLC0415 - as above

    with private_directory() as directory, engine_errors("looking whether the engine sees this machine's files"):
        image = ensure_pause_image(containers.client)
        mount = Mount(_INSIDE, str(directory), type="bind", read_only=True)
        try:
            container = containers.client.containers.create(image, mounts=[mount], labels=dict(containers.labels))
        except docker.errors.APIError as error:
            if str(directory) not in str(error.explanation):
                raise
            return "files", f"it does not see {directory.parent}"
        container.remove(force=True, v=True)
    return None


def _kind(facts: EngineFacts) -> str:
    if facts.is_podman:
        return "Podman"
    if facts.is_rootless:
        return "a rootless engine"
    kinds = {"remote": "one on another machine", "vm": "one in a virtual machine", "socket": "that of a mounted socket"}
    return kinds.get(facts.place, "this one")


def _way(facts: EngineFacts, missing: str) -> str:
    if facts.is_podman:
        return _OF_PODMAN
    if facts.is_rootless and facts.place == "here":
        return _OF_ROOTLESS
    # A container on its machine's network has the machine's name, but not its files.
    return _WAYS["socket" if missing == "files" and facts.place == "here" and in_container() else facts.place]
