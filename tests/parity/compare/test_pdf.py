"""PDF documents are the same whenever they were made; any other byte is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.parity.compare import pdf
from tests.parity.compare.pairs import compare_written

if TYPE_CHECKING:
    from lyftlearn_image.parity.differences import Difference

DOCUMENT = (
    b"%%PDF-1.4\n%s\n1 0 obj\n<< /CreationDate (D:%d1128231218Z) /ModDate (D:%d1128231218+01'00') /Title (loss) >>\nendobj\n"
    b"<xmp:CreateDate>%d-11-28T23:12:18Z</xmp:CreateDate>\ntrailer << /ID [<%032x> <%032x>] >>\n%%%%EOF\n"
)


def document(content: bytes, year: int) -> bytes:
    """A document that was made in that year."""
    return DOCUMENT % (content, year, year, year, year, year)


def compare(left: bytes, right: bytes) -> tuple[Difference, ...]:
    """What is found in two files."""
    return compare_written("a.pdf", Path.write_bytes, (left, right), {"compare": "pdf"})


@given(st.binary(max_size=40), st.integers(8, 90))
def test_another_time_is_the_same_document(content: bytes, piece_bytes: int) -> None:
    """Wherever the file is cut into the pieces in which it is read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pdf, "_PIECE_BYTES", piece_bytes)
        assert compare(document(content * 20, 2000), document(content * 20, 2026)) == ()


@given(st.binary(max_size=600), st.data())
def test_any_other_byte_is_told(content: bytes, data: st.DataObject) -> None:
    """One more, one less, one other, in what is no date."""
    left, right = document(content, 2000), document(content, 2026)
    start = left.index(b"/Title")
    at = data.draw(st.integers(0, 9 + len(content)) | st.integers(start, start + 20))
    assert compare(left, right[:at] + bytes([right[at] ^ 0x80]) + right[at + 1 :])
    assert compare(left, right[:at] + b"\xff" + right[at:])
    assert compare(left[:-1], right)


@pytest.mark.parametrize(
    "text", [b"/CreationDate (loss 0.%d)", b"/Title (D:%d1128)", b"/ID [(%d)]", b"<xmp:Creator>%d</xmp:Creator>"]
)
def test_what_only_looks_like_a_date_counts(text: bytes) -> None:
    """An entry of another name, or with something else in it."""
    assert compare(document(text % 2000, 2000), document(text % 2026, 2000))
