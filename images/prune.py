"""Takes out of a venv what no job imports. Runs once, in the build: `python prune.py SITE_PACKAGES`.

Out go test suites, headers, sources of extension modules, static libraries, stubs for editors, botocore's examples,
copies of a library (a wheel cannot hold links) and the symbol tables that only a native debugger reads. What an
exception, a profiler of Python or `numpy.testing` needs stays. Licences stay: nothing below a dist-info is touched.
"""

import ctypes
import filecmp
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SUFFIXES = {".a", ".c", ".cc", ".cpp", ".cuh", ".h", ".hh", ".hpp", ".pxd", ".pxi", ".pyi", ".pyx"}


def unwanted_files(package):
    """The files of one package that nothing imports."""
    # lazy_loader reads a package's stubs to know what to import.
    keeps_stubs = any(b"attach_stub" in path.read_bytes() for path in package.rglob("__init__.py"))
    for path in package.rglob("*"):
        is_unwanted = path.suffix in SUFFIXES or path.name == "examples-1.json"
        if path.is_file() and is_unwanted and not (keeps_stubs and path.suffix == ".pyi"):
            yield path


def test_suites(package):
    """The directories of one package that hold its own tests."""
    return [path for path in package.rglob("tests") if path.is_dir()]


def link_copies(directory):
    """Makes links of the byte-identical copies `libx.so.1` beside `libx.so`."""
    for path in directory.rglob("*.so"):
        for copy in path.parent.glob(f"{path.name}.*"):
            if not copy.is_symlink() and filecmp.cmp(path, copy, shallow=False):
                copy.unlink()
                copy.symlink_to(path.name)


def libraries(directory):
    """Every shared library below a directory, links left out."""
    found = (path for path in sorted(directory.rglob("*.so*")) if re.search(r"\.so(\.[0-9]+)*$", path.name))
    return [path for path in found if path.is_file() and not path.is_symlink()]


def loadable(paths):
    """Those of some libraries that the dynamic linker takes, every symbol resolved. Asked in a process of its own."""
    if not paths:
        return set()
    command = [sys.executable, __file__, "--load", *map(str, paths)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return set(map(Path, done.stdout.splitlines()))


def load(paths):
    """Prints the libraries that can be loaded."""
    for path in paths:
        try:
            ctypes.CDLL(path, mode=os.RTLD_NOW)
        except OSError:
            continue
        print(path)


def strip_symbols(directory):
    """Strips every library but those that auditwheel has rewritten (`<package>.libs`): strip breaks their layout.

    A library that could be loaded before and cannot any more ends the build.
    """
    strip = shutil.which("strip")
    if strip is None:
        raise SystemExit("prune.py: there is no strip; install binutils in the build stage")
    every = libraries(directory)
    before = loadable(every)
    own = [path for path in every if not any(part.endswith(".libs") for part in path.relative_to(directory).parts)]
    if own:
        subprocess.run([strip, "--strip-unneeded", *own], check=True)
    broken = before - loadable(every)
    if broken:
        raise SystemExit("prune.py: strip broke " + " ".join(sorted(map(str, broken))))


def remove_empty(directory):
    """Removes the directories that have nothing left in them."""
    for path in sorted(directory.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def prune(site_packages):
    """All of it."""
    packages = [path for path in site_packages.iterdir() if path.is_dir() and path.suffix != ".dist-info"]
    for package in packages:
        for suite in test_suites(package):
            shutil.rmtree(suite, ignore_errors=True)  # one may hold another
        for path in list(unwanted_files(package)):
            path.unlink()
        link_copies(package)
        remove_empty(package)
    strip_symbols(site_packages)


if __name__ == "__main__":
    if sys.argv[1] == "--load":
        load(sys.argv[2:])
    else:
        prune(Path(sys.argv[1]))
