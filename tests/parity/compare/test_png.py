"""PNG images are the same whenever they were made, and however tightly they are packed; any other pixel is told."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.parity.compare import png as image
from tests.examples import examples
from tests.parity.compare.pairs import compare_written

if TYPE_CHECKING:
    from lyftlearn_image.parity.differences import Difference

PIXELS = st.binary(min_size=1, max_size=300)


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def png(pixels: bytes, *, year: int = 2000, level: int = 9, pieces: int = 1, title: bytes = b"loss") -> bytes:
    """A PNG file with these bytes for its image data, in several chunks."""
    data = zlib.compress(pixels, level)
    step = -(-len(data) // pieces)
    return b"".join((
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", b"\0\0\0\1\0\0\0\1\x08\0\0\0\0"),
        chunk(b"tEXt", b"Title\0" + title),
        chunk(b"tEXt", b"Creation Time\0%d" % year),
        chunk(b"tIME", year.to_bytes(2, "big") + b"\1\1\0\0\0"),
        *(chunk(b"IDAT", data[start : start + step]) for start in range(0, len(data), step)),
        chunk(b"IEND", b""),
    ))  # fmt: skip


def compare(left: bytes, right: bytes) -> tuple[Difference, ...]:
    """What is found in two files."""
    return compare_written("a.png", Path.write_bytes, (left, right), {"compare": "png"})


@given(PIXELS, st.integers(0, 9), st.integers(1, 3))
def test_another_time_is_the_same_image(pixels: bytes, level: int, pieces: int) -> None:
    """So is another compression of the same pixels."""
    assert compare(png(pixels), png(pixels, year=2026, level=level, pieces=pieces)) == ()


@given(PIXELS, st.data())
def test_another_pixel_is_told(pixels: bytes, data: st.DataObject) -> None:
    """And another text, and a chunk more."""
    at = data.draw(st.integers(0, len(pixels) - 1))
    changed = pixels[:at] + bytes([pixels[at] ^ 1]) + pixels[at + 1 :]
    assert [each.place for each in compare(png(pixels), png(changed, year=2026))] == ["image data"]
    assert [each.place for each in compare(png(pixels), png(pixels, title=b"auc"))] == ["chunk tEXt"]
    more = png(pixels)[:-12] + chunk(b"gAMA", b"1234") + chunk(b"IEND", b"")
    assert [each.place for each in compare(png(pixels), more)] == ["chunks"]


@examples(60)
@given(PIXELS, st.data())
def test_a_broken_image_is_never_the_same(pixels: bytes, data: st.DataObject) -> None:
    """Cut on one side or on both, with a bit turned over, with more behind its end, or none at all."""
    left, right = png(pixels), png(pixels, year=2026)
    size = data.draw(st.integers(0, len(left) - 1))
    assert compare(left[:size], right)
    if left[:size] != right[:size]:
        assert compare(left[:size], right[:size])
    at = data.draw(st.integers(0, len(right) - 1))
    assert compare(left, right[:at] + bytes([right[at] ^ data.draw(st.integers(1, 255))]) + right[at + 1 :])
    assert compare(left, right + b"!")


def test_an_image_that_expands_without_end_is_told() -> None:
    """A kilobyte of file may be a gigabyte of pixels."""
    bombs = [png(bytes(1 << 20), year=year) for year in (2000, 2026)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image, "_MAX_PIXEL_BYTES", 1 << 19)
        (found,) = compare(*bombs)
    assert "expands to more than" in found.detail
