"""Errors of the docker SDK, translated into the toolkit's own."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from lyftlearn_image.errors import RunError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Raises RunError for what the engine refuses, UnavailableError where it does not answer; both say what was being done."""
    import docker.errors  # noqa: PLC0415 - see connect()
    import requests  # noqa: PLC0415 - comes with the docker SDK
    import urllib3  # noqa: PLC0415 - as above

    try:
        yield
    except docker.errors.ImageNotFound as error:
        raise RunError(f"{doing}: there is no such image", where=str(error.explanation), hint="Build it first.") from None
    except docker.errors.APIError as error:
        raise RunError(f"{doing}: the engine refused", where=str(error.explanation or error)) from None
    except (docker.errors.DockerException, requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        raise UnavailableError(
            f"{doing}: the engine does not answer", where=str(error)[:200], hint="Is it running? `make engine`."
        ) from None
