"""PDF documents: byte by byte, but for the dates and identifiers that every writing gives anew."""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING

from lyftlearn_image.parity.compare import binary
from lyftlearn_image.parity.differences import Difference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.parity.compare.comparator import ComparatorContext
    from lyftlearn_image.parity.compare.options import Options

OPTIONS: frozenset[str] = frozenset()
SUFFIXES = (".pdf",)
_SIGNATURE = b"%PDF-"
_PIECE_BYTES = 1 << 20
# An entry is looked for in pieces that share so many bytes.
_LONGEST = 256
_SHOWN_BYTES = 16
# ISO 32000-1: the dates of the information dictionary (14.3.3) and the file identifier (14.4); XMP part 1, 8.4.
_ENTRIES = re.compile(
    rb"(/(?:CreationDate|ModDate)\s{0,4}\()D:\d{4,14}[\dZ+' -]{0,10}(?=\))"
    rb"|(/ID\s{0,4}\[\s{0,4}<)[0-9A-Fa-f]{0,64}>\s{0,4}<[0-9A-Fa-f]{0,64}(?=>\s{0,4}\])"
    rb"|(<xmp:(?:CreateDate|ModifyDate|MetadataDate)>)[\dTZ:.+-]{4,35}(?=</)"
    rb"|(<xmpMM:(?:DocumentID|InstanceID)>)[\w:.-]{0,80}(?=</)"
)


def compare(left: Path, right: Path, options: Options, context: ComparatorContext) -> tuple[Difference, ...]:
    """The first difference of two documents beside their dates and identifiers, if there is one.

    Dates within compressed objects are content: what cannot be told apart from it counts.
    """
    with left.open("rb") as left_file, right.open("rb") as right_file:
        if not all(file.read(len(_SIGNATURE)) == _SIGNATURE for file in (left_file, right_file)):
            return binary.compare(left, right, options, context)
        return _compare_pieces(_without_dates(left_file), _without_dates(right_file))


def _compare_pieces(left: Iterator[bytes], right: Iterator[bytes]) -> tuple[Difference, ...]:
    position, one, other = len(_SIGNATURE), b"", b""
    while True:
        one, other = one or next(left, b""), other or next(right, b"")
        common = min(len(one), len(other))
        if one[:common] != other[:common] or not common:
            break
        position, one, other = position + common, one[common:], other[common:]
    if not one and not other:
        return ()
    offset = next((place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), common)
    left_shown, right_shown = (each[offset : offset + _SHOWN_BYTES].hex(" ") for each in (one, other))
    return (Difference(f"byte {position + offset}", left_shown, right_shown, "dates and identifiers left out"),)


def _without_dates(file: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while True:
        piece = file.read(_PIECE_BYTES)
        rest += piece
        cut = len(rest) - _LONGEST if piece else len(rest)
        # What begins before the cut and ends behind it is left for the next piece.
        around = _ENTRIES.search(rest, max(0, cut - _LONGEST), min(len(rest), cut + _LONGEST)) if piece else None
        while around and around.end() <= cut:
            around = _ENTRIES.search(rest, around.end(), min(len(rest), cut + _LONGEST))
        cut = max(0, around.start() if around and around.start() < cut else cut)
        if text := _ENTRIES.sub(lambda match: match[match.lastindex or 0], rest[:cut]):
            yield text
        rest = rest[cut:]
        if not piece:
            return
