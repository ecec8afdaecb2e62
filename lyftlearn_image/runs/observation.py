"""The observation that the shim left: the environment as the script saw it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def read_observation(artifacts: Mapping[str, Path]) -> dict[str, Any] | None:
    """The realised environment that the shim left among a run's artifacts, None when it left none.

    Raises RunError when the script has made something else of it.
    """
    for directory in (artifacts.get("output"), artifacts.get("lyftlearn")):
        for path in (directory / ".lyftlearn" / "observation.json", directory / "observation.json") if directory else ():
            if path.is_file():
                return _load(path)
    return None


def _load(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))
    except ValueError:
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("observed_at"), int | float):
        raise RunError("the observation of the environment is not the shim's: the script changed it", where=str(path))
    return document
