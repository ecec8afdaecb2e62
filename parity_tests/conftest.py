"""What the checks of the built image and the runs of the suite stand on: the engine that has the image, and the suite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker


@pytest.fixture(scope="session")
def engine_client(lyftlearn_image_tag: str) -> Iterator[docker.DockerClient]:
    """The docker SDK's client of the engine that has the image."""
    from lyftlearn_image.build.connection import connect

    client = connect()
    yield client
    client.close()


@pytest.fixture(scope="session")
def suite_file(on_this_image: Callable[[Path], Path], lyftlearn_image_tag: str) -> Path:
    """A copy of the suite and its scripts that differs in one thing: it stands on the image of these tests."""
    here = Path(__file__).resolve().parent
    text = (here / "suite.yaml").read_text(encoding="utf-8")
    image = f"lyftlearn-parity-test:{lyftlearn_image_tag.partition(':')[2]}"
    copy = on_this_image(here / "scripts").with_name("suite.yaml")
    copy.write_text(text.replace(yaml.safe_load(text)["image"], image, 1), encoding="utf-8")
    return copy
