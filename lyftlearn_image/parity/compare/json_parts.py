"""Large JSON values that stay in their file: what is in one is read some hundred kilobytes at a time."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from lyftlearn_image.parity.compare.file_blocks import BLOCK_BYTES, find_end, find_first, read_blocks
from lyftlearn_image.parity.compare.json_values import RepeatedKey, parse
from lyftlearn_image.parity.compare.unreadable import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lyftlearn_image.parity.compare.json_structure import LargeContainers

# A longer number or text is compared as it is written.
MAX_SCALAR_BYTES = 1 << 20
# The fields of an object are held for about so many bytes of its text at a time.
_FIELDS_BYTES = 3 << 20
_MAX_REPEATED = 100_000
_SHOWN_BYTES = 4000
_BLANKS = b" \t\r\n"
_IN_NUMBERS = b"0123456789+-.eE"
_KEY = re.compile(rb'[ \t\r\n]*+("(?:[^"\\]|\\.)*+")[ \t\r\n]*+:[ \t\r\n]*+')


@dataclass(frozen=True)
class Document:
    """A file with JSON as UTF-8. `errors` is how bytes are decoded that are none."""

    file: IO[bytes]
    errors: str

    def read(self, start: int, end: int) -> bytes:
        """A stretch of it."""
        self.file.seek(start)
        return self.file.read(end - start)


class _Piece(NamedTuple):
    """Some neighbours of a list or an object, or (`items` is 0) one value that is large, with its key in an object."""

    start: int
    end: int
    items: int = 0
    key: bytes = b""


@dataclass(frozen=True)
class Part:
    """A large value, by where it is in its document; `kind` is the byte with which it begins."""

    document: Document
    containers: LargeContainers
    start: int
    end: int
    kind: bytes

    def __str__(self) -> str:
        shown = self.document.read(self.start, min(self.end, self.start + _SHOWN_BYTES)).decode("utf-8", "backslashreplace")
        return f"{shown}… ({self.end - self.start:,} bytes)"

    @property
    def is_object(self) -> bool:
        """Whether it has fields."""
        return self.kind == b"{"

    @property
    def is_list(self) -> bool:
        """Whether it has items."""
        return self.kind == b"["

    def has_same_bytes(self, other: Part) -> bool:
        """Whether both are written alike."""
        sides = (read_blocks(each.document.file, each.start, each.end) for each in (self, other))
        is_as_long = self.end - self.start == other.end - other.start
        return is_as_long and all(one[1] == another[1] for one, another in zip(*sides, strict=True))

    def items(self) -> Iterator[tuple[bytes, Sequence[Any]]]:
        """The items of a list, some at a time in their order, with their text; of a large one there is none."""
        for piece in self._pieces():
            if piece.items:
                text = self.document.read(piece.start, piece.end)
                yield text, self._parse(b"[", text, b"]")
            else:
                yield b"", (_large_value(self.document, self.containers, piece.start, piece.end),)

    def check(self) -> None:
        """Raises UnreadableError where it is not JSON: what nobody compares is read only by this."""
        parts = [self]
        while parts:
            part = parts.pop()
            if part.is_list:
                parts += (each for _, items in part.items() for each in items if isinstance(each, Part))
            elif part.is_object:
                parts += (each for _, each in part.every_field() if isinstance(each, Part))

    def count_items(self) -> int:
        """How many items a list has."""
        return sum(piece.items or 1 for piece in self._pieces())

    def count_shares(self) -> int:
        """In how many shares the fields of an object are small enough to be held."""
        return 1 + sum(piece.end - piece.start for piece in self._pieces() if piece.items) // _FIELDS_BYTES

    def fields(self, share: int, shares: int) -> dict[str, Any]:
        """One of so many shares of an object's fields; all that have one key are in the same."""
        found: dict[str, Any] = {}
        repeated: dict[str, list[Any]] = {}
        for key, value in self.every_field():
            if share_of(key, shares) != share:
                continue
            if key not in found and not isinstance(value, RepeatedKey):
                found[key] = value
                continue
            values = repeated.setdefault(key, [found[key]] if key in found else [])
            values += value if isinstance(value, RepeatedKey) else (value,)
            found[key] = None
            if len(values) > _MAX_REPEATED:
                raise UnreadableError(f"an object has a key more than {_MAX_REPEATED:,} times")
        found.update((key, RepeatedKey(values)) for key, values in repeated.items())
        return found

    def every_field(self) -> Iterator[tuple[str, Any]]:
        """The fields of an object in their order; a key may come again, where many others are between."""
        for piece in self._pieces():
            if piece.items:
                yield from self._parse(b"{", self.document.read(piece.start, piece.end), b"}").items()
            else:
                (key,) = self._parse(b"[", piece.key, b"]")
                yield key, _large_value(self.document, self.containers, piece.start, piece.end)

    def _parse(self, before: bytes, text: bytes, behind: bytes) -> Any:
        if not text.strip(_BLANKS):
            raise UnreadableError(f"a value is missing between bytes {self.start} and {self.end}")
        return parse(before + text + behind, self.document.errors)

    def _pieces(self) -> Iterator[_Piece]:
        """What is between the brackets, without the commas between the pieces."""
        at, end = self.start + 1, self.end - 1
        is_first = True
        while True:
            large = self.containers.first_within(at, end)
            stop = large[0] if large else end
            if is_first and large is None and find_first(self.document.file, at, end, _BLANKS) is None:
                return
            is_first = False
            rest = at
            for piece in self._small_pieces(at, stop):
                yield piece
                rest = piece.end + 1
            if large is None:
                yield from self._last_piece(rest, end)
                return
            yield _Piece(*large, key=self._key_of(rest, stop)[0])
            comma = find_first(self.document.file, large[1], end, _BLANKS)
            if comma is None:
                return
            if comma[1] != b",":
                raise UnreadableError(f"a comma is missing at byte {comma[0]}")
            at = comma[0] + 1

    def _small_pieces(self, at: int, stop: int) -> Iterator[_Piece]:
        """The values before a place that are followed by a comma."""
        from lyftlearn_image.parity.compare.json_structure import COMMA, Scanner  # noqa: PLC0415 - numpy takes 100 ms

        scanner = Scanner()
        begin = at
        for place, block in read_blocks(self.document.file, at, stop):
            marks = scanner.scan(block)
            commas = place + marks.places[(marks.kinds == COMMA) & (marks.depths == 0)]
            if not len(commas):
                continue
            first, last = int(commas[0]), int(commas[-1])
            if first - begin > MAX_SCALAR_BYTES:
                yield self._huge_scalar(begin, first)
                begin = first + 1
                commas = commas[1:]
            if len(commas):
                yield _Piece(begin, last, len(commas))
                begin = last + 1

    def _last_piece(self, start: int, end: int) -> Iterator[_Piece]:
        yield self._huge_scalar(start, end) if end - start > MAX_SCALAR_BYTES else _Piece(start, end, 1)

    def _huge_scalar(self, start: int, end: int) -> _Piece:
        key, length = self._key_of(start, min(end, start + MAX_SCALAR_BYTES))
        return _Piece(start + length, end, key=key)

    def _key_of(self, start: int, end: int) -> tuple[bytes, int]:
        """The key of the value behind this stretch, and how long the stretch is; nothing in a list."""
        text = self.document.read(start, end)
        if self.is_list:
            blanks = len(text) - len(text.lstrip(_BLANKS))
            if blanks < len(text) < MAX_SCALAR_BYTES:
                raise UnreadableError(f"a comma is missing at byte {start + blanks}")
            return b"", blanks
        found = _KEY.match(text)
        if found is None or found.end() < len(text) < MAX_SCALAR_BYTES:
            raise UnreadableError(f"a key is missing, or is too long, at byte {start}")
        return found[1], found.end()


