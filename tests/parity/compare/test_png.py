"""PNG images are the same whenever they were made, and however tightly they are packed; any other pixel is told."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.parity.compare import png as image
from lyftlearn_image.parity.compare.picture_dates import without_exif_dates
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


def with_chunk(kind: bytes, content: bytes) -> bytes:
    """An image with one more chunk."""
    plain = png(b"pixels")
    end = plain.index(b"\x00\x00\x00\x00IEND")
    return plain[:end] + chunk(kind, content) + plain[end:]


def xmp(date: str, title: str = "loss", *, is_compressed: bool = False) -> bytes:
    """An iTXt chunk's content with an XMP packet."""
    packet = f"<xmp:CreateDate>{date}</xmp:CreateDate><rdf:Description xmp:ModifyDate='{date}'/><dc:title>{title}</dc:title>"
    data = zlib.compress(packet.encode()) if is_compressed else packet.encode()
    return b"XML:com.adobe.xmp\0" + bytes([is_compressed, 0]) + b"en\0keyword\0" + data


def exif(date: bytes, original: bytes, author: bytes = b"me\0", order: str = "<") -> bytes:
    """An EXIF block with DateTime and Artist, and with DateTimeOriginal in its own directory."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    # Behind the head three entries, then one, then the values.
    second, values = 8 + 2 + 36 + 4, 8 + 2 + 36 + 4 + 2 + 12 + 4
    entry = struct.Struct(f"{order}HHII")
    first = struct.pack(f"{order}H", 3) + entry.pack(0x0132, 2, len(date), values)
    first += struct.pack(f"{order}HHI4s", 0x013B, 2, len(author), author) + entry.pack(0x8769, 4, 1, second) + b"\0" * 4
    inner = struct.pack(f"{order}H", 1) + entry.pack(0x9003, 2, len(original), values + len(date)) + b"\0" * 4
    return head + first + inner + date + original


DATES = b"2026:01:02 03:04:05\0", b"2027:11:12 13:14:15\0"


@pytest.mark.parametrize("is_compressed", [False, True])
def test_dates_in_xmp_do_not_count(*, is_compressed: bool) -> None:
    """As elements and attributes; every other word of it does."""
    left = with_chunk(b"iTXt", xmp("2026-01-02T03:04:05Z", is_compressed=is_compressed))
    assert compare(left, with_chunk(b"iTXt", xmp("2027-11-12T13:14:15+01:00", is_compressed=is_compressed))) == ()
    assert compare(left, with_chunk(b"iTXt", xmp("2026-01-02T03:04:05Z", "gain", is_compressed=is_compressed)))
    assert compare(left, with_chunk(b"iTXt", xmp("no date", is_compressed=is_compressed)))


def test_dates_in_a_text_of_another_keyword_count() -> None:
    """What stands there is said in the picture's own words."""
    sides = (xmp(f"{year}-01-02T03:04:05Z").replace(b"XML:com.adobe.xmp", b"Comment") for year in (2026, 2027))
    assert compare(*(with_chunk(b"iTXt", side) for side in sides))


def test_metadata_that_expands_without_end_is_compared_as_it_is() -> None:
    """A packet of kilobytes that would be a gigabyte."""
    left, right = (b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(50 << 20) + end) for end in (b"x", b"y"))
    assert compare(with_chunk(b"iTXt", left), with_chunk(b"iTXt", right))


@pytest.mark.parametrize("order", ["<", ">"])
def test_dates_in_exif_do_not_count(order: str) -> None:
    """In both of its directories; every other field does, and so does what is no date."""
    left = with_chunk(b"eXIf", exif(DATES[0], DATES[0], order=order))
    assert compare(left, with_chunk(b"eXIf", exif(DATES[1], DATES[1], order=order))) == ()
    assert compare(left, with_chunk(b"eXIf", exif(DATES[0], DATES[0], b"you\0", order)))
    assert compare(left, with_chunk(b"eXIf", exif(b"something as long..\0", DATES[0], order=order)))


@given(st.binary(max_size=200))
def test_any_exif_is_read(content: bytes) -> None:
    """Without an exception, and as long as it was."""
    for order in (b"II*\0", b"MM\0*"):
        assert len(without_exif_dates(order + content)) == len(content) + 4
