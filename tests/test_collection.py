"""The tests themselves: all of them are run, and those without an engine have none."""

from __future__ import annotations

import fnmatch
from pathlib import Path

import pytest

from lyftlearn_image.build.engine import ensure_engine
from lyftlearn_image.errors import UnavailableError

ROOT = Path(__file__).resolve().parent.parent


def test_no_test_is_left_out(pytestconfig: pytest.Config) -> None:
    """Whatever defines a test has a name that pytest looks for, in a folder that it looks into, or make names it."""
    made = (ROOT / "Makefile").read_text(encoding="utf-8").split()
    names, passed_over = pytestconfig.getini("python_files"), pytestconfig.getini("norecursedirs")
    files = [path for top in pytestconfig.getini("testpaths") for path in (ROOT / top).rglob("*.py")]
    with_tests = [path.relative_to(ROOT) for path in files if "\ndef test_" in path.read_text(encoding="utf-8")]
    assert len(with_tests) > 100
    looked_for = {path for path in with_tests if any(fnmatch.fnmatch(path.name, name) for name in names)}
    assert [path for path in with_tests if path not in looked_for and str(path) not in made] == []
    folders = {folder for path in with_tests for folder in path.parts[:-1]}
    assert [folder for folder in folders if any(fnmatch.fnmatch(folder, one) for one in passed_over)] == []


def test_a_test_that_asks_for_no_engine_finds_none(request: pytest.FixtureRequest) -> None:
    """One that used it all the same would fail, and not only where there is none."""
    assert "engine" not in request.fixturenames
    with pytest.raises(UnavailableError, match="the engine that DOCKER_HOST names does not answer"):
        ensure_engine(print)


def test_a_test_that_depends_on_the_engine_is_marked(lyftlearn_image_tag: str, request: pytest.FixtureRequest) -> None:
    """By whatever fixture it does."""
    assert request.node.get_closest_marker("engine") is not None
