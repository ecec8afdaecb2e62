"""Containers of the built image, each started through the shim: as root, as Studio's user, and as any UID of group 0."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import testinfra  # type: ignore[import-untyped]

from lyftlearn_image.build.engine import build_client
from lyftlearn_image.emulation.docker.ownership import OWNER_LABEL, owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import docker
    from docker.models.containers import Container
    from testinfra.host import Host  # type: ignore[import-untyped]

# What a killed run of the tests leaves goes with the next harness, as its own containers do.
LABEL = {OWNER_LABEL: owner()}
# Below it are Debian's own and this image's users; OpenShift and others give out UIDs far above.
LOWEST_ARBITRARY_UID = 20_000
HIGHEST_UID = 2**31 - 2

# Prints what a script sees, tells that it is ready by that very line, and stays until it is told to leave.
LOOK_AROUND = """
import getpass, json, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
seen = {
    "uid": os.getuid(), "groups": sorted({os.getgid(), *os.getgroups()}), "pid": os.getpid(), "parent": os.getppid(),
    "cwd": os.getcwd(), "variables": dict(os.environ), "user": getpass.getuser(), "home": os.path.expanduser("~"),
    "executable": sys.executable,
}
print(json.dumps(seen), flush=True)
signal.pause()
"""


@dataclass(frozen=True)
class User:
    """Who a container runs as. `in_group_0` users may write what the image gives to group 0."""

    uid: int
    gid: int

    @property
    def in_group_0(self) -> bool:
        """Whether group permissions of root's group are this user's."""
        return self.gid == 0

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}"


@dataclass(frozen=True)
class Started:
    """A running container: testinfra's view of it, and what a script that the shim started saw."""

    user: User
    host: Host
    seen: Mapping[str, Any]
    container: Container


def _arbitrary_uid() -> int:
    """A UID that nobody foresaw; LYFTLEARN_TEST_UID repeats one that failed."""
    given = os.environ.get("LYFTLEARN_TEST_UID")
    return int(given) if given else random.SystemRandom().randint(LOWEST_ARBITRARY_UID, HIGHEST_UID)


USERS = {"root": User(0, 0), "studio": User(1000, 100), "any-uid": User(_arbitrary_uid(), 0)}


@contextlib.contextmanager
def _start(client: docker.DockerClient, image: str, user: User, **options: Any) -> Iterator[Started]:
    """A container of `image` in which LOOK_AROUND has printed its line; removed at the end."""
    container = client.containers.run(
        image, ["python", "-c", LOOK_AROUND], user=str(user), detach=True, labels=LABEL, network_mode="none", **options
    )
    try:
        seen = json.loads(_first_stdout_line(container))
        yield Started(user, testinfra.get_host(f"docker://{container.id}"), seen, container)
    finally:
        container.remove(force=True, v=True)


def _first_stdout_line(container: Container) -> str:
    """The first line on stdout, awaited; what the container said on stderr becomes the failure if it ends before.

    The docker client follows the log: the SDK leaves its connection open when a reader stops early.
    """
    command = [str(build_client()), "logs", "--follow", str(container.id)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as following:
        line = following.stdout.readline() if following.stdout else ""
        following.kill()
    if not line:
        pytest.fail(f"ended before it was ready: {container.logs(stdout=False).decode()}")
    return line


@pytest.fixture(scope="session", params=USERS, ids=list(USERS))
def user(request: pytest.FixtureRequest) -> User:
    """Each of the three kinds of user that the platforms run the image as."""
    return USERS[request.param]


@pytest.fixture(scope="session")
def started(engine_client: docker.DockerClient, lyftlearn_image_tag: str, user: User) -> Iterator[Started]:
    """A container of the image for each user, for checks that leave it as it is."""
    print(f"user {user}; LYFTLEARN_TEST_UID={USERS['any-uid'].uid} repeats this run")  # noqa: T201 - shown with a failure
    with _start(engine_client, lyftlearn_image_tag, user) as container:
        yield container


@pytest.fixture(scope="session")
def as_root(engine_client: docker.DockerClient, lyftlearn_image_tag: str) -> Iterator[Started]:
    """A container of the image as root, for what does not depend on the user."""
    with _start(engine_client, lyftlearn_image_tag, USERS["root"]) as container:
        yield container


@pytest.fixture
def start(
    engine_client: docker.DockerClient, lyftlearn_image_tag: str
) -> Callable[[User], contextlib.AbstractContextManager[Started]]:
    """Starts a container of its own for a check that changes or stops it."""
    return functools.partial(_start, engine_client, lyftlearn_image_tag)


@pytest.fixture
def run_once(engine_client: docker.DockerClient, lyftlearn_image_tag: str) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Runs one command through the shim to its end: exit status, stdout and stderr. Options are the docker SDK's."""
    started: list[Container] = []

    def run(*command: str, **options: Any) -> tuple[int, str, str]:
        options = {"network_mode": "none", **options}
        container = engine_client.containers.create(lyftlearn_image_tag, list(command), labels=LABEL, **options)
        started.append(container)
        container.start()
        status = container.wait(timeout=600)["StatusCode"]
        return status, container.logs(stderr=False).decode(), container.logs(stdout=False).decode()

    yield run
    for container in started:
        container.remove(force=True, v=True)


@pytest.fixture(scope="session")
def configuration(engine_client: docker.DockerClient, lyftlearn_image_tag: str) -> Mapping[str, Any]:
    """The image's own configuration, as the engine has it."""
    return dict(engine_client.images.get(lyftlearn_image_tag).attrs["Config"])


@pytest.fixture(scope="session")
def manifest(as_root: Started) -> Mapping[str, Any]:
    """The image's statement of what is inside, `/opt/lyftlearn/image.json`."""
    return dict(json.loads(as_root.host.file("/opt/lyftlearn/image.json").content_string))
