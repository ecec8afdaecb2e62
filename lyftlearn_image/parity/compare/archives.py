"""Archives (gzip, bzip2, xz, tar, zip, wheels, office documents): by what they hold, each member as the file that it is.

When it was packed, by whom, in which order and how tightly does not count. Names, kinds, links and contents do.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from lyftlearn_image.parity.compare import binary, registry
from lyftlearn_image.parity.compare.archive_members import find_compression, open_archive, open_compressed
from lyftlearn_image.parity.compare.rule import Rule
from lyftlearn_image.parity.compare.tolerance import MAX_DIFFERENCES, limit_differences
from lyftlearn_image.parity.compare.unreadable import UnreadableError, describe_unreadable, reading
from lyftlearn_image.parity.differences import Difference, format_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lyftlearn_image.parity.compare.archive_members import Archive, Member
    from lyftlearn_image.parity.compare.comparator import ComparatorContext
    from lyftlearn_image.parity.compare.options import Options

OPTIONS = frozenset({"members"})
SUFFIXES = (".gz", ".bz2", ".xz", ".tar", ".tgz", ".tbz2", ".txz", ".zip", ".whl", ".egg", ".jar", ".xlsx", ".docx", ".pptx")
_NAME = "archive"
# Members whose names say more than their suffixes: when an office document was made (ECMA-376, part 2, core properties).
_OWN_RULES = {"docProps/core.xml": Rule(compare="text", normalise=("timestamps",))}
_COMPRESSED = (".gz", ".bz2", ".xz")
_TARS = {".tgz": ".tar", ".tbz2": ".tar", ".txz": ".tar"}
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,16}")
_CHUNK_BYTES = 1 << 16
# What both sides together may unpack to, archives within them included: 512 MiB, or 50 times the size of the larger one.
_MIN_UNPACKED_BYTES = 1 << 29
_MAX_EXPANSION = 50
_MAX_DEPTH = 5
# So many members are looked into whose bytes differ; behind them, or behind enough differences, nothing is compared.
_MAX_LOOKED_INTO = 1000


def compare(left: Path, right: Path, options: Options, context: ComparatorContext) -> tuple[Difference, ...]:
    """Differences of what two archives hold; the place of one is the member's name with the place inside."""
    rules = options.members if isinstance(options, Rule) else {}
    pair = _Pair(rules, context, max(_MIN_UNPACKED_BYTES, _MAX_EXPANSION * max(left.stat().st_size, right.stat().st_size)))
    try:
        found = limit_differences(pair.compare_files(left, right, left.name, depth=0))
    except UnreadableError as error:
        return (describe_unreadable(left, right, "an archive that can be read", error),)
    unused = [] if pair.is_cut else [pattern for pattern in rules if pattern not in pair.used]
    return found + tuple(Difference(pattern, None, None, "no such member on either side") for pattern in unused)


def are_compressed(files: tuple[Path, Path]) -> bool:
    """Whether both are compressed in the same way, by name and content, and not the same bytes anyhow."""
    if not all(path.suffix.lower() in _COMPRESSED for path in files):
        return False
    compressions = {find_compression(path) for path in files}
    return len(compressions) == 1 and None not in compressions and binary.count_same_bytes(*files) is not None


def unpack_pair(files: tuple[Path, Path], into: Path) -> tuple[Path, Path]:
    """Two compressed files without their compression: so every comparator can read them.

    UnreadableError for what cannot be decompressed, or expands to far too much.
    """
    budget = _Budget(max(_MIN_UNPACKED_BYTES, _MAX_EXPANSION * max(path.stat().st_size for path in files)))
    unpacked = []
    for side, path in zip(("left", "right"), files, strict=True):
        target = into / side / path.name.removesuffix(path.suffix)
        target.parent.mkdir()
        with reading(), open_compressed(path) as content:
            _write(content, target, _CHUNK_BYTES, budget)
        unpacked.append(target)
    return unpacked[0], unpacked[1]


class _Budget:
    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = self._left_bytes = size_bytes

    def take(self, size_bytes: int) -> None:
        """UnreadableError once more was taken than there is."""
        self._left_bytes -= size_bytes
        if self._left_bytes < 0:
            raise UnreadableError(f"both unpack to more than {self._size_bytes:,} bytes")


