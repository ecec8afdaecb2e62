"""Archives are compared by what they hold: another time is the same, anything else is told."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.parity.compare.archive_members import MAX_MEMBERS
from lyftlearn_image.parity.compare.artifacts import compare_artifacts, compare_files
from lyftlearn_image.parity.compare.comparator import ComparatorContext
from lyftlearn_image.parity.compare.rule import Rule
from lyftlearn_image.parity.compare.tolerance import MAX_DIFFERENCES
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable

    from lyftlearn_image.parity.differences import Difference

    Files = dict[str, bytes]

CONTEXT = ComparatorContext(None, {}, {})  # type: ignore[arg-type]
FILES = st.dictionaries(
    st.sampled_from(["a.txt", "b/c.bin", "../up", "/abs", "é\n", "x" * 90, "d.json"]),
    st.binary(max_size=50),
    min_size=1,
    max_size=5,
)


def pack_zip(files: Files, year: int, *, level: int = 1) -> bytes:
    """A zip file of that year."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED, level)
    return file.getvalue()


def pack_tar(files: Files, year: int, *, mode: str = "w") -> bytes:
    """A tar file of that year, and of that user."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.uid, entry.uname = len(content), year * 10**6, year, str(year)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def pack_gzip(files: Files, year: int) -> bytes:
    """A gzip file of that year, which holds a tar file."""
    return gzip.compress(pack_tar(files, year), mtime=year)


def pack_nested(files: Files, year: int) -> bytes:
    """A zip file in a gzip file in a tar file."""
    return pack_tar({"n.zip.gz": gzip.compress(pack_zip(files, year), mtime=year)}, year)


PACKERS: dict[str, tuple[str, Callable[[Files, int], bytes]]] = {
    "zip": ("a.zip", pack_zip), "whl": ("a.whl", pack_zip), "tar": ("a.tar", pack_tar), "tar.gz": ("a.tar.gz", pack_gzip),
    "tgz": ("a.tgz", pack_gzip), "nested": ("a.tar", pack_nested),
    "tar.bz2": ("a.tar.bz2", lambda files, year: bz2.compress(pack_tar(files, year))),
    "tar.xz": ("a.tar.xz", lambda files, year: lzma.compress(pack_tar(files, year))),
}  # fmt: skip


def compare(name: str, left: bytes, right: bytes, rule: dict[str, Any] | None = None) -> tuple[Difference, ...]:
    """What is found in two files of this name, by this rule or by none."""
    with tempfile.TemporaryDirectory() as directory:
        paths = []
        for side, content in (("left", left), ("right", right)):
            path = Path(directory, side, name)
            path.parent.mkdir()
            path.write_bytes(content)
            paths.append(path)
        if rule is None:
            (found,) = compare_artifacts({}, ComparatorContext(None, *({"m": path.parent} for path in paths)))  # type: ignore[arg-type]
        else:
            found = compare_files(name, (paths[0], paths[1]), Rule.model_validate(rule), CONTEXT)
        assert [each.name for each in Path(directory, "left").iterdir()] == [name]
        return found.differences


@pytest.mark.parametrize("form", PACKERS)
@examples(15)
@given(files=FILES)
def test_another_time_is_the_same(form: str, files: Files) -> None:
    """And another user, order and compression, at every depth."""
    name, pack = PACKERS[form]
    assert compare(name, pack(files, 1990), pack(dict(reversed(files.items())), 2020)) == ()


@pytest.mark.parametrize("form", PACKERS)
@examples(25)
@given(files=FILES, data=st.data())
def test_any_other_content_is_told(form: str, files: Files, data: st.DataObject) -> None:
    """A byte more, less or other in any member, another name, a member more or less: by the member's name."""
    name, pack = PACKERS[form]
    member = data.draw(st.sampled_from(sorted(files)))
    content = files[member]
    at = data.draw(st.integers(0, len(content)))
    changed = dict(files)
    match data.draw(st.sampled_from(["byte", "remove", "rename", "add"])):
        case "byte":
            changed[member] = content[:at] + bytes([(content[at] + 1) % 256 if at < len(content) else 0]) + content[at + 1 :]
        case "remove":
            del changed[member]
        case "rename":
            changed["new"] = changed.pop(member)
        case "add":
            changed["more"] = b""
    found = compare(name, pack(files, 1990), pack(changed, 2020))
    assert found
    assert all(each.place for each in found)


@pytest.mark.parametrize("form", PACKERS)
@examples(25)
@given(data=st.data())
def test_what_is_cut_or_broken_is_never_the_same(form: str, data: st.DataObject) -> None:
    """As soon as one side is no whole archive, there is a difference, and no exception."""
    name, pack = PACKERS[form]
    content = bytes(range(256))
    whole = pack({"a.bin": content, "b.txt": b"text"}, 1990)
    # A tar file is filled up with zeros behind its end.
    end = whole.rstrip(b"\0") if name == "a.tar" else whole
    cut = whole[: data.draw(st.integers(0, len(end) - 1))]
    assert compare(name, whole, cut)
    assert compare(name, cut, whole)
    at = data.draw(st.integers(0, len(whole) - 1))
    broken = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    compare(name, pack({"a.bin": content, "b.txt": b"text"}, 2020), broken)


