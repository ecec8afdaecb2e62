"""The build context: every file that a build may see, in memory, and the key that says whether it changed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.build.lock import lock_command
from lyftlearn_image.build.render import render
from lyftlearn_image.build.spec import find_assets, find_shared_file
from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.build.spec import ImageSpec

# What the Dockerfile runs in the build and no image keeps.
PROGRAMS = ("prune.py", "manifest.py")


def build_context(spec: ImageSpec, images_dir: Path, *, bootstrapped: bool = False) -> dict[str, bytes]:
    """Path in the context → content; `bootstrapped` as in `render`. Raises InvalidInputError when the lock is missing."""
    lock = images_dir / spec.name / spec.python.lock
    if not lock.is_file():
        raise InvalidInputError(f"there is no lock {lock}", hint=f"Make it: {lock_command(spec.name, images_dir)}")
    files = {
        "Dockerfile": render(spec, images_dir, bootstrapped=bootstrapped).encode(),
        spec.python.lock: lock.read_bytes(),
        "image-facts.json": json.dumps(_facts(spec, lock, bootstrapped=bootstrapped), sort_keys=True).encode(),
        **{name: find_shared_file(name, images_dir).read_bytes() for name in PROGRAMS},
    }
    return {**files, **installed_files()}


def installed_files() -> dict[str, bytes]:
    """What every image has below /opt/lyftlearn: the shim, and the programs that start it, by their paths in the context."""
    files = {}
    for path in sorted((find_assets() / "entrypoints").iterdir()):
        if path.is_file():
            files[f"entrypoints/{path.name}"] = path.read_bytes()
    runtime = _runtime()
    for path in sorted(runtime.rglob("*.py")):
        files[f"lyftlearn_runtime/{path.relative_to(runtime).as_posix()}"] = path.read_bytes()
    return files


def build_key(context: Mapping[str, bytes], base_id: str) -> str:
    """One digest (hex) of a context and the image below it: the same key means that there is nothing to build."""
    total = hashlib.sha256(base_id.encode())
    for name, content in sorted(context.items()):
        total.update(f"\0{name}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()


def _facts(spec: ImageSpec, lock: Path, *, bootstrapped: bool) -> dict[str, object]:
    """What the manifest in the image says of the description; the build adds what it finds installed."""
    base = {"image": spec.base.image}
    if bootstrapped and spec.base.bootstrap:
        base["bootstrapped_from"] = spec.base.bootstrap
    else:
        base["digest"] = spec.base.digest
    return {
        "class": spec.name,
        "version": spec.version,
        "base": base,
        "lock": f"sha256:{hashlib.sha256(lock.read_bytes()).hexdigest()}",
    }


def _runtime() -> Path:
    import lyftlearn_runtime.contract  # noqa: PLC0415 - only to find where it is installed

    return Path(lyftlearn_runtime.contract.__file__).parent
