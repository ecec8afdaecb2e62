"""What goes out of the packages, and that everything which is left can still be imported."""

from __future__ import annotations

import _ctypes
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGES = Path(__file__).resolve().parents[2] / "images"
# A tool of scipy's own developers, which reads a test's data; and what pyarrow's wheel for CPUs never had.
KNOWN = {"scipy.special._precompute.hyp2f1_data", "pyarrow.cuda"}
IMPORT_EVERYTHING = """
import importlib, json, pkgutil, sys, warnings
from importlib.metadata import packages_distributions
warnings.simplefilter("ignore")
names = sorted(name for name in packages_distributions() if name.isidentifier() and name not in {"pip", "_distutils_hack"})
imported, missing = [], {}

def attempt(name):
    try:
        importlib.import_module(name)
        imported.append(name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in names:
            missing[name] = str(error)
    except OSError as error:
        missing[name] = str(error)
    except ImportError as error:
        if any(word in str(error) for word in ("cannot open shared object", "undefined symbol", "ELF", "page-aligned")):
            missing[name] = str(error)
    except Exception:
        pass  # a module of another platform

for name in names:
    attempt(name)
    for found in pkgutil.walk_packages(getattr(sys.modules.get(name), "__path__", []), name + ".", onerror=lambda _: None):
        if not found.name.endswith("__main__"):
            attempt(found.name)
print("\\n" + json.dumps({"imported": imported, "missing": missing}))
"""


@pytest.fixture(scope="module")
def prune() -> Any:
    """The program, as a module."""
    spec = importlib.util.spec_from_file_location("prune", IMAGES / "prune.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(top: Path, files: dict[str, str]) -> None:
    """Files below a folder."""
    for name, text in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def left(top: Path) -> set[str]:
    """The files below a folder."""
    return {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file() or path.is_symlink()}


def test_what_no_job_imports_goes_and_licences_stay(prune: Any, tmp_path: Path) -> None:
    """Tests, headers, sources and empty folders go; modules, data, `testing` and every dist-info stay."""
    kept = {"a/__init__.py", "a/testing/__init__.py", "a/data/iris.csv", "a-1.dist-info/licenses/tests/LICENSE.h", "six.py"}
    gone = {"a/tests/__init__.py", "a/b/tests/tests/data.csv", "a/include/a.h", "a/_x.pyx", "a/lib.a", "a/__init__.pyi"}
    write(tmp_path, dict.fromkeys(kept | gone, "text"))
    prune.prune(tmp_path)
    assert left(tmp_path) == kept
    assert not (tmp_path / "a" / "include").exists()


def test_stubs_stay_where_a_package_reads_them(prune: Any, tmp_path: Path) -> None:
    """lazy_loader's packages import by what their stubs say."""
    write(
        tmp_path, {"a/__init__.py": "__getattr__ = lazy.attach_stub(__name__, __file__)", "a/__init__.pyi": "from .b import b"}
    )
    prune.prune(tmp_path)
    assert "a/__init__.pyi" in left(tmp_path)


def test_a_copy_of_a_library_becomes_a_link_and_another_library_does_not(prune: Any, tmp_path: Path) -> None:
    """Wheels hold `libx.so` and `libx.so.1` as two files."""
    write(tmp_path, {"a/libx.so": "same", "a/libx.so.1": "same", "a/liby.so": "one", "a/liby.so.1": "two"})
    prune.link_copies(tmp_path)
    assert (tmp_path / "a/libx.so.1").readlink() == Path("libx.so")
    assert (tmp_path / "a/liby.so.1").read_text() == "two"


def extension() -> Path:
    """A real extension module: one that every Python has as a file."""
    return Path(str(_ctypes.__file__))


def test_a_stripped_library_still_loads(prune: Any, tmp_path: Path) -> None:
    """A real extension module passes through the real `strip`."""
    (tmp_path / "a").mkdir()
    library = tmp_path / "a" / "_ctypes.so"
    shutil.copy(extension(), library)
    prune.strip_symbols(tmp_path)
    assert prune.loadable([library]) == {library}


def test_a_library_that_strip_breaks_ends_the_build(prune: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image with a broken library would fail only in a job."""
    tool = tmp_path / "bin" / "strip"
    write(tmp_path, {"bin/strip": '#!/bin/sh\nshift\nfor file; do printf broken > "$file"; done\n'})
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    packages = tmp_path / "packages"
    (packages / "a").mkdir(parents=True)
    shutil.copy(extension(), packages / "a" / "_ctypes.so")
    with pytest.raises(SystemExit, match=r"strip broke .*_ctypes\.so"):
        prune.strip_symbols(packages)


def test_libraries_that_auditwheel_rewrote_are_left_alone(prune: Any, tmp_path: Path) -> None:
    """`strip` makes them unloadable: "ELF load command address/offset not page-aligned"."""
    folder = tmp_path / "a.libs"
    folder.mkdir()
    shutil.copy(extension(), folder / "libx.so")
    before = (folder / "libx.so").read_bytes()
    prune.strip_symbols(tmp_path)
    assert (folder / "libx.so").read_bytes() == before


def test_the_program_runs_alone(tmp_path: Path) -> None:
    """The build calls it with one argument."""
    write(tmp_path, {"a/__init__.py": "", "a/x.h": ""})
    subprocess.run([sys.executable, "-I", str(IMAGES / "prune.py"), str(tmp_path)], check=True)
    assert left(tmp_path) == {"a/__init__.py"}


def test_every_module_of_the_image_finds_what_it_imports(lyftlearn_image_tag: str, docker_cli: Callable[..., str]) -> None:
    """No module of a package misses a module or a library of a package that is there."""
    said = docker_cli("run", "--rm", "--entrypoint", "/opt/venv/bin/python", lyftlearn_image_tag, "-c", IMPORT_EVERYTHING)
    found = json.loads(said.splitlines()[-1])
    assert len(found["imported"]) > 1500
    assert {name: why for name, why in found["missing"].items() if name not in KNOWN} == {}


def test_a_module_that_went_missing_would_be_noticed(lyftlearn_image_tag: str, docker_cli: Callable[..., str]) -> None:
    """The check is not blind: without one module of numpy's it names the modules that need it."""
    break_it = 'rm /opt/venv/lib/python3.11/site-packages/sklearn/tree/_splitter*.so; exec /opt/venv/bin/python -c "$0"'
    said = docker_cli("run", "--rm", "--entrypoint", "sh", lyftlearn_image_tag, "-c", break_it, IMPORT_EVERYTHING)
    assert "sklearn.tree" in json.loads(said.splitlines()[-1])["missing"]
