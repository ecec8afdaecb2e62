"""The code that comes with a job: what of an archive is unpacked, and a start that dies on the way."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tarfile
from pathlib import Path

import pytest
from hypothesis import example, given, strategies as st

from lyftlearn_runtime import submitted_code
from lyftlearn_runtime.errors import ShimError
from tests.examples import examples

_PARTS = st.sampled_from(["a", "b", "c.py", "..", ".", "", "link", "\\..", "x\\y"])
_NAMES = st.lists(_PARTS, min_size=1, max_size=5).map("/".join)
_KINDS = st.sampled_from(
    [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
_MEMBERS = st.tuples(_NAMES, _KINDS, _NAMES | st.sampled_from(["/etc", "../../..", "/"]), st.integers(0, 0o7777))


def packed(path: Path, *members: tuple[str, bytes, str, int]) -> str:
    """An archive with members of any kind; the text of a file is its own name."""
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, link, mode in members:
            member = tarfile.TarInfo(name)
            data = name.encode() if kind == tarfile.REGTYPE else b""
            member.type, member.linkname, member.mode, member.size = kind, link, mode, len(data)
            archive.addfile(member, io.BytesIO(data))
    return str(path)


def file(name: str, mode: int = 0o644) -> tuple[str, bytes, str, int]:
    """A member that is a file."""
    return name, tarfile.REGTYPE, "", mode


def content(directory: Path) -> dict[str, str]:
    """Path → text of every file in it."""
    return {str(path.relative_to(directory)): path.read_text() for path in directory.rglob("*") if path.is_file()}


@examples(50)
@example([("a", tarfile.SYMTYPE, "a//a", 0)])
@given(st.lists(_MEMBERS, max_size=8))
def test_no_member_leaves_the_directory(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, bytes, str, int]]
) -> None:
    """Whatever it is called, and whatever the links before it say. No device, no setuid file."""
    place = tmp_path_factory.mktemp("archive")
    outside, code = place / "outside", place / "code"
    outside.mkdir()
    archive = packed(place / "code.tar.gz", *members)
    before = sorted(str(path) for path in place.rglob("*"))
    # A file where another member wants a directory is an error.
    with contextlib.suppress(ShimError):
        submitted_code.bring(archive, {}, str(code))
    found = [Path(top, name) for top, directories, names in os.walk(place) for name in (*directories, *names)]
    assert sorted(str(path) for path in found if code not in path.parents and path != code) == before
    for path in code.rglob("*"):
        mode = path.lstat().st_mode
        assert stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)
        assert stat.S_ISLNK(mode) or not mode & (stat.S_ISUID | stat.S_ISGID)
        assert (os.path.realpath(path) + "/").startswith(os.path.realpath(code) + "/")


def test_an_archive_becomes_the_code(tmp_path: Path) -> None:
    """As `tar` packs a directory: with `./` before every name, executables stay so."""
    members = ("./", tarfile.DIRTYPE, "", 0o755), file("./train.py"), file("./pkg/run.sh", 0o750)
    code = tmp_path / "code"
    code.mkdir()
    submitted_code.bring(packed(tmp_path / "a.tar.gz", *members), {}, str(code))
    assert content(code) == {"train.py": "./train.py", "pkg/run.sh": "./pkg/run.sh"}
    assert os.access(code / "pkg" / "run.sh", os.X_OK)


def test_a_directory_and_a_file_become_the_code(tmp_path: Path) -> None:
    """The directory itself stays; the code's own directory is left alone."""
    source = tmp_path / "source"
    (source / "pkg").mkdir(parents=True)
    (source / "pkg" / "a.py").write_text("1")
    (source / "t.py").write_text("2")
    submitted_code.bring(str(source), {}, str(tmp_path / "one"))
    assert content(tmp_path / "one") == content(source) == {"pkg/a.py": "1", "t.py": "2"}
    submitted_code.bring(str(source / "t.py"), {}, str(tmp_path / "two"))
    assert content(tmp_path / "two") == {"t.py": "2"}
    submitted_code.bring(str(source), {}, str(source))
    assert content(source) == {"pkg/a.py": "1", "t.py": "2"}


def test_code_that_is_there_stays(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """As AWS's toolkit has it; a line says so. A start that died half-way begins again."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "mine.py").write_text("mine")
    archive = packed(tmp_path / "a.tar.gz", file("train.py"), file("b.py"))
    submitted_code.bring(archive, {}, str(code))
    assert content(code) == {"mine.py": "mine"}
    assert f"{code} has code in it, so {archive} is left where it is" in capfd.readouterr().err
    half = tmp_path / "half"
    (half / ".lyftlearn-part").mkdir(parents=True)
    (half / ".lyftlearn-part" / "b.py").write_text("half of")
    (half / "train.py").write_text("moved already")
    submitted_code.bring(archive, {}, str(half))
    assert content(half) == {"train.py": "train.py", "b.py": "b.py"}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"no archive at all", None),
        (b"\x1f\x8b\x08\x00broken", "is not an archive that can be read"),
        (None, "there is no"),
    ],
)
def test_what_is_no_code_is_told(tmp_path: Path, data: bytes | None, told: str | None) -> None:
    """One error with the name of it. A file that is no archive is a file, as with the toolkit."""
    source = tmp_path / "source"
    if data is not None:
        source.write_bytes(data)
    if told is None:
        submitted_code.bring(str(source), {}, str(tmp_path / "code"))
        assert (tmp_path / "code" / "source").read_bytes() == data
        return
    with pytest.raises(ShimError, match=told) as raised:
        submitted_code.bring(str(source), {}, str(tmp_path / "code"))
    assert (raised.value.exit_code, str(source) in raised.value.message) == (78, True)


def test_an_archive_that_is_cut_off_is_told(tmp_path: Path) -> None:
    """And it leaves no code that looks whole."""
    whole = Path(packed(tmp_path / "a.tar.gz", *(file(f"f{number}" * 20) for number in range(200)))).read_bytes()
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    for _ in range(2):
        with pytest.raises(ShimError, match=r"cut\.tar\.gz is not an archive that can be read"):
            submitted_code.bring(str(cut), {}, str(tmp_path / "code"))
    assert [path.name for path in (tmp_path / "code").iterdir()] == [".lyftlearn-part"]
