"""The observation that the shim left: the environment as the script saw it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


# The shim writes what was in its environment, which the kernel limits to some megabytes, and little else.
_LARGEST_BYTES = 16 << 20
# Each value but the first of a list or an object comes after a comma; a list of empty lists takes 30 times its text.
_MAKE_VALUES = (b",", b"[", b"{")
_MOST_VALUES = 200_000
# The year 5138. Infinity and NaN, which Python reads from JSON, are no times either.
_END_OF_TIME_S = 1e11


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
    with path.open("rb") as file:
        data = file.read(_LARGEST_BYTES + 1)
    if len(data) > _LARGEST_BYTES or sum(map(data.count, _MAKE_VALUES)) > _MOST_VALUES:
        raise RunError("the observation of the environment is larger than any that the shim makes", where=str(path))
    try:
        document = json.loads(data.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        document = None
    observed_at = document.get("observed_at") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not _is_time(observed_at):
        raise RunError("the observation of the environment is not the shim's: the script changed it", where=str(path))
    return document


def _is_time(value: object) -> bool:
    """Whether it is a finite number of seconds that a clock may have."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _END_OF_TIME_S
