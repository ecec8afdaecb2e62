"""Which Python a base image brings: asked before a build, which would find out after minutes."""

from __future__ import annotations

import contextlib
import io
import re
import tarfile
from typing import TYPE_CHECKING

from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker
    from docker.models.containers import Container

    from lyftlearn_image.build.spec import ImageSpec

# The interpreter that the package python3 of a suite is (packages.debian.org/python3, packages.ubuntu.com/python3). A suite
# that is not released yet has no row: its Python changes.
_OF_SUITE = {
    "bullseye": "3.9", "bookworm": "3.11", "trixie": "3.13",
    "focal": "3.8", "jammy": "3.10", "noble": "3.12",
}  # fmt: skip
# What a base image may have before Debian's own on its PATH, as the official image `python` has.
_INTERPRETERS = ("/usr/local/bin/python3", "/opt/venv/bin/python3", "/usr/bin/python3")
_LINK = re.compile(r"python(3\.\d+)$")
_CODENAME = re.compile(r"^VERSION_CODENAME=\"?([a-z]+)\"?$", re.MULTILINE)
_OS_RELEASE = "/usr/lib/os-release"


def require_python_of_suite(spec: ImageSpec, images_dir: Path) -> None:
    """Raises InvalidInputError where the Debian suite that the base is made of has another Python than the class asks for."""
    if spec.base.bootstrap in _OF_SUITE:
        _require(spec, images_dir, _OF_SUITE[spec.base.bootstrap], f"Debian {spec.base.bootstrap}")


def require_python_of_image(spec: ImageSpec, images_dir: Path, client: docker.DockerClient, image_id: str) -> None:
    """Raises InvalidInputError where the base image brings another Python. What it does not tell, the build finds out.

    Nothing of the image is run: its files are read from a container that is never started.
    """
    if found := python_of_image(client, image_id):
        _require(spec, images_dir, found, f"the base image {spec.base.image}")


def python_of_image(client: docker.DockerClient, image_id: str) -> str:
    """The Python of an image, as `3.11`: the one on its PATH, or the one that its distribution would install; or ""."""
    with _reading(client, image_id) as container:
        for path in _INTERPRETERS:
            entry, _ = _read(container, path)
            if entry and (link := _LINK.search(entry.linkname)):
                return link[1]
        _, text = _read(container, _OS_RELEASE)
    codename = _CODENAME.search(text)
    return _OF_SUITE.get(codename[1], "") if codename else ""


def _require(spec: ImageSpec, images_dir: Path, found: str, of_what: str) -> None:
    wanted = spec.python.version
    if wanted != found:
        raise InvalidInputError(
            f"the class asks for Python {wanted}, and {of_what} has Python {found}",
            where=f"{images_dir / spec.name / 'image.yaml'}, key `python.version`",
            hint=f'Write version: "{found}", in quotes, or name a base that has Python {wanted}.',
        )


@contextlib.contextmanager
def _reading(client: docker.DockerClient, image_id: str) -> Iterator[Container]:
    container = client.containers.create(image_id, entrypoint=["true"])
    try:
        yield container
    finally:
        container.remove(force=True, v=True)


def _read(container: Container, path: str) -> tuple[tarfile.TarInfo | None, str]:
    """A file's entry and text; (None, "") where there is none."""
    import docker.errors  # noqa: PLC0415 - see EngineAddress.client()

    with contextlib.suppress(docker.errors.NotFound, tarfile.TarError, UnicodeDecodeError):
        stream = io.BytesIO(b"".join(container.get_archive(path)[0]))
        with tarfile.open(fileobj=stream) as archive:
            entry = archive.next()
            content = archive.extractfile(entry) if entry and entry.isreg() else None
            return entry, content.read().decode() if content else ""
    return None, ""
