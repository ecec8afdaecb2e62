"""Where the Docker engine is, and clients of it: as DOCKER_HOST or a context of the docker client says, else the usual socket.

The same rules as the docker client's, so that both talk to one engine, on this machine or over TCP, TLS or ssh.
Source: docs.docker.com/engine/manage-resources/contexts.
"""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.build.secrets import without_credentials
from lyftlearn_image.errors import InvalidInputError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import docker

DEFAULT_HOST = "unix:///var/run/docker.sock"
# The first with BuildKit's mounts in its own frontend (docs.docker.com/engine/release-notes/20.10), and its API.
FIRST_VERSION, FIRST_API = "20.10", "1.41"
# The files of DOCKER_CERT_PATH, and of a context's own folder.
_CERTIFICATES = ("ca.pem", "cert.pem", "key.pem")


@dataclass(frozen=True)
class EngineAddress:
    """Where an engine is. `variables` tell it to the docker client and to the SDK alike.

    `named_by` is `DOCKER_HOST` or the context that says so; it is empty where nobody does.
    """

    variables: Mapping[str, str] = field(repr=False)
    named_by: str = ""

    @property
    def host(self) -> str:
        """The address as DOCKER_HOST writes it, with a user's name or password if it has one."""
        return self.variables["DOCKER_HOST"]

    def __str__(self) -> str:
        """The address without credentials; the user of an ssh address is none."""
        name, at, rest = self.host.removeprefix("ssh://").partition("@")
        is_user = self.host.startswith("ssh://") and at and ":" not in name and "@" not in rest
        return self.host if is_user else without_credentials(self.host)

    def client(self, timeout_s: int) -> docker.DockerClient:
        """A client, which the caller closes. `timeout_s` is the longest silence of a call.

        Raises the SDK's own errors, UnavailableError for an engine over ssh where the SDK cannot speak it.
        """
        import docker  # noqa: PLC0415 - takes 150 ms, and most verbs do not need it

        if self.host.startswith("ssh://"):
            self._require_ssh()
        # The user's own ssh knows the user's hosts, keys and agent.
        environment = {**os.environ, **self.variables}
        try:
            return docker.from_env(timeout=timeout_s, environment=environment, use_ssh_client=True)
        except docker.errors.InvalidVersion as error:  # older than the SDK itself takes
            raise _too_old(self, str(error).splitlines()[0][:200]) from None

    def _require_ssh(self) -> None:
        # The SDK's ssh transport imports it, and leaves itself out without it.
        if importlib.util.find_spec("paramiko") is None:
            raise UnavailableError(
                "an engine over ssh needs a further library",
                where=str(self),
                hint="pip install 'lyftlearn-image[ssh]', and an ssh that logs in without a password.",
            )


def is_older(version: str, first: str) -> bool:
    """Whether a version such as `19.03.15` or `1.40` comes before another one; False for what is no version."""
    numbers = [int(part) for part in re.findall(r"\d+", version.partition("+")[0].partition("-")[0])]
    return bool(numbers) and numbers < [int(part) for part in first.split(".")]


def require_new_enough(client: docker.DockerClient, address: EngineAddress) -> None:
    """Raises UnavailableError for an engine that has not all that a build or a run needs. Nothing is asked of it."""
    found = str(client.api.api_version)
    if is_older(found, FIRST_API):
        raise _too_old(address, f"its API is {found}")


def _too_old(address: EngineAddress, why: str) -> UnavailableError:
    return UnavailableError(
        f"the Docker engine is too old: {why}, and {FIRST_API} is needed (Docker {FIRST_VERSION})",
        where=str(address),
        hint="Update it (Debian: apt-get install docker.io), or name another one with DOCKER_HOST.",
    )


def find_address(environment: Mapping[str, str], default_host: str = DEFAULT_HOST) -> EngineAddress:
    """The engine that the docker client would use. Raises InvalidInputError for a context that is not there or is broken."""
    if host := environment.get("DOCKER_HOST"):
        return EngineAddress({"DOCKER_HOST": host}, "DOCKER_HOST")
    from docker.context import ContextAPI  # noqa: PLC0415 - see EngineAddress.client()
    from docker.context.config import get_current_context_name  # noqa: PLC0415 - likewise

    name = environment.get("DOCKER_CONTEXT") or get_current_context_name()
    if name == ContextAPI.DEFAULT_CONTEXT.Name:
        return EngineAddress({"DOCKER_HOST": default_host})
    hint = "`docker context ls` lists them; DOCKER_CONTEXT or DOCKER_HOST chooses one."
    try:
        context = ContextAPI.get_context(name)
        endpoint = context.endpoints["docker"] if context else None
    except Exception:  # noqa: BLE001 - the SDK raises Exception itself
        raise InvalidInputError(f"the docker context {name} is broken", hint=hint) from None
    if endpoint is None:
        raise InvalidInputError(f"there is no docker context {name}", hint=hint)
    folder = Path(context.tls_path) / "docker"
    has_certificates = all((folder / file).is_file() for file in _CERTIFICATES)
    variables = {
        "DOCKER_HOST": str(endpoint["Host"]),
        # Empty, they take back those of the environment, which belong to DOCKER_HOST.
        "DOCKER_CERT_PATH": str(folder) if has_certificates else "",
        "DOCKER_TLS_VERIFY": "1" if has_certificates and not endpoint.get("SkipTLSVerify") else "",
    }
    return EngineAddress(variables, f"the docker context {name}")


def connect(timeout_s: int = 120) -> docker.DockerClient:
    """A client of the engine that answers, which the caller closes; UnavailableError when none does."""
    import docker.errors  # noqa: PLC0415 - see EngineAddress.client()
    import requests  # noqa: PLC0415 - comes with the docker SDK

    address = find_address(os.environ)
    client = None
    try:
        client = address.client(timeout_s)
        client.ping()
        require_new_enough(client, address)
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        if client is not None:
            client.close()
        raise UnavailableError(
            "no Docker engine answers",
            where=f"{address}: {without_credentials(str(error)).splitlines()[0][:200]}",
            hint="Start one with `make engine`, or set DOCKER_HOST.",
        ) from None
    return client
