"""The floors of the house: a planted import of each forbidden sort breaks the contract that forbids it, and no other."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("lyftlearn_image", "lyftlearn_runtime")
FLOORS = "The floors of the house"
WINGS = "A service and its emulation know nothing of each other"
PURE = "What a platform accepts is pure: no network, no Docker, no clock"
CIRCLES = "No circle inside a package"
RUNTIME = "The runtime stands alone"
CONTRACT = "The toolkit knows the runtime's contract and nothing else of it"
# Module → an import that is added to it, and every contract that it breaks.
PLANTED = [
    ("lyftlearn_image/platforms/trials.py", "import lyftlearn_image.runs.search", [FLOORS, CIRCLES]),
    ("lyftlearn_image/yamlfile.py", "import lyftlearn_image.cli.main", [FLOORS, PURE, CIRCLES]),
    ("lyftlearn_image/services/service.py", "import lyftlearn_image.emulation.session", [FLOORS, WINGS]),
    ("lyftlearn_image/emulation/session.py", "import lyftlearn_image.services.service", [FLOORS, WINGS]),
    ("lyftlearn_image/platforms/launch.py", "import socket", [PURE]),
    ("lyftlearn_image/platforms/launch.py", "import time", [PURE]),
    ("lyftlearn_image/platforms/permissions/data.py", "import docker", [PURE]),
    ("lyftlearn_image/platforms/sagemaker/kind.py", "import lyftlearn_image.platforms.sagemaker.lint", [CIRCLES]),
    ("lyftlearn_runtime/contract.py", "import lyftlearn_image.errors", [RUNTIME]),
    ("lyftlearn_image/build/spec.py", "import lyftlearn_runtime.bundle", [CONTRACT]),
]


def broken(directory: Path) -> list[str]:
    """The contracts of the project that a copy of its packages breaks."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--config", str(directory / "pyproject.toml"), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(directory)}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    told = re.findall(r"^(.+) (KEPT|BROKEN)(?: \(.*)?$", done.stdout, flags=re.MULTILINE)
    assert len(told) == len(contracts()), done.stdout + done.stderr
    return [name for name, verdict in told if verdict == "BROKEN"]


def contracts() -> Sequence[str]:
    """The names of the project's contracts."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages and of their contracts."""
    directory = tmp_path_factory.mktemp("house")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", directory)
    return directory


def test_the_house_keeps_its_contracts(copy: Path) -> None:
    """Without this, a planted import below would prove nothing."""
    assert broken(copy) == []


@pytest.mark.parametrize(("module", "line", "expected"), PLANTED, ids=[f"{path}: {line}" for path, line, _ in PLANTED])
def test_a_planted_import_breaks_its_contract(copy: Path, module: str, line: str, expected: list[str]) -> None:
    """Told by the contract's name; whoever reads `make lint` learns which rule it was."""
    path = copy / module
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}\n{line}\n", encoding="utf-8")
    try:
        assert broken(copy) == expected
    finally:
        path.write_text(text, encoding="utf-8")


def test_every_contract_has_an_import_that_breaks_it() -> None:
    """A new contract comes with the violation that it is for."""
    assert set(contracts()) == {name for _, _, names in PLANTED for name in names}
