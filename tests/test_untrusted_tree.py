"""Directories as a container's root may leave them: each kind of file, any depth, any name."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image import untrusted_tree
from lyftlearn_image.errors import RunError
from lyftlearn_image.limits import UNLIMITED, Limits
from lyftlearn_image.untrusted_tree import Allowance

if TYPE_CHECKING:
    from pathlib import Path

SMALL = Limits(artifact_bytes=1000, artifact_files=10)
MODES = st.integers(0, 0o7777)
NAMES = st.sampled_from([b"a", b"b", b"\xff\xfe", "ä".encode(), b"new\nline", b"-rf", b".hidden", b"n" * 255])
KINDS = st.sampled_from(["file", "directory", "link", "broken link", "fifo", "socket", "hard link", "device"])
TREES = st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=3), KINDS, MODES), max_size=12)
DEEP = 3000


def build(top: Path, tree: list[tuple[list[bytes], str, int]]) -> None:
    """Makes what can be made of the tree: a name may be there already, or a file where a directory would have to be."""
    outside = top.parent / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (outside / "kept").chmod(0o4755)
    top.mkdir()
    for parts, kind, mode in tree:
        place = top.joinpath(*map(os.fsdecode, parts))
        with contextlib.suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            make(place, kind, outside)
            if kind in {"file", "directory", "device", "fifo"}:
                place.chmod(mode)


def make(place: Path, kind: str, outside: Path) -> None:
    """One name of a tree."""
    match kind:
        case "file":
            place.touch(exist_ok=False)
        case "directory":
            place.mkdir()
        case "link":
            place.symlink_to(outside)
        case "broken link":
            place.symlink_to("nowhere")
        case "fifo":
            os.mkfifo(place)
        case "hard link":
            place.hardlink_to(place.parent / "a")
        case "device":
            os.mknod(place, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        case "socket" if len(os.fsencode(place)) < 100:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(os.fsencode(place))


@given(TREES)
def test_nothing_armed_stays_and_nothing_outside_changes(
    tmp_path_factory: pytest.TempPathFactory, tree: list[tuple[list[bytes], str, int]]
) -> None:
    """No setuid, setgid, device, FIFO or socket in any tree; files, directories and links stay; then all of it goes."""
    place = tmp_path_factory.mktemp("tree")
    top = place / "top"
    build(top, tree)
    before = {entry.path for entry in untrusted_tree.walk(top) if stat.S_IFMT(entry.status.st_mode) in KEPT}
    untrusted_tree.disarm(top)
    after = {entry.path: entry.status.st_mode for entry in untrusted_tree.walk(top)}
    assert after.keys() == before
    assert not [path for path, mode in after.items() if not stat.S_ISLNK(mode) and mode & 0o6000]
    untrusted_tree.remove(top)
    assert [path.name for path in place.iterdir()] == ["outside"]
    assert stat.S_IMODE((place / "outside" / "kept").stat().st_mode) == 0o4755


KEPT = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)


def make_deep(top: Path, levels: int) -> None:
    """Directories in directories: no path to the last one is short enough for the system."""
    top.mkdir()
    descriptor = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("directory", dir_fd=descriptor)
        inner = os.open("directory", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.mkfifo("fifo", dir_fd=descriptor)
    os.close(descriptor)


def test_a_tree_of_any_depth_is_refused_disarmed_and_removed(tmp_path: Path) -> None:
    """Three thousand directories in each other: their paths are longer than the system takes, and Python's recursion ends."""
    top = tmp_path / "top"
    make_deep(top, DEEP)
    with pytest.raises(RunError, match="directories"):
        untrusted_tree.measure(top, Allowance(UNLIMITED))
    untrusted_tree.disarm(top)
    assert list(tmp_path.iterdir()) == [top]
    assert max(entry.depth for entry in untrusted_tree.walk(top)) < 65
    untrusted_tree.remove(top)
    assert not list(tmp_path.iterdir())
    make_deep(top, DEEP)
    untrusted_tree.remove(top)
    assert not list(tmp_path.iterdir())


def test_a_link_in_place_of_a_directory_leads_nowhere(tmp_path: Path) -> None:
    """A script may put one where its model is to be."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("kept")
    (tmp_path / "link").symlink_to("real")
    untrusted_tree.measure(tmp_path / "link", Allowance(Limits(artifact_bytes=1, artifact_files=0)))
    untrusted_tree.disarm(tmp_path / "link")
    untrusted_tree.remove(tmp_path / "link")
    assert (tmp_path / "real" / "file").read_text() == "kept"


def test_a_sparse_file_counts_as_what_it_says(tmp_path: Path) -> None:
    """Terabytes that take no block of the disk."""
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(RunError, match=r"more than 3[.]0 GiB"):
        untrusted_tree.measure(tmp_path, Allowance(Limits()))


@pytest.mark.parametrize(("files", "size", "is_refused"), [(10, 100, False), (11, 0, True), (5, 201, True)])
def test_files_and_bytes_are_counted_together(tmp_path: Path, files: int, size: int, *, is_refused: bool) -> None:
    """Exactly what is allowed is taken."""
    for number in range(files):
        (tmp_path / str(number)).write_bytes(bytes(size))
    if is_refused:
        with pytest.raises(RunError, match="more than"):
            untrusted_tree.measure(tmp_path, Allowance(SMALL))
    else:
        untrusted_tree.measure(tmp_path, Allowance(SMALL))


def test_directories_are_counted_too(tmp_path: Path) -> None:
    """Each takes memory and time, like a file."""
    for number in range(11):
        (tmp_path / str(number)).mkdir()
    with pytest.raises(RunError, match="more than 10 artifacts"):
        untrusted_tree.measure(tmp_path, Allowance(SMALL))
