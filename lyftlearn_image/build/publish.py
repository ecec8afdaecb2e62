"""Images to a registry: ECR, whose login and repository are seen to, or any other that `docker login` knows."""

from __future__ import annotations

import base64
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.aws.errors import translate_errors
from lyftlearn_image.aws.session import open_session
from lyftlearn_image.errors import InvalidInputError, UnavailableError
from lyftlearn_image.retry import Backoff, Clock, Waits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

# Account, region and partition of a private ECR registry (Amazon ECR user guide, "Private registries").
_ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
_TRIES = 5
_BETWEEN_TRIES = Backoff(first_s=2.0, longest_s=16.0)
# What the engine says where another try would say the same.
_FINAL = ("denied", "unauthorized", "no basic auth", "authentication required", "does not exist", "invalid reference")
# The media type by which a registry tells one version from another; the engine gives the digest in its last line.
_AUX = "aux"


@dataclass(frozen=True)
class Published:
    """A pushed image. `pinned` is `repository@sha256:…`: what both platforms should be given."""

    reference: str
    digest: str
    pinned: str
    size_bytes: int
    duration_s: float


@dataclass(frozen=True)
class Login:
    """A user and a password of a registry, which are never shown."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login(user={self.user!r})"


@dataclass(frozen=True)
class _Destination:
    """A repository of a registry, a tag in it, and the login where the engine has none of its own."""

    repository: str
    tag: str
    login: Login | None


def push(
    client: docker.DockerClient,
    image: str,
    reference: str,
    *,
    on_line: Callable[[str], None] = lambda _: None,
    clock: Clock | None = None,
) -> Published:
    """Tags `image` as `reference` and pushes it, as often as a broken connection makes it necessary.

    Layers that the registry has are not sent again. Raises InvalidInputError for what another try does not mend, and
    UnavailableError for a registry that does not answer.
    """
    import docker.errors  # noqa: PLC0415 - 100 ms, for the verbs that need an engine

    started = time.monotonic()
    repository, tag = _repository_and_tag(reference)
    destination = _Destination(repository, tag, _ecr_login(repository, on_line))
    try:
        found = client.images.get(image)
    except docker.errors.ImageNotFound:
        hint = "Build it first: lyftlearn-image build CLASS"
        raise InvalidInputError(f"there is no image {image} on this engine", hint=hint) from None
    if not found.tag(repository, tag):
        raise InvalidInputError(f"the engine does not take {reference} as a name", hint="Expected registry/repository:tag.")
    digest, size = _push_until_done(client, destination, on_line, clock or Clock())
    return Published(f"{repository}:{tag}", digest, f"{repository}@{digest}", size, time.monotonic() - started)


def _repository_and_tag(reference: str) -> tuple[str, str]:
    from docker.utils import parse_repository_tag  # noqa: PLC0415 - see push()

    repository, tag = parse_repository_tag(reference)
    if "/" not in repository or "@" in reference:
        raise InvalidInputError(f"{reference!r} names no registry", hint="Expected registry/repository:tag.")
    return repository, "latest" if tag is None else tag


def _ecr_login(repository: str, on_line: Callable[[str], None]) -> Login | None:
    """The login of an ECR registry, whose repository exists then; None for any other registry."""
    host, _, name = repository.partition("/")
    found = _ECR.fullmatch(host)
    if not found:
        return None
    ecr: Any = open_session().client("ecr", region_name=found["region"])
    with translate_errors(f"logging in to {host}", "ecr:GetAuthorizationToken"):
        token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    _make_repository(ecr, found["account"], name, on_line)
    user, _, password = base64.b64decode(token).decode().partition(":")
    return Login(user, password)


def _make_repository(ecr: Any, account: str, name: str, on_line: Callable[[str], None]) -> None:
    """A private repository with scanning on push, where there is none."""
    with translate_errors(f"looking for the repository {name}", "ecr:DescribeRepositories"):
        try:
            ecr.describe_repositories(registryId=account, repositoryNames=[name])
        except ecr.exceptions.RepositoryNotFoundException:
            pass
        else:
            return
    with translate_errors(f"making the repository {name}", "ecr:CreateRepository"):
        try:
            ecr.create_repository(registryId=account, repositoryName=name, imageScanningConfiguration={"scanOnPush": True})
        except ecr.exceptions.RepositoryAlreadyExistsException:
            return  # another push was faster
    on_line(f"made the repository {name}")


def _push_until_done(
    client: docker.DockerClient, destination: _Destination, on_line: Callable[[str], None], clock: Clock
) -> tuple[str, int]:
    """Digest and size in bytes of what the registry has then."""
    repository, login = destination.repository, destination.login
    auth = {"username": login.user, "password": login.password} if login else None
    waits = Waits(_BETWEEN_TRIES, clock)
    for number in range(1, _TRIES + 1):
        error = ""
        for event in _events(client, repository, destination.tag, auth):
            if _AUX in event and "Digest" in event[_AUX]:
                return str(event[_AUX]["Digest"]), int(event[_AUX].get("Size", 0))
            error = str(event.get("error") or error)
            if event.get("status") == "Pushed" and event.get("id"):
                on_line(f"pushed {event['id']}")
        if any(word in error.lower() for word in _FINAL):
            hint = "Log in (docker login), and check that the repository may be written."
            raise InvalidInputError(f"{repository} refuses the image", where=error, hint=hint)
        if number < _TRIES:
            on_line(f"{error or 'the push ended early'}; trying again ({number + 1} of {_TRIES})")
            waits.sleep()
    raise UnavailableError(f"{repository} could not be pushed to in {_TRIES} tries", where=error, hint="Try again later.")


def _events(client: docker.DockerClient, repository: str, tag: str, auth: dict[str, str] | None) -> Iterator[dict[str, Any]]:
    """What the engine says of one push."""
    import docker.errors  # noqa: PLC0415 - see push()

    try:
        yield from client.images.push(repository, tag=tag, auth_config=auth, stream=True, decode=True)
    except docker.errors.APIError as error:
        yield {"error": str(error.explanation or error)}
