"""Resolves a class's requirements into a lock: every package at one version, with the hashes of its files."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.errors import BuildError, InvalidInputError

if TYPE_CHECKING:
    from lyftlearn_image.build.spec import ImageSpec

# Debian 12 has glibc 2.36, which runs these wheels.
_PLATFORM = "x86_64-manylinux_2_28"
_HEADER = "# Made by `lyftlearn-image lock {name}` from {requirements}. Do not edit.\n"


def lock(spec: ImageSpec, images_dir: Path, *, upgrade: bool = False) -> str:
    """The lock's text for a class's requirements. Versions of the present lock stay unless `upgrade` is set.

    Index settings and certificates are those of uv (UV_INDEX_URL …, SSL_CERT_FILE). Raises BuildError with uv's own
    words when there is no solution.
    """
    import uv  # noqa: PLC0415 - only this verb runs it

    folder = images_dir / spec.name
    requirements, present = folder / spec.python.requirements, folder / spec.python.lock
    if not requirements.is_file():
        raise InvalidInputError(f"there is no {requirements}", hint="One requirement a line, as pip reads it.")
    with tempfile.TemporaryDirectory(prefix="lyftlearn-lock-") as directory:
        made = Path(directory) / "lock.txt"
        if present.is_file():
            made.write_bytes(present.read_bytes())
        command = [
            uv.find_uv_bin(), "pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--no-annotate",
            "--no-emit-index-url", "--no-emit-find-links", "--only-binary=:all:", f"--python-version={spec.python.version}",
            f"--python-platform={_PLATFORM}", *(["--upgrade"] if upgrade else []), str(requirements), f"--output-file={made}",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildError(
                f"{requirements} cannot be resolved",
                where=done.stderr.strip(),
                hint="Loosen a requirement, or check the index.",
            )
        return _HEADER.format(name=spec.name, requirements=spec.python.requirements) + made.read_text(encoding="utf-8")


def is_current(spec: ImageSpec, images_dir: Path) -> bool:
    """Whether the lock is what its requirements give, with the versions that it has."""
    present = images_dir / spec.name / spec.python.lock
    return present.is_file() and present.read_text(encoding="utf-8") == lock(spec, images_dir)
