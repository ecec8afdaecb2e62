"""Metadata of pictures (XMP, EXIF) without the dates and identifiers that every writing gives anew; all else stays as it is."""

from __future__ import annotations

import re
import struct
import zlib

# More is no metadata, and stays as it is.
MAX_METADATA_BYTES = 1 << 20
# XMP specification part 1, 8.4 and part 2, 2.2: as elements, and as attributes of rdf:Description.
_XMP_DATES = re.compile(
    rb"(<xmp:(?:CreateDate|ModifyDate|MetadataDate)>)[\dTZ:.+-]{4,35}(?=</)"
    rb"|(\bxmp:(?:CreateDate|ModifyDate|MetadataDate)=[\"'])[\dTZ:.+-]{4,35}(?=[\"'])"
    rb"|(<xmpMM:(?:DocumentID|InstanceID)>)[\w:.-]{0,80}(?=</)"
    rb"|(\bxmpMM:(?:DocumentID|InstanceID)=[\"'])[\w:.-]{0,80}(?=[\"'])"
)
_XMP_KEYWORD = b"XML:com.adobe.xmp"
# Exif 3.0, 4.6: DateTime, DateTimeOriginal, DateTimeDigitized, their offsets from UTC and their parts of a second.
_EXIF_DATES = {0x0132, 0x9003, 0x9004, 0x9010, 0x9011, 0x9012, 0x9290, 0x9291, 0x9292}
_EXIF_DIRECTORY = 0x8769
_ASCII = 2
_ENTRY_BYTES = 12
_MAX_ENTRIES = 1000
_INLINE_BYTES = 4
_MAX_DATE_BYTES = 32


def without_xmp_dates(content: bytes) -> bytes:
    """An iTXt chunk of PNG without the dates of the XMP packet in it; any other one as it is."""
    keyword, _, rest = content.partition(b"\0")
    if keyword != _XMP_KEYWORD:
        return content
    is_compressed, head, packet = rest[:1] == b"\1", *_divide(rest[2:])
    if is_compressed:
        try:
            decompressor = zlib.decompressobj()
            plain = decompressor.decompress(packet, MAX_METADATA_BYTES)
        except zlib.error:
            return content
        if not decompressor.eof or decompressor.unused_data:
            return content
        packet = plain
    return keyword + b"\0" + rest[:2] + head + _XMP_DATES.sub(lambda match: match[match.lastindex or 0], packet)


def _divide(text: bytes) -> tuple[bytes, bytes]:
    """The language and the translated keyword of an iTXt chunk with their ends, and what stands behind them."""
    end = text.find(b"\0", text.find(b"\0") + 1) + 1
    return text[:end], text[end:]


def without_exif_dates(content: bytes) -> bytes:
    """An EXIF block with zeros in the place of its dates; one that cannot be read as it is."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(content[:4])
    if order is None:
        return content
    changed = bytearray(content)
    try:
        (first,) = struct.unpack_from(f"{order}I", content, 4)
        directory = _blank_dates(changed, order, first)
        if directory is not None:
            _blank_dates(changed, order, directory)
    except struct.error:
        return content
    return bytes(changed)


def _blank_dates(content: bytearray, order: str, at: int) -> int | None:
    """Puts zeros over the dates of one directory, and gives back where the directory of EXIF's own fields is."""
    (count,) = struct.unpack_from(f"{order}H", content, at)
    found = None
    for place in range(at + 2, at + 2 + min(count, _MAX_ENTRIES) * _ENTRY_BYTES, _ENTRY_BYTES):
        tag, kind, length, value = struct.unpack_from(f"{order}HHII", content, place)
        if tag == _EXIF_DIRECTORY:
            found = value
        elif tag in _EXIF_DATES and kind == _ASCII:
            start = place + _ENTRY_BYTES - _INLINE_BYTES if length <= _INLINE_BYTES else value
            end = start + length
            # Digits and what stands between them, and nothing else: no date takes other content with it.
            if length <= _MAX_DATE_BYTES and end <= len(content) and re.fullmatch(rb"[\d :.+Z-]*\0*", content[start:end]):
                content[start:end] = bytes(length)
    return found
