"""Resolves a class's requirements into a lock: every package at one version, with the hashes of its files."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.build.secrets import build_secrets, find_ca_bundle, index_settings
from lyftlearn_image.errors import BuildError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.build.spec import ImageSpec

# Debian 12 has glibc 2.36, which runs these wheels.
_PLATFORM = "x86_64-manylinux_2_28"
_HEADER = "# Made by `lyftlearn-image lock {name}` from {requirements}. Do not edit.\n"


def lock(spec: ImageSpec, images_dir: Path, *, upgrade: bool = False) -> str:
    """The lock's text for a class's requirements. Versions of the present lock stay unless `upgrade` is set.

    Package index and CA bundle are those that a build is given (`index_settings`, `find_ca_bundle`); neither is in the lock.
    Raises InvalidInputError when the requirements are missing, and BuildError with uv's own words, less the index's
    credentials, when there is no solution.
    """
    folder = images_dir / spec.name
    requirements, present = folder / spec.python.requirements, folder / spec.python.lock
    if not requirements.is_file():
        raise InvalidInputError(f"there is no {requirements}", hint="One requirement a line, as pip reads it.")
    with (
        tempfile.TemporaryDirectory(prefix="lyftlearn-lock-") as directory,
        build_secrets(None, os.environ) as secrets,
    ):
        made = Path(directory) / "lock.txt"
        if present.is_file():
            made.write_bytes(present.read_bytes())
        command = _command(spec.python.version, requirements, made, upgrade=upgrade)
        environment = {**os.environ, **_uv_settings(os.environ)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            raise BuildError(
                f"{requirements} cannot be resolved",
                where=secrets.redact(done.stderr.strip()),
                hint="Loosen a requirement, or check the index.",
            )
        return _HEADER.format(name=spec.name, requirements=spec.python.requirements) + made.read_text(encoding="utf-8")


def is_current(spec: ImageSpec, images_dir: Path) -> bool:
    """Whether the lock is what its requirements give, with the versions that it has."""
    present = images_dir / spec.name / spec.python.lock
    return present.is_file() and present.read_text(encoding="utf-8") == lock(spec, images_dir)


def _command(python_version: str, requirements: Path, made: Path, *, upgrade: bool) -> list[str]:
    """The command line of uv. Index addresses are not in it: everybody may read a process list."""
    import uv  # noqa: PLC0415 - only this verb runs it

    return [
        uv.find_uv_bin(), "pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--no-annotate",
        "--no-emit-index-url", "--no-emit-find-links", "--only-binary=:all:", f"--python={sys.executable}",
        f"--python-version={python_version}", f"--python-platform={_PLATFORM}", *(["--upgrade"] if upgrade else []),
        str(requirements), f"--output-file={made}",
    ]  # fmt: skip


def _uv_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of uv for the index and the CA that pip uses here; uv reads no settings of pip's.

    Source: docs.astral.sh/uv, "Environment variables" and "Compatibility with pip".
    """
    settings = index_settings(environment)
    found = {}
    if urls := settings.get("index-url"):
        found["UV_DEFAULT_INDEX"] = urls[0]
    if urls := settings.get("extra-index-url"):
        found["UV_INDEX"] = " ".join(urls)
    if hosts := settings.get("trusted-host"):
        found["UV_INSECURE_HOST"] = " ".join(hosts)
    if bundle := find_ca_bundle(None, environment):
        found["SSL_CERT_FILE"] = str(bundle)
    return found
