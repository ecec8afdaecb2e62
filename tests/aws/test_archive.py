"""Archives of any content: nothing is written outside, and what was packed comes back."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import random
import re
import tarfile
import threading
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, strategies as st

from lyftlearn_image.aws.archive import UNREADABLE, BoundedGzip, PackedStream, merge_directories, pack, unpack
from lyftlearn_image.errors import RunError
from lyftlearn_image.limits import UNLIMITED, Limits
from lyftlearn_image.untrusted_tree import Allowance

if TYPE_CHECKING:
    from pathlib import Path

# Most names are honest, so that most archives are unpacked to their end; links lead anywhere.
NAMES = st.sampled_from(["a", "b", "c", "d/a", "d/b", "d/e/a", "link", "d/link", "../a", "/a"])
TARGETS = st.sampled_from(["a", "b", "d", "link", "d/link", ".", "..", "../..", "d/../..", "link/..", "/etc/passwd", "/"])
TYPES = st.sampled_from([tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
MEMBERS = st.lists(st.tuples(NAMES, TYPES, TARGETS), max_size=5, unique_by=lambda member: member[0])
# Larger than what is read at once, and compressible, so that damage is found late.
CONTENT = bytes(random.Random(1).choices(b"abcdefgh", k=40_000))  # noqa: S311 - no secret


def archive_of(members: list[tuple[str, bytes, str]]) -> io.BytesIO:
    """A tar.gz of members: name, type and where a link leads."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            member.size = len(CONTENT) if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(CONTENT))
    packed.seek(0)
    return packed


@example([("d/a", tarfile.SYMTYPE, "link/.."), ("d/link", tarfile.SYMTYPE, "a")])
@given(MEMBERS)
def test_nothing_leads_out_of_any_archive(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, bytes, str]]
) -> None:
    """Of any row of files, directories, links and devices: an error, or files and links that stay inside."""
    top = tmp_path_factory.mktemp("archive")
    into = top / "into"
    into.mkdir()
    with tarfile.open(fileobj=archive_of(members), mode="r:gz") as archive:
        try:
            unpack(archive, into, Allowance(UNLIMITED))
        except (RunError, *UNREADABLE):
            pass  # half of it is there, with links that nobody has judged: callers throw it away
        else:
            for path in into.rglob("*"):
                assert path.resolve(strict=True).is_relative_to(into.resolve()), path
                assert path.is_file() or path.is_dir(), path
    assert list(top.iterdir()) == [into]


@pytest.mark.parametrize(
    "members",
    [
        [("a", tarfile.LNKTYPE, "none")],
        [("a", tarfile.LNKTYPE, "a")],
        [("a", tarfile.SYMTYPE, "a"), ("b", tarfile.LNKTYPE, "a")],
        [("a", tarfile.SYMTYPE, "b"), ("b", tarfile.SYMTYPE, "a"), ("c", tarfile.LNKTYPE, "a")],
    ],
)
def test_a_hard_link_to_nothing_is_told(tmp_path: Path, members: list[tuple[str, bytes, str]]) -> None:
    """One error, with the member's name."""
    with tarfile.open(fileobj=archive_of(members), mode="r:gz") as archive, pytest.raises(RunError, match="links to nothing"):
        unpack(archive, tmp_path, Allowance(UNLIMITED))


WHOLE = archive_of([("a", tarfile.REGTYPE, ""), ("d/b", tarfile.REGTYPE, ""), ("l", tarfile.SYMTYPE, "a")]).getvalue()


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255), st.booleans())
def test_a_damaged_archive_is_unreadable_and_nothing_worse(
    tmp_path_factory: pytest.TempPathFactory,
    position: int,
    change: int,
    is_cut: bool,  # noqa: FBT001 - drawn
) -> None:
    """Cut off, or with one other byte: it is unpacked, or it is one of the errors that callers expect."""
    data = WHOLE[:position] if is_cut else WHOLE[:position] + bytes([WHOLE[position] ^ change]) + WHOLE[position + 1 :]
    with (
        contextlib.suppress(RunError, *UNREADABLE),
        tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive,
    ):
        unpack(archive, tmp_path_factory.mktemp("damaged"), Allowance(UNLIMITED))


TREES = st.dictionaries(st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a", "f/a"]), st.binary(max_size=20), max_size=6)


def write_tree(directory: Path, tree: dict[str, bytes]) -> None:
    """Files with these contents."""
    directory.mkdir()
    for name, data in tree.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)


def read_tree(directory: Path) -> dict[str, bytes]:
    """Every file below a directory."""
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@given(TREES)
def test_what_is_packed_comes_back(tmp_path_factory: pytest.TempPathFactory, tree: dict[str, bytes]) -> None:
    """Names and bytes."""
    top = tmp_path_factory.mktemp("pack")
    write_tree(top / "source", tree)
    packed = io.BytesIO()
    pack(top / "source", packed)
    packed.seek(0)
    with tarfile.open(fileobj=packed, mode="r:gz") as archive:
        unpack(archive, top / "found", Allowance(UNLIMITED))
    assert read_tree(top / "found") == tree if tree else not (top / "found").exists()


