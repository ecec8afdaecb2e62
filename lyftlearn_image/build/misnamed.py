"""What lies where image classes are, looks like one, and is none: nobody's class is passed over without a word."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPEC_FILE = "image.yaml"
IMAGES = "images"
_YAML = (".yaml", ".yml", ".json")
_NEAR = 0.75
# What every image class says; a few KiB are enough to see it.
_KEYS = tuple(re.compile(rf'^(?:{key}|\s*"{key}")\s*:', re.MULTILINE) for key in ("base", "python"))
_LOOKED_AT_BYTES = 64 << 10
# Folders that somebody may have meant.
_NEAR_FOLDERS = re.compile(r"images?|imgs?|image[-_]?class(es)?", re.IGNORECASE)
_EXPECTED = f"{IMAGES}/<class>/{SPEC_FILE}"


def find_misnamed(images_dir: Path) -> Iterator[InvalidInputError]:
    """An error for all that looks like a class in a folder of classes, or lies where one is looked for, and is none."""
    for path in _sorted(images_dir):
        if path.is_dir():
            yield from find_misnamed_in_class(path)
        elif path.name == SPEC_FILE or _looks_like_spec(path):
            yield _refuse(path, f"{images_dir}/<class>/{SPEC_FILE}", "Give it a folder with the class's name.")


def find_misnamed_in_class(folder: Path) -> Iterator[InvalidInputError]:
    """Likewise of one class's folder; nothing for one that holds something else."""
    files = [path for path in _sorted(folder) if path.is_file()]
    has_spec = any(path.name == SPEC_FILE for path in files)
    found = [path for path in files if path.name != SPEC_FILE and _looks_like_spec(path)]
    for path in found:
        if has_spec:
            hint = f"A folder has one class: give this one a folder of its own, with the file name {SPEC_FILE}, or remove it."
        else:
            hint = f"mv {path} {folder / SPEC_FILE}"
        yield _refuse(path, str(folder / SPEC_FILE), hint)
    if has_spec or found:
        return
    for path in _sorted(folder):
        if path.is_dir() and (path / SPEC_FILE).is_file():
            yield _refuse(path / SPEC_FILE, str(folder / SPEC_FILE), f"Classes are not nested: mv {path} {folder.parent}")
    beside = [path.name for path in files if re.match(r"requirements.*\.(in|txt|lock)$", path.name)]
    backups = [path.name for path in files if path.name.lower().startswith(SPEC_FILE)]
    if beside or backups:
        yield InvalidInputError(
            f"{folder} has {', '.join([*beside, *backups])} and no {SPEC_FILE}",
            where=str(folder),
            hint=f"Expected {folder / SPEC_FILE}; `lyftlearn-image schema image` has its keys.",
        )


def find_misplaced(here: Path) -> Iterator[InvalidInputError]:
    """Likewise of a directory without classes in `images/`, from which the toolkit's own classes would be built."""
    for path in _sorted(here):
        # Any directory may have some image.yaml of somebody else's.
        if path.is_file() and _is_yaml(path) and _has_keys(path):
            yield _refuse(path, _EXPECTED, f"Call from the directory that has {IMAGES}/, or name the folder with --images.")
        elif path.is_dir() and path.name != IMAGES and _NEAR_FOLDERS.fullmatch(path.name):
            for inside in sorted(path.glob("*/*")):
                if inside.is_file() and (inside.name == SPEC_FILE or _looks_like_spec(inside)):
                    yield _refuse(inside, _EXPECTED, f"Rename {path} to {IMAGES}, or give --images {path}.")


def _looks_like_spec(path: Path) -> bool:
    """Whether somebody has probably meant an image class by this file, which has another name."""
    return _is_yaml(path) and (_is_near(path) or _has_keys(path))


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() in _YAML


def _is_near(path: Path) -> bool:
    return difflib.SequenceMatcher(None, path.name.lower(), SPEC_FILE).ratio() >= _NEAR


def _has_keys(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            text = file.read(_LOOKED_AT_BYTES).decode("utf-8", "replace")
    except OSError:
        return False
    return all(key.search(text) for key in _KEYS)


def _refuse(path: Path, expected: str, hint: str) -> InvalidInputError:
    return InvalidInputError(f"{path} looks like an image class and is none: expected {expected}", where=str(path), hint=hint)


def _sorted(folder: Path) -> list[Path]:
    """What is in a folder by name, less what is hidden; nothing where it cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []
