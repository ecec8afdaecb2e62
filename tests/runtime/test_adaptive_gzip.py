"""The gzip that stores what does not shrink."""

from __future__ import annotations

import gzip
import io
import os
import random
import subprocess
import tarfile
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from lyftlearn_runtime import adaptive_gzip
from lyftlearn_runtime.adaptive_gzip import AdaptiveGzip
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MIB = 1 << 20


def packed(*pieces: bytes) -> bytes:
    """What becomes of them."""
    file = io.BytesIO()
    with AdaptiveGzip(file) as writer:
        for piece in pieces:
            writer.write(piece)
        assert writer.tell() == sum(map(len, pieces))
    return file.getvalue()


@examples(60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["noise", "zeros", "text", "half"]), st.integers(0, 3 * MIB // 2) | st.integers(0, 100)),
        max_size=5,
    )
)
def test_every_reader_gives_back_what_was_written(pieces: Sequence[tuple[str, int]]) -> None:
    """In whatever pieces it comes, and whatever they hold: one gzip member, to its last byte."""
    data = [content(kind, size) for kind, size in pieces]
    whole, result = b"".join(data), packed(*data)
    assert gzip.decompress(result) == whole
    reader = zlib.decompressobj(31)  # one member alone
    assert reader.decompress(result) == whole
    assert reader.eof
    assert not reader.unused_data
    assert result == packed(whole), "the pieces show"


def content(kind: str, size: int) -> bytes:
    """So many bytes of a kind, always the same."""
    noise = random.Random(size)  # noqa: S311 - data of a test
    if kind == "noise":
        return noise.randbytes(size)
    if kind == "half":
        return (noise.randbytes(16) + b"the same 16 bytes")[:32] * (size // 32)
    return (b"\0" if kind == "zeros" else b"some words of a text; ") * (size // 22)


def test_what_does_not_shrink_is_stored_and_what_does_is_not() -> None:
    """By each megabyte for itself: five bytes for 64 KiB are added to noise, and a text beside it shrinks all the same."""
    noise, text = os.urandom(4 * MIB), b"".join(b"line %d of a table\n" % number for number in range(200_000))
    assert len(noise) < len(packed(noise)) < len(noise) * 1.0005
    assert len(packed(text)) < len(text) / 4
    assert len(packed(noise, text)) < len(noise) * 1.0005 + len(text) / 3


def test_the_number_of_threads_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same content is the same archive, on a large machine and on a small one."""
    data = b"".join(content(kind, 2 * MIB) for kind in ("noise", "text", "half", "zeros"))
    expected = packed(data)
    monkeypatch.setattr(adaptive_gzip.os, "cpu_count", lambda: 1)
    assert packed(data) == expected


def test_an_exception_leaves_no_whole_archive() -> None:
    """A file that ended early is told from one that is whole."""
    file = io.BytesIO()
    writer = AdaptiveGzip(file)
    writer.write(b"data")
    writer.__exit__(ZeroDivisionError)
    with pytest.raises(EOFError):
        gzip.decompress(file.getvalue())


@pytest.mark.parametrize("mode", ["r:gz", "r|gz", "r:*"])
def test_tar_reads_it(tmp_path: Path, mode: Any) -> None:
    """GNU tar and gzip, and the standard library's readers: those that seek, and those that do not."""
    noise, text = os.urandom(3 * MIB), b"text " * MIB
    path = tmp_path / "model.tar.gz"
    with path.open("wb") as file, AdaptiveGzip(file) as writer:
        tar: Any = tarfile.TarFile(None, "w", writer)  # type: ignore[arg-type] # it has what is written to
        for name, data in (("noise", noise), ("text", text)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        tar.close()
    with tarfile.open(path, mode) as opened:
        assert {one.name: opened.extractfile(one).read() for one in opened} == {  # type: ignore[union-attr]
            "noise": noise,
            "text": text,
        }
    subprocess.run(["gzip", "--test", str(path)], check=True)
    subprocess.run(["tar", "xzf", str(path), "-C", str(tmp_path)], check=True)
    assert (tmp_path / "noise").read_bytes() == noise
    assert (tmp_path / "text").read_bytes() == text
