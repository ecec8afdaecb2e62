"""JSON files: small documents as their values, and large ones as parts that stay in the file."""

from __future__ import annotations

import codecs
import json
import tempfile
from typing import IO, TYPE_CHECKING, Any

from lyftlearn_image.parity.compare.json_parts import read_value
from lyftlearn_image.parity.compare.json_values import parse
from lyftlearn_image.parity.compare.unreadable import UnreadableError, reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack
    from pathlib import Path

# Beyond this a file is no document, but may have one a line.
MAX_DOCUMENT_BYTES = 1 << 25
# A value takes up to thirty times its text. What is larger stays in its file.
WHOLE_BYTES = 1 << 20
_PIECE_BYTES = 1 << 18
_BYTE_ORDER_MARK = codecs.BOM_UTF8


def read_document(path: Path, files: ExitStack, whole_bytes: int) -> tuple[Any, ...]:
    """The one document of a file, in a tuple of its own; an empty tuple when it is none, or is too large to be one.

    One of more than `whole_bytes` is a `Part`, whose file `files` closes.
    """
    size = path.stat().st_size
    if size > MAX_DOCUMENT_BYTES:
        return ()
    try:
        file, errors = _as_utf8(files.enter_context(path.open("rb")), files)
        start = len(_BYTE_ORDER_MARK) if file.read(len(_BYTE_ORDER_MARK)) == _BYTE_ORDER_MARK else 0
        end = file.seek(0, 2)
        return (read_value(file, errors, start, end, whole_bytes),)
    except UnreadableError:
        return ()


def read_lines(path: Path, files: ExitStack, whole_bytes: int) -> Iterator[Any]:
    """The documents of a file that has one a line (JSON lines). UnreadableError at the first line that is none.

    A line of more than `whole_bytes` is a `Part`, whose file `files` closes.
    """
    large = files.enter_context(path.open("rb"))
    number = 0
    for number, start, line in _lines(path, whole_bytes):
        try:
            yield parse(line) if isinstance(line, bytes) else read_value(large, "surrogateescape", start, line, whole_bytes)
        except UnreadableError as error:
            is_too_large = path.stat().st_size > MAX_DOCUMENT_BYTES
            more = (
                f"; the whole file has more than {MAX_DOCUMENT_BYTES} bytes, too many for one document" if is_too_large else ""
            )
            raise UnreadableError(f"{error} in line {number}{more}") from error


def count_lines(path: Path) -> int:
    """The number of lines with a document."""
    return sum(1 for _ in _lines(path, WHOLE_BYTES))


def _lines(path: Path, whole_bytes: int) -> Iterator[tuple[int, int, bytes | int]]:
    """Lines that are not blank: the number, where it begins, and its bytes, or where it ends when those are too many."""
    with path.open("rb") as file:
        number = start = 0
        while line := file.readline(whole_bytes + 1):
            number += 1
            length, is_blank, rest = len(line), not line.strip(), line
            while not rest.endswith(b"\n") and (rest := file.readline(WHOLE_BYTES)):
                length += len(rest)
                is_blank = is_blank and not rest.strip()
            if length > MAX_DOCUMENT_BYTES:
                raise UnreadableError(f"line {number} has more than {MAX_DOCUMENT_BYTES} bytes, too many for one document")
            if not is_blank:
                yield number, start, line if length == len(line) else start + length
            start += length


def _as_utf8(file: IO[bytes], files: ExitStack) -> tuple[IO[bytes], str]:
    """The file, or its text as UTF-8 in another one where it has another encoding; and how to decode what is not UTF-8."""
    encoding = json.detect_encoding(file.read(4))
    file.seek(0)
    if encoding.startswith("utf-8"):
        # Bytes that are no text are characters in their own right.
        return file, "surrogateescape"
    written = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - `files` closes it
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    with reading():
        while piece := file.read(_PIECE_BYTES):
            written.write(decoder.decode(piece).encode("utf-8", "surrogatepass"))
        written.write(decoder.decode(b"", final=True).encode("utf-8", "surrogatepass"))
    written.seek(0)
    return written, "surrogatepass"