class _Pair:
    """Two archives that are compared, with those within them."""

    def __init__(self, rules: Mapping[str, Rule], context: ComparatorContext, size_bytes: int) -> None:
        self.used: set[str] = set()
        self.is_cut = False
        self._rules = rules
        self._context = context
        self._budget = _Budget(size_bytes)
        self._found = 0
        self._looked_into = 0

    def compare_files(self, left: Path, right: Path, name: str, depth: int) -> Iterator[Difference]:
        """Differences of two files of the same name; by their bytes where both are no archive."""
        if depth > _MAX_DEPTH:
            raise UnreadableError(f"archives lie within each other more than {_MAX_DEPTH} deep")
        with reading():
            compressions = find_compression(left), find_compression(right)
        if all(compressions):
            yield from self._compare_compressed(left, right, name, depth)
            return
        with reading(), open_archive(left) as left_archive, open_archive(right) as right_archive:
            if left_archive and right_archive and left_archive.format == right_archive.format:
                yield from self._compare_members(left_archive, right_archive, left.parent, depth)
                return
        yield from binary.compare(left, right, Rule(compare="bytes"), self._context)

    def _compare_compressed(self, left: Path, right: Path, name: str, depth: int) -> Iterator[Difference]:
        with reading(), open_compressed(left) as left_content, open_compressed(right) as right_content:
            if self._is_same(left_content, right_content, _CHUNK_BYTES):
                return
        path = PurePosixPath(name)
        inner = path.stem + _TARS.get(path.suffix.lower(), "")
        with tempfile.TemporaryDirectory(dir=left.parent) as directory:
            with reading(), open_compressed(left) as left_content, open_compressed(right) as right_content:
                files = self._extract((left_content, right_content), Path(directory), inner, _CHUNK_BYTES)
            yield from self._compare_inner(files, inner, "", depth)

    def _compare_members(self, left: Archive, right: Archive, beside: Path, depth: int) -> Iterator[Difference]:
        for name in sorted(left.members.keys() | right.members.keys()):
            if self._found >= MAX_DIFFERENCES or self._looked_into >= _MAX_LOOKED_INTO:
                self._found += 1
                self.is_cut = True
                yield Difference(_printable(name), None, None, "this member and those behind it were not compared")
                return
            one, other = left.members.get(name), right.members.get(name)
            if one is None or other is None:
                self._found += 1
                self._find_rule(name)
                yield Difference(
                    _printable(name), one.kind if one else None, other.kind if other else None, "the member is on one side only"
                )
            elif one.kind != other.kind:
                self._found += 1
                yield Difference(_printable(name), _printable(one.kind), _printable(other.kind), "what it is")
            else:
                yield from self._compare_member(name, (one, other), beside, depth)

    def _compare_member(self, name: str, members: tuple[Member, Member], beside: Path, depth: int) -> Iterator[Difference]:
        self._find_rule(name)
        chunk_bytes = min(each.chunk_bytes for each in members)
        with members[0].open() as left, members[1].open() as right:
            if self._is_same(left, right, chunk_bytes):
                return
        self._looked_into += 1
        with tempfile.TemporaryDirectory(dir=beside) as directory:
            with members[0].open() as left, members[1].open() as right:
                files = self._extract((left, right), Path(directory), name, chunk_bytes)
            for difference in self._compare_inner(files, name, _printable(name), depth):
                self._found += difference.accepted is None
                yield difference

    def _compare_inner(self, files: tuple[Path, Path], name: str, place: str, depth: int) -> Iterator[Difference]:
        """Differences of two unpacked files, by the rule of their name."""
        rule = self._find_rule(name)
        if rule.compare == _NAME and not rule.members:
            found = self.compare_files(*files, name, depth + 1)
        else:
            found = iter(registry.compare_pair(rule.compare, files, rule, self._context))
        for difference in found:
            inner = ", ".join(each for each in (place, difference.place) if each)
            yield replace(difference, place=inner)

    def _find_rule(self, name: str) -> Rule:
        for pattern, rule in self._rules.items():
            if fnmatchcase(name, pattern):
                self.used.add(pattern)
                return rule
        return _OWN_RULES.get(name) or Rule(compare=registry.comparator_for(name))

    def _is_same(self, left: IO[bytes], right: IO[bytes], chunk_bytes: int) -> bool:
        """Whether both have the same bytes; where they have, both were read to their ends, and with their checksums."""
        while True:
            chunks = left.read(chunk_bytes), right.read(chunk_bytes)
            self._budget.take(len(chunks[0]) + len(chunks[1]))
            if chunks[0] != chunks[1]:
                return False
            if not chunks[0]:
                return True

    def _extract(self, contents: tuple[IO[bytes], IO[bytes]], into: Path, name: str, chunk_bytes: int) -> tuple[Path, Path]:
        """Both contents as files, whose names have nothing of the member's but its suffix."""
        suffix = PurePosixPath(name).suffix
        paths = []
        for side, content in zip(("left", "right"), contents, strict=True):
            path = into / f"{side}{suffix if _SUFFIX.fullmatch(suffix) else ''}"
            _write(content, path, chunk_bytes, self._budget)
            paths.append(path)
        return paths[0], paths[1]


def _write(content: IO[bytes], path: Path, chunk_bytes: int, budget: _Budget) -> None:
    with path.open("xb") as file:
        while chunk := content.read(chunk_bytes):
            budget.take(len(chunk))
            file.write(chunk)


def _printable(name: str) -> str:
    return format_value(name.encode("utf-8", "backslashreplace").decode("utf-8"))
