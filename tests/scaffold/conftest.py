"""What the tests with an engine leave nothing of: images that are named after a test's own directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def remove_image(engine: None) -> Iterator[Callable[[str], None]]:
    """Takes the name of an image that is to be removed at the end of the test."""
    from lyftlearn_image.build.connection import connect

    names: list[str] = []
    yield names.append
    client = connect()
    for name in names:
        client.images.remove(name, force=True)
    client.close()
