"""Files that a verb writes and people then edit: what somebody has made of one is not lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def refuse_not_ours(path: Path, keys: Collection[str], *, option: str) -> None:
    """InvalidInputError where the file is there and is no JSON object with these keys, as this verb writes one."""
    if not (path.exists() or path.is_symlink()):
        return
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        document = None
    if not isinstance(document, dict) or not document.keys() >= set(keys):
        raise InvalidInputError(
            f"{path} is there already, and is no result of this verb", where=str(path), hint=f"Name another file with {option}."
        )


def refuse_overwriting(path: Path, text: str, *, option: str, force: bool) -> None:
    """InvalidInputError where the file is there with another text, unless that is wanted; the same text changes nothing."""
    if force or not (path.exists() or path.is_symlink()):
        return
    try:
        is_same = path.read_bytes() == text.encode()
    except OSError:
        is_same = False
    if not is_same:
        raise InvalidInputError(
            f"{path} is there already, and is not what would be written",
            where=str(path),
            hint=f"Name another file with {option}, or overwrite it with --force.",
        )