@given(st.lists(TREES, min_size=1, max_size=3))
def test_of_files_with_one_name_the_first_stays(
    tmp_path_factory: pytest.TempPathFactory, trees: list[dict[str, bytes]]
) -> None:
    """Directories are put together, and nothing is lost but the later file of a name."""
    top = tmp_path_factory.mktemp("merge")
    for number, tree in enumerate(trees):
        write_tree(top / str(number), tree)
    merge_directories([top / str(number) for number in range(len(trees))], top / "into")
    expected: dict[str, bytes] = {}
    for tree in trees:
        expected = {**tree, **expected}
    assert read_tree(top / "into") == expected


SMALL = Limits(artifact_bytes=1 << 20, artifact_files=100)


@pytest.mark.parametrize(
    ("sizes", "limit"),
    [([(1 << 20) + 1], "1.0 MiB"), ([600_000, 600_000], "1.0 MiB"), ([0] * 101, "100"), ([1 << 40], "1.0 MiB")],
    ids=["one file", "two files", "many files", "only said"],
)
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, sizes: list[int], limit: str) -> None:
    """By what its headers say, which is what would be written; a single file that is too large is not begun."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for number, size in enumerate(sizes):
            member = tarfile.TarInfo(f"file-{number}")
            member.size = size
            archive.addfile(member, io.BytesIO(bytes(min(size, 2 << 20))) if size < 1 << 30 else None)
    packed.seek(0)
    with tarfile.open(fileobj=packed, mode="r:gz") as archive, pytest.raises(RunError, match=re.escape(f"more than {limit}")):
        unpack(archive, tmp_path, Allowance(SMALL))
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) <= SMALL.artifact_bytes


def test_hard_links_count_as_what_they_lead_to(tmp_path: Path) -> None:
    """A link has no size of its own, and becomes a copy here."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("file")
        member.size = 400_000
        archive.addfile(member, io.BytesIO(bytes(member.size)))
        for number in range(5):
            link = tarfile.TarInfo(f"link-{number}")
            link.type, link.linkname = tarfile.LNKTYPE, "file"
            archive.addfile(link)
    packed.seek(0)
    with tarfile.open(fileobj=packed, mode="r:gz") as archive, pytest.raises(RunError, match=r"more than 1[.]0 MiB"):
        unpack(archive, tmp_path, Allowance(SMALL))


def list_members(packed: io.BytesIO) -> list[tarfile.TarInfo]:
    """As an archive from S3 is read."""
    with BoundedGzip(fileobj=packed, mode="rb") as unzipped, tarfile.open(fileobj=unzipped, mode="r:") as archive:
        return list(archive)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_of_gigabytes_is_not_read(kind: bytes) -> None:
    """Tarfile would have it in memory at once: 64 MiB of it pack into 64 KiB."""
    size = 64 << 20
    header = tarfile.TarInfo("header")
    header.type, header.size = kind, size
    packed = io.BytesIO(gzip.compress(header.tobuf() + bytes(size) + bytes(1024)))
    tracemalloc.start()
    try:
        with pytest.raises(UNREADABLE):
            list_members(packed)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_headers_about_headers_are_an_unreadable_archive() -> None:
    """Tarfile reads each within the one before, until Python has no more room."""
    header = tarfile.TarInfo("header")
    header.type, header.size = tarfile.XHDTYPE, 512
    block = header.tobuf() + b"20 path=aaaaaaaaaaa\n".ljust(512, b"\0")
    packed = io.BytesIO(gzip.compress(block * 20_000))
    with pytest.raises(UNREADABLE):
        list_members(packed)


def test_an_archive_that_is_packed_while_it_is_read_is_whole_or_none(tmp_path: Path) -> None:
    """Read in pieces of any size; what stops the packing stops the reading; who reads no further keeps no thread waiting."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "noise").write_bytes(noise := os.urandom(3 << 20))
    (tmp_path / "data" / "text").write_bytes(b"text " * 500_000)
    with PackedStream(tmp_path / "data") as stream:
        packed = b"".join(iter(lambda: stream.read(77_777), b""))
    with tarfile.open(fileobj=io.BytesIO(packed)) as opened:
        assert opened.getnames() == ["noise", "text"]
        assert opened.extractfile("noise").read() == noise  # type: ignore[union-attr] # a file
    with PackedStream(tmp_path / "data") as stream:
        stream.read(10)
    assert not [one for one in threading.enumerate() if one.name == "archive"]
    with PackedStream(tmp_path / "missing") as stream, pytest.raises(FileNotFoundError):
        stream.read(1 << 20)
