"""Makes sure of the base image: the one that is here, or pulled, or bootstrapped from Debian's packages."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lyftlearn_image.build import debian
from lyftlearn_image.build.causes import Kind, find_cause, pull_refusal
from lyftlearn_image.errors import BuildError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    import docker

    from lyftlearn_image.build.engine import Engine
    from lyftlearn_image.build.spec import Base

    OnLine = Callable[[str], None]

RECIPE_LABEL = "dev.lyftlearn.bootstrap"


@dataclass(frozen=True)
class BaseImage:
    """A base image on the engine. `reference` is what FROM is given; `origin` says where it came from."""

    reference: str
    id: str
    origin: Literal["local", "pulled", "bootstrapped"]


def ensure_base(base: Base, engine: Engine, on_line: OnLine) -> BaseImage:
    """The base image of a class, on the engine.

    Tried in turn: the image with that digest, one bootstrapped before, a pull, Debian's packages. So a machine without
    a registry asks for it once. `on_line` gets one line for what takes time. Raises UnavailableError when none works.
    """
    from docker.utils import parse_repository_tag  # noqa: PLC0415 - see EngineAddress.client()

    repository, _ = parse_repository_tag(base.image)
    pinned = f"{repository}@{base.digest}"
    with engine.connect() as client:
        if image_id := _image_id(client, pinned):
            return BaseImage(pinned, image_id, "local")
        own_tag = f"lyftlearn-base/{base.image.rpartition('/')[2]}"
        recipe = debian.recipe(base.bootstrap) if base.bootstrap else ""
        if recipe and (image_id := _image_id(client, own_tag, recipe)):
            return BaseImage(own_tag, image_id, "bootstrapped")
        problem = _pull(client, repository, base.digest)
        if not problem and (image_id := _image_id(client, pinned)):
            on_line(f"pulled {base.image}")
            return BaseImage(pinned, image_id, "pulled")
    cause = find_cause(problem, {})
    if cause and cause.kind is Kind.DISK:
        # Debian's packages would not fit either.
        raise cause.error()
    if base.bootstrap is None:
        if cause and cause.kind is Kind.PROXY:
            raise cause.error(f"pulling the base image {base.image}")
        reason, hint = pull_refusal(problem)
        raise UnavailableError(
            f"the base image {base.image} is not here and cannot be pulled: {reason}",
            where=problem,
            hint=f"{hint} For a Debian base, name its suite as `base.bootstrap`. Wanted: {pinned}",
        )
    on_line(f"{base.image} cannot be pulled here: bootstrapping it from Debian's packages ({base.bootstrap}, about 30 s)")
    return BaseImage(own_tag, _bootstrap(base, engine, own_tag, recipe), "bootstrapped")


def _image_id(client: docker.DockerClient, reference: str, recipe: str = "") -> str | None:
    """The id of an image that is on the engine, made by this recipe if one is given; else None."""
    import docker.errors  # noqa: PLC0415 - see EngineAddress.client()

    try:
        image = client.images.get(reference)
    except docker.errors.ImageNotFound:
        return None
    if recipe and image.labels.get(RECIPE_LABEL) != recipe:
        return None
    return str(image.id)


def _pull(client: docker.DockerClient, repository: str, digest: str) -> str:
    """Pulls an image by its digest; what went wrong, or nothing.

    The engine itself gives up on a registry that does not answer, after 15 s (25 s where it also tries plain HTTP).
    """
    import docker.errors  # noqa: PLC0415 - see EngineAddress.client()

    try:
        for event in client.api.pull(repository, tag=digest, stream=True, decode=True):
            if "error" in event:
                return str(event["error"])
    except docker.errors.APIError as error:
        return str(error.explanation or error)
    return ""


def _load(client: docker.DockerClient, archive: Path) -> None:
    """Loads an image. Raises BuildError where the engine's disk is full, else in the engine's words."""
    import docker.errors  # noqa: PLC0415 - see EngineAddress.client()

    try:
        with archive.open("rb") as stream:
            client.images.load(stream)
    except docker.errors.DockerException as error:
        words = str(error)
        cause = find_cause(words, {}, str(client.info()["DockerRootDir"]))
        raise (cause.error() if cause else BuildError("the engine does not take the base image", where=words[:300])) from None


def _bootstrap(base: Base, engine: Engine, own_tag: str, recipe: str) -> str:
    """Builds the base from packages and loads it as `own_tag`; the image's id.

    The plain name is given to it too, if no image has it: a Dockerfile that says `FROM debian:bookworm-slim` then works.
    """
    assert base.bootstrap is not None  # noqa: S101 - ensure_base() asked
    labels = {RECIPE_LABEL: recipe, "org.opencontainers.image.title": f"{base.image}, bootstrapped from Debian packages"}
    with tempfile.TemporaryDirectory(prefix="lyftlearn-base-") as directory, engine.connect() as client:
        layer = Path(directory) / "layer.tar"
        debian.bootstrap(base.bootstrap, layer)
        archive = Path(directory) / "image.tar"
        image_id = debian.pack(layer, archive, tag=own_tag, labels=labels)
        _load(client, archive)
        image = client.images.get(image_id)
        if _image_id(client, base.image) is None:
            image.tag(base.image)
    return image_id
