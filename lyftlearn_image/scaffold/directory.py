"""What lies in a team's directory. Nothing of it is run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image import yaml_loader
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.platforms.kubernetes.importer.documents import RUNNING, name_of
from lyftlearn_image.scaffold.scripts import Script, read_script

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NO_SCRIPTS = ("setup.py", "conftest.py", "noxfile.py", "fabfile.py")
# Nobody keeps thousands of manifests beside a script; a directory of data may have any number of files.
_MOST_FILES = 2000
_SKIPPED = ("node_modules", "venv", "__pycache__", "parity-report", "build", "dist")


@dataclass(frozen=True)
class Manifest:
    """A Job, CronJob, Pod or Deployment of a file."""

    path: Path
    kind: str
    name: str


@dataclass(frozen=True)
class Directory:
    """What was found. `scripts` do something when they are run; `launchers` make estimators; `packages` are directories."""

    path: Path
    scripts: tuple[Script, ...]
    launchers: tuple[Script, ...]
    notebooks: tuple[Path, ...]
    packages: tuple[Path, ...]
    manifests: tuple[Manifest, ...]
    requirements: Path | None
    entries: frozenset[str]

    def relative(self, path: Path) -> str:
        """A path in it, as people name it."""
        return path.relative_to(self.path).as_posix()


def look(path: Path) -> Directory:
    """What lies in the directory and, of manifests, also one directory below. Raises InvalidInputError where none is."""
    if not path.is_dir():
        raise InvalidInputError(f"there is no directory {path}", hint="Name the directory of your script, or make it.")
    entries = sorted(one for one in path.iterdir() if not one.name.startswith("."))
    python = [one for one in entries if one.suffix == ".py" and one.is_file() and not _is_aside(one.name)]
    scripts = [script for one in python if (script := read_script(one))]
    requirements = path / "requirements.txt"
    return Directory(
        path=path,
        scripts=tuple(one for one in scripts if one.runs and not one.estimators),
        launchers=tuple(one for one in scripts if one.estimators),
        notebooks=tuple(one for one in entries if one.suffix == ".ipynb"),
        packages=tuple(one for one in entries if one.is_dir() and (one / "__main__.py").is_file()),
        manifests=tuple(_manifests(path)),
        requirements=requirements if requirements.is_file() else None,
        entries=frozenset(one.name for one in path.iterdir()),
    )


def _is_aside(name: str) -> bool:
    return name in _NO_SCRIPTS or name.startswith(("test_", "__")) or name.endswith("_test.py")


def _manifests(directory: Path) -> Iterator[Manifest]:
    below = [one for one in sorted(directory.iterdir()) if one.is_dir() and not one.name.startswith(".")]
    places = [directory, *(one for one in below if one.name not in _SKIPPED)]
    files = [one for place in places for one in sorted(place.iterdir())[:_MOST_FILES] if one.suffix in {".yaml", ".yml"}]
    for file in files:
        for document in _documents(file):
            if document.get("kind") in RUNNING and isinstance(document.get("apiVersion"), str):
                yield Manifest(file, document["kind"], name_of(document))


def _documents(file: Path) -> list[dict[str, Any]]:
    """The mappings of a file, and those in its Lists; none of one that is no YAML: other tools have theirs beside it."""
    try:
        loaded = yaml_loader.load_manifests(yaml_loader.read_text(file), file.name)
    except InvalidInputError:
        return []
    documents = [one for one in loaded if isinstance(one, dict)]
    lists = [one.get("items") for one in documents if one.get("kind") == "List"]
    return [*documents, *(item for one in lists if isinstance(one, list) for item in one if isinstance(item, dict))]