def test_both_cut_alike_are_not_the_same() -> None:
    """What was there of them was equal; what was not there, nobody knows."""
    files = {"a": b"1" * 5000, "b": b"2" * 5000}
    for name, pack, less in (("a.tar.gz", pack_gzip, 20), ("a.zip", pack_zip, 30), ("a.tar", pack_tar, 9000)):
        assert compare(name, pack(files, 1990)[:-less], pack(files, 2020)[:-less]), name


def test_members_are_compared_as_the_files_that_they_are() -> None:
    """By the comparator of their suffix or by a rule for members; one that no member matches is told."""
    left, right = ({"m.json": b'{"a": 1, "b": 2}', "t.txt": text} for text in (b"took 1 s", b"took 2 s"))
    right["m.json"] = b'{"b": 2, "a": 1}'
    assert [each.place for each in compare("a.zip", pack_zip(left, 1990), pack_zip(right, 1990))] == ["t.txt, line 1"]
    rule = {"compare": "archive", "members": {"*.txt": {"compare": "text", "normalise": ["durations"]}}}
    assert compare("a.zip", pack_zip(left, 1990), pack_zip(right, 1990), rule) == ()
    assert compare("a.tar.gz", pack_gzip(left, 1990), pack_gzip(right, 1990), rule) == ()
    rule["members"] = {"*.csv": {"compare": "table"}, "*.txt": {"compare": "text", "normalise": ["durations"]}}
    assert [each.place for each in compare("a.zip", pack_zip(left, 1990), pack_zip(right, 1990), rule)] == ["*.csv"]


@pytest.mark.parametrize("pack", [lambda text: gzip.compress(text, mtime=len(text)), bz2.compress, lzma.compress])
def test_every_comparator_reads_what_is_compressed(pack: Callable[[bytes], bytes]) -> None:
    """With its own options; another compression on one side is another file."""
    left, right = pack(b'{"a": 1}'), pack(b'{"a": 1.0, "b": 2}')
    assert compare("m.json.gz", left, right, {"compare": "json", "ignore": ["/b"]}) == ()
    assert [each.place for each in compare("m.json.gz", left, right, {"compare": "json"})] == ["/b"]
    assert [each.place for each in compare("m.json.gz", left, right)] == ["/b"]
    assert compare("m.json.gz", left, b'{"a": 1}', {"compare": "json"})
    assert compare("m.json.gz", left, right[:-9], {"compare": "json", "ignore": ["/b"]})


def test_when_an_office_document_was_made_does_not_count() -> None:
    """It stands in a member of its own, whose other parts count."""
    left, right, other = (
        pack_zip({"docProps/core.xml": f"<a>{who}</a><created>{year}-11-28T10:00:00Z</created>".encode(), "s.xml": b"1"}, year)
        for year, who in ((2000, "x"), (2026, "x"), (2026, "y"))
    )
    assert compare("a.xlsx", left, right) == ()
    assert compare("a.xlsx", left, other)


def test_a_model_in_an_archive_is_compared_as_one_beside_it() -> None:
    """By what is in it; that nobody predicted with it is told, and does not count."""
    left, right, other = (
        pack_zip({"m.pkl": pickle.dumps(model, protocol)}, 2000)
        for model, protocol in (({"a": 1}, 2), ({"a": 1}, 4), ({"a": 2}, 2))
    )
    assert not any(each.accepted is None for each in compare("a.zip", left, right))
    assert [each.place for each in compare("a.zip", left, other) if each.accepted is None] == ["m.pkl, /a"]


def test_links_and_names_that_are_there_twice_count() -> None:
    """By where they lead; a second member of a name is another one."""

    def pack(target: str, second: bytes) -> bytes:
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as archive:
            link = tarfile.TarInfo("link")
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
            for content in (b"first", second):
                entry = tarfile.TarInfo("a")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return file.getvalue()

    assert [each.place for each in compare("a.tar", pack("x", b"1"), pack("y", b"1"))] == ["link"]
    assert [each.place.partition(",")[0] for each in compare("a.tar", pack("x", b"1"), pack("x", b"2"))] == ["a (again"]


def test_a_bomb_ends_and_is_told() -> None:
    """What expands to a gigabyte, lies within itself too deeply or has a million members is not gone through."""
    bomb = gzip.compress(bytes(1 << 26), mtime=0)
    for _ in range(2):
        bomb = gzip.compress(bomb * 16, mtime=0)
    bombs = [bomb + gzip.compress(bytes([each])) for each in (1, 2)]
    deep = [pack_zip({"a.txt": bytes([each])}, 1990) for each in (1, 2)]
    for _ in range(8):
        deep = [pack_zip({"a.zip": each}, 1990 + number) for number, each in enumerate(deep)]
    for name, (left, right) in (("a.gz.gz.gz", bombs), ("a.zip", deep)):
        (found,) = compare(name, left, right)
        assert found.detail.startswith("not an archive that can be read")


def test_many_members_are_not_all_read() -> None:
    """More than anybody packs is refused; of many that differ the first are looked into."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lyftlearn_image.parity.compare.archive_members.MAX_MEMBERS", 10)
        files = {str(each): b"" for each in range(11)}
        (found,) = compare("a.zip", pack_zip(files, 1990), pack_zip(files, 1991))
        assert "more than 10 members" in found.detail
    assert MAX_MEMBERS > 10
    left, right = ({f"{each}.txt": side for each in range(50)} for side in (b"1", b"2"))
    found_all = compare("a.zip", pack_zip(left, 1990), pack_zip(right, 1990))
    assert len(found_all) == MAX_DIFFERENCES + 1