def _is_long_scalar(document: Document, start: int, end: int, kind: bytes) -> bool:
    """Whether it looks like one number or text; the whole of it is not read as such."""
    if kind == b'"':
        # A text has no line break in it.
        ends_so = document.read(end - 1, end) == b'"'
        return ends_so and all(b"\n" not in block for _, block in read_blocks(document.file, start, end))
    return not any(block.translate(None, _IN_NUMBERS) for _, block in read_blocks(document.file, start, end))


def share_of(key: str, shares: int) -> int:
    """In which of so many shares of an object's fields a key is, the same in every object."""
    return zlib.crc32(key.encode("utf-8", "surrogatepass")) % shares if shares > 1 else 0


def read_value(file: IO[bytes], errors: str, start: int, end: int, whole_bytes: int) -> Any:
    """The one value of a stretch of a file, which is a `Part` where it has more than so many bytes.

    UnreadableError when there is none, or more than one.
    """
    from lyftlearn_image.parity.compare.json_structure import (  # noqa: PLC0415 - numpy takes 100 ms
        LargeContainers,
        find_large_containers,
    )

    document = Document(file, errors)
    first = find_first(file, start, end, _BLANKS)
    end = find_end(file, start, end, _BLANKS)
    if first is None or end - first[0] <= max(whole_bytes, BLOCK_BYTES):
        return parse(document.read(first[0] if first else end, end), errors)
    start, kind = first
    if kind not in b"{[":
        if not _is_long_scalar(document, start, end, kind):
            raise UnreadableError("there is no value, or more than one")
        return Part(document, LargeContainers.none(), start, end, kind)
    containers = find_large_containers(file, start, end)
    if containers is None:
        raise UnreadableError("there is more than one value, or none that is whole")
    return _large_value(document, containers, start, end)


def _large_value(document: Document, containers: LargeContainers, start: int, end: int) -> Part:
    kind, last = document.read(start, start + 1), document.read(end - 1, end)
    if kind + last not in {b"[]", b"{}"} and kind in b"[{":
        raise UnreadableError(f"the bracket at byte {start} does not match that at byte {end - 1}")
    return Part(document, containers, start, end, kind)
