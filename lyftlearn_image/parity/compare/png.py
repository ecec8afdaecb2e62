"""PNG images: by what is seen and said in them, without the times at which they were made."""

from __future__ import annotations

import hashlib
import zlib
from typing import IO, TYPE_CHECKING

from lyftlearn_image.parity.compare import binary
from lyftlearn_image.parity.compare.picture_dates import MAX_METADATA_BYTES, without_exif_dates, without_xmp_dates
from lyftlearn_image.parity.compare.tolerance import limit_differences
from lyftlearn_image.parity.compare.unreadable import UnreadableError, describe_unreadable, reading
from lyftlearn_image.parity.differences import Difference, format_value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lyftlearn_image.parity.compare.comparator import ComparatorContext
    from lyftlearn_image.parity.compare.options import Options

OPTIONS: frozenset[str] = frozenset()
SUFFIXES = (".png",)
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIECE_BYTES = 1 << 16
# Chunks that belong to a picture or say how it is shown are few, and so are those of text.
_MAX_CHUNKS = 1 << 16
_MAX_PIXEL_BYTES = 1 << 29
_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
# What counts of a chunk that may have dates within it.
_METADATA = {b"iTXt": without_xmp_dates, b"eXIf": without_exif_dates}
# Keywords of texts that tell a time: PNG's own and those of ImageMagick.
_TIME_KEYWORDS = {b"creation time", b"create-date", b"date:create", b"date:modify", b"date:timestamp"}


def compare(left: Path, right: Path, options: Options, context: ComparatorContext) -> tuple[Difference, ...]:
    """Differences of two PNG files: of the image data, which may be compressed otherwise, and of every other chunk.

    The time of the last change (`tIME`), texts that tell a time, and the dates within XMP and EXIF metadata do not count (PNG
    specification, third edition, 11.3).
    """
    with left.open("rb") as left_file, right.open("rb") as right_file:
        if not all(file.read(len(_SIGNATURE)) == _SIGNATURE for file in (left_file, right_file)):
            return binary.compare(left, right, options, context)
        try:
            with reading():
                chunks = _read(left_file, left.stat().st_size), _read(right_file, right.stat().st_size)
        except UnreadableError as error:
            return (describe_unreadable(left, right, "a whole PNG image", error),)
    return limit_differences(_compare_chunks(*chunks))


def _compare_chunks(left: list[tuple[str, str]], right: list[tuple[str, str]]) -> Iterator[Difference]:
    if [kind for kind, _ in left] != [kind for kind, _ in right]:
        yield Difference("chunks", *(format_value(" ".join(kind for kind, _ in each)) for each in (left, right)))
        return
    for (kind, one), (_, other) in zip(left, right, strict=True):
        if one != other:
            yield Difference("image data" if kind == "IDAT" else f"chunk {kind}", one, other)


def _read(file: IO[bytes], size_bytes: int) -> list[tuple[str, str]]:
    """The chunks that count, each with what shows its content; the image data is one, as it is before it is compressed."""
    chunks: list[tuple[str, str]] = []
    image: _ImageData | None = None
    kind = b""
    while kind != b"IEND":
        length, kind = int.from_bytes(_exactly(file, 4), "big"), _exactly(file, 4)
        if file.tell() + length > size_bytes or len(chunks) > _MAX_CHUNKS:
            raise UnreadableError("it is cut, or has too many chunks")
        checksum = zlib.crc32(kind)
        content = _Content(kind, length)
        for piece in _pieces(file, length):
            checksum = zlib.crc32(piece, checksum)
            if kind == b"IDAT":
                if image is None:
                    image = _ImageData()
                    chunks.append(("IDAT", ""))
                image.add(piece)
            else:
                content.add(piece)
        if int.from_bytes(_exactly(file, 4), "big") != checksum:
            raise UnreadableError(f"the checksum of a chunk {kind!r} is wrong")
        if kind != b"IDAT" and not _tells_time(kind, content.beginning):
            chunks.append((kind.decode("latin-1"), content.finish()))
    if file.read(1):
        raise UnreadableError("it goes on behind its end")
    return [(kind, image.finish() if kind == "IDAT" and image else shown) for kind, shown in chunks]


class _Content:
    """What counts of a chunk that is no image data: a digest of it, and its beginning to be shown."""

    def __init__(self, kind: bytes, length: int) -> None:
        self.beginning = b""
        self._length = length
        self._digest = hashlib.sha256()
        # What may have dates within it is held, and without them in the end.
        self._without_dates = _METADATA.get(kind) if length <= MAX_METADATA_BYTES else None
        self._held = bytearray()

    def add(self, piece: bytes) -> None:
        """Takes more of it."""
        self.beginning = self.beginning or piece
        if self._without_dates:
            self._held += piece
        else:
            self._digest.update(piece)

    def finish(self) -> str:
        """What shows the whole of it."""
        if self._without_dates:
            self.beginning = self._without_dates(bytes(self._held))
            self._length = len(self.beginning)
            self._digest.update(self.beginning)
        return _show(self.beginning, self._length, self._digest.hexdigest())


class _ImageData:
    """The image data of a PNG file, of which only a digest is kept."""

    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj()
        self._digest = hashlib.sha256()
        self._size_bytes = 0

    def add(self, piece: bytes) -> None:
        """Takes more of the compressed data, of which no more is expanded at once than is small."""
        while piece:
            self._take(self._decompressor.decompress(piece, _PIECE_BYTES))
            piece = self._decompressor.unconsumed_tail

    def _take(self, pixels: bytes) -> None:
        self._digest.update(pixels)
        self._size_bytes += len(pixels)
        if self._size_bytes > _MAX_PIXEL_BYTES:
            raise UnreadableError(f"its image data expands to more than {_MAX_PIXEL_BYTES:,} bytes")

    def finish(self) -> str:
        """What shows the whole of it. UnreadableError where it is no whole."""
        self._take(self._decompressor.flush())
        if not self._decompressor.eof or self._decompressor.unused_data:
            raise UnreadableError("its image data is cut, or goes on behind its end")
        return f"{self._size_bytes} bytes, SHA-256 {self._digest.hexdigest()}"


def _tells_time(kind: bytes, content: bytes) -> bool:
    return kind == b"tIME" or (kind in _TEXTS and content.partition(b"\0")[0].lower() in _TIME_KEYWORDS)


def _show(beginning: bytes, length: int, digest: str) -> str:
    text = format_value(beginning[:80].decode("latin-1").encode("unicode_escape").decode())
    return f"{text} ({length} bytes, SHA-256 {digest})"


def _pieces(file: IO[bytes], length: int) -> Iterator[bytes]:
    while length:
        piece = _exactly(file, min(length, _PIECE_BYTES))
        length -= len(piece)
        yield piece


def _exactly(file: IO[bytes], length: int) -> bytes:
    content = file.read(length)
    if len(content) != length:
        raise UnreadableError("it is cut")
    return content
