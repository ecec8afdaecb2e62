"""An image that a team had before, with the shim in a layer on top: its own interpreter, and what it ran by itself.

`lyftlearn-image adopt` writes both beside the shim. In other images neither is there.
"""

from __future__ import annotations

import os

from lyftlearn_runtime import contract

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def interpreter() -> str:
    """The Python of the image's own programs; "" in another image, and in one that has none for them."""
    try:
        # The name behind the link: a virtual environment is found by the name that its Python is started by.
        return os.readlink(contract.ADOPTED_PYTHON)
    except OSError:
        return ""


def default_program(verb: str) -> list[str]:
    """What the image runs where nobody names a program for `train` or `serve`; nothing in another image."""
    found = facts().get("programs", {}).get(verb, [])
    return [str(word) for word in found]


def facts() -> dict[str, Any]:
    """What was found as the image was adopted; empty in another image."""
    import json  # noqa: PLC0415 - only where no program is named

    try:
        with open(contract.ADOPTED, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
