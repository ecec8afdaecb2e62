"""The program that copies the image's directories before a pod's script starts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from lyftlearn_runtime.copy_directories import copy_content, copy_working_directory, main

NAMES = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=8).filter(
    lambda name: name not in {".", ".."} and len(name.encode()) < 200
)
# A file is its bytes and its mode, a link a text.
TREES = st.recursive(
    st.tuples(st.binary(max_size=64), st.integers(0, 0o777)) | st.text("ab/.", min_size=1, max_size=9),
    lambda inner: st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


def write(path: Path, tree: object) -> None:
    """Makes a file, a link or a directory."""
    if isinstance(tree, dict):
        path.mkdir()
        for name, inner in tree.items():
            write(path / name, inner)
    elif isinstance(tree, str):
        path.symlink_to(tree)
    elif isinstance(tree, tuple):
        path.write_bytes(tree[0])
        path.chmod(tree[1] | 0o400)
        os.utime(path, ns=(0, 1_000_000_001))


def read(path: Path) -> object:
    """What `write` was given, and the time."""
    if path.is_symlink():
        return str(path.readlink())
    if path.is_dir():
        return {one.name: read(one) for one in path.iterdir()}
    return path.read_bytes(), path.stat().st_mode & 0o7777, path.stat().st_mtime_ns


def with_owners_rights(tree: object) -> object:
    """A tree in which the owner of each file may read and write it."""
    if isinstance(tree, dict):
        return {name: with_owners_rights(inner) for name, inner in tree.items()}
    return (tree[0], tree[1] | 0o600, tree[2]) if isinstance(tree, tuple) else tree


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.dictionaries(NAMES, TREES, max_size=4))
def test_a_copy_is_the_same_tree(tmp_path_factory: pytest.TempPathFactory, tree: dict[str, object]) -> None:
    """Any names, links that lead nowhere, modes and times; and the copy's owner may write to it."""
    place = tmp_path_factory.mktemp("trees")
    write(place / "source", tree)
    (place / "target").mkdir()
    copy_content(str(place / "source"), str(place / "target"))
    assert read(place / "target") == with_owners_rights(read(place / "source"))


@pytest.mark.parametrize(("directory", "is_copied"), [("app", True), ("code", False), ("code/deep", False), ("codex", True)])
def test_a_working_directory_is_copied_once(tmp_path: Path, directory: str, *, is_copied: bool) -> None:
    """Below its own path; not what is in a directory that is copied by itself."""
    source, work = tmp_path / directory, tmp_path / "work"
    source.mkdir(parents=True)
    (source / "file").write_text("x")
    work.mkdir()
    copy_working_directory(str(source), str(work), (str(tmp_path / "code"),))
    assert (work / str(source).lstrip("/") / "file").exists() == is_copied
    assert is_copied or not list(work.iterdir())


def test_in_the_root_everything_is_found_by_its_name(tmp_path: Path) -> None:
    """An image without a directory of its own begins in `/`: that is not copied, but linked to."""
    copy_working_directory("/", str(tmp_path), ())
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in Path("/").iterdir()}
    assert (tmp_path / "etc" / "passwd").read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.dictionaries(NAMES, TREES, max_size=4), st.data())
def test_a_copy_that_was_begun_is_completed(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, object], data: st.DataObject
) -> None:
    """A kubelet may run the program again at any time: what was copied, or written there since, stays as it is."""
    place = tmp_path_factory.mktemp("trees")
    write(place / "source", tree)
    taken = data.draw(st.dictionaries(st.sampled_from(sorted(tree)), TREES)) if tree else {}
    write(place / "target", taken)
    (place / "target" / ".lyftlearn-copy").write_bytes(b"half of it")
    before = read(place / "target")
    for _ in range(2):
        copy_content(str(place / "source"), str(place / "target"))
    (place / "target" / ".lyftlearn-copy").unlink(missing_ok=True)
    found, source = read(place / "target"), with_owners_rights(read(place / "source"))
    assert isinstance(found, dict)
    assert isinstance(source, dict)
    assert isinstance(before, dict)
    for name, one in source.items():
        is_merged = isinstance(one, dict) and isinstance(before.get(name), dict)
        if name not in before:
            assert found[name] == one
        elif is_merged:
            assert set(found[name]) == set(before[name]) | set(one)
        else:
            assert found[name] == before[name]


def test_what_cannot_be_copied_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here for a place that is not there; on a node for want of room. A directory that the image has not is no fault."""
    (tmp_path / "working directory").mkdir()
    monkeypatch.chdir(tmp_path / "working directory")  # which is copied, too
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("x")
    missing = tmp_path / "missing"
    assert main([str(tmp_path / "work"), str(tmp_path / "no source"), str(missing)]) == 0
    assert main([str(tmp_path / "work"), str(tmp_path / "source"), str(missing)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"{missing}/.lyftlearn-copy: the image's directories cannot be copied: No such file or directory"
