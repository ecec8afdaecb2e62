"""What the checks of the built image and the runs of the suite stand on: an engine, and the image built on demand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def lyftlearn_image_tag() -> str:
    """The built `lyftlearn` image; building it again with nothing changed builds nothing."""
    from lyftlearn_image.build.builder import build
    from lyftlearn_image.build.engine import ensure_engine

    ensure_engine(print)
    return build("lyftlearn", images_dir=ROOT / "images").image


@pytest.fixture(scope="session")
def engine_client(lyftlearn_image_tag: str) -> Iterator[docker.DockerClient]:
    """The docker SDK's client of the engine that has the image."""
    from lyftlearn_image.emulation.docker.containers import connect

    client = connect()
    yield client
    client.close()
