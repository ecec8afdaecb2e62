"""The Pythons that the toolkit is for, as far as this machine has them, each with the toolkit installed as a user's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
# As pyproject.toml has them: the project's own environment is one of the first.
VERSIONS = ("3.11", "3.12", "3.13", "3.14")


def find_pythons() -> Mapping[str, str]:
    """Version → interpreter, of those that are on PATH, or below ~/.pyenv, and can be started."""
    found = {}
    for version in VERSIONS:
        below = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python3"))
        for candidate in (shutil.which(f"python{version}"), *map(str, below)):
            if candidate and _says(candidate) == version:
                found[version] = candidate
                break
    return found


def _says(python: str) -> str:
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-I", "-c", program], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def installed(python: str, place: Path) -> Path:
    """The command of the toolkit, installed with what it needs into an empty environment."""
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", python, place], check=True)
    constraints = ROOT / "constraints.txt"
    interpreter = place / "bin" / "python"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", interpreter, "--constraint", constraints, ROOT], check=True)
    return place / "bin" / "lyftlearn-image"
