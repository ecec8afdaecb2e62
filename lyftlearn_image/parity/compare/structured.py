"""JSON: the same values at the same places, numbers within the tolerance."""

from __future__ import annotations

import hashlib
from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from lyftlearn_image.parity.compare.json_reader import RepeatedKey, count_lines, read_document, read_lines
from lyftlearn_image.parity.compare.options import NUMERIC_OPTIONS
from lyftlearn_image.parity.compare.tolerance import is_number, is_same, limit_differences
from lyftlearn_image.parity.compare.unreadable import UnreadableError
from lyftlearn_image.parity.differences import Difference, format_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lyftlearn_image.parity.compare.comparator import ComparatorContext
    from lyftlearn_image.parity.compare.options import Options

OPTIONS = NUMERIC_OPTIONS | {"ignore", "unordered"}
SUFFIXES = (".json", ".jsonl")
_ABSENT: Any = object()
# Behind the last step. No step is so: each begins with a slash, but for the first, which is empty.
_END = "end"
_CONTAINERS = (dict, list, RepeatedKey)
_SHOWN_BYTES = 200
# Ordering items takes longer than comparing them.
_MAX_UNORDERED_BYTES = 1 << 22
# So much of an item decides its place among others that are alike up to here.
_SORTED_CHARACTERS = 200


def compare(left: Path, right: Path, options: Options, _: ComparatorContext) -> tuple[Difference, ...]:
    """Differences of two JSON files (or JSON lines), each with its JSON pointer."""
    try:
        return limit_differences(_compare_documents(left, right, options))
    except UnreadableError as error:
        return (Difference("", _beginning(left), _beginning(right), f"not JSON: {error}"),)


def _compare_documents(left: Path, right: Path, options: Options) -> Iterator[Difference]:
    if options.unordered and max(path.stat().st_size for path in (left, right)) > _MAX_UNORDERED_BYTES:
        raise UnreadableError(f"it has more than {_MAX_UNORDERED_BYTES} bytes, and is too large to be compared in any order")
    documents = read_document(left), read_document(right)
    if all(documents):
        yield from compare_values(documents[0][0], documents[1][0], options)
        return
    if options.unordered:
        lines = (list(found or read_lines(path)) for found, path in zip(documents, (left, right), strict=True))
        yield from compare_values(next(lines), next(lines), options)
        return
    counts = [1 if found else count_lines(path) for found, path in zip(documents, (left, right), strict=True)]
    if counts[0] != counts[1]:
        yield Difference("", f"{counts[0]} items", f"{counts[1]} items", "length")
    sides = [iter(found) if found else read_lines(path) for found, path in zip(documents, (left, right), strict=True)]
    for number, pair in enumerate(zip(*sides, strict=False)):
        yield from compare_values(pair[0], pair[1], options, f"/{number}")
    for side in sides:  # what no line stands beside must be JSON all the same
        for _ in side:
            pass


def compare_values(left: Any, right: Any, options: Options, pointer: str = "") -> Iterator[Difference]:
    """Differences of two JSON values, however deeply they are nested. 1 and 1.0 are the same number; true is none."""
    keys = _SortKeys()
    # What is left to compare, innermost last: the pointer of an object or list, and its steps with what stands there.
    open_parts: list[tuple[str, Iterator[tuple[str, Any, Any]]]] = [(pointer, iter([("", left, right)]))]
    while open_parts:
        above, steps = open_parts[-1]
        step, one, other = next(steps, (_END, _ABSENT, _ABSENT))
        if step is _END:
            open_parts.pop()
            continue
        place = above + step
        if options.ignore and any(fnmatchcase(place, pattern) for pattern in options.ignore):
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            open_parts.append((place, _fields(one, other)))
        elif isinstance(one, list | RepeatedKey) and isinstance(other, type(one)):
            if len(one) != len(other):
                yield Difference(place, f"{len(one)} items", f"{len(other)} items", "length")
            is_unordered = options.unordered and isinstance(one, list)
            open_parts.append((place, (_unordered_items if is_unordered else _items)(one, other, keys)))
        elif _is_container(one) or _is_container(other) or not is_same(one, other, options):
            yield Difference(place, _format(one), _format(other), _distance(one, other))


def _is_container(value: Any) -> bool:
    return isinstance(value, _CONTAINERS)


def _fields(left: dict[str, Any], right: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for key in sorted(left.keys() | right.keys()):
        step = "/" + str(key).replace("~", "~0").replace("/", "~1")
        yield step, left.get(key, _ABSENT), right.get(key, _ABSENT)


def _items(left: Sequence[Any], right: Sequence[Any], _: _SortKeys) -> Iterator[tuple[str, Any, Any]]:
    for number, pair in enumerate(zip(left, right, strict=False)):
        yield f"/{number}", *pair


def _unordered_items(left: Sequence[Any], right: Sequence[Any], keys: _SortKeys) -> Iterator[tuple[str, Any, Any]]:
    """What is left of two lists without the items that both have, side by side, each with its number on the left."""
    left_keys, right_keys = [keys.of(item) for item in left], [keys.of(item) for item in right]
    shared = Counter(left_keys) & Counter(right_keys)
    pairs = zip(_unmatched(left_keys, shared), _unmatched(right_keys, shared), strict=False)
    for one, other in sorted(pairs):
        yield f"/{one}", left[one], right[other]


def _unmatched(keys: list[str], shared: Counter[str]) -> list[int]:
    """The numbers of those without a partner, by their keys."""
    remaining = shared.copy()
    rest = []
    for number, key in enumerate(keys):
        if remaining[key]:
            remaining[key] -= 1
        else:
            rest.append((key, number))
    return [number for _, number in sorted(rest)]


class _SortKeys:
    """Texts that values have alike when they are the same in any order: their beginning, and a digest of the rest.

    Each value is looked at once, however deeply it lies. The values must stay alive.
    """

    def __init__(self) -> None:
        self._known: dict[int, str] = {}

    def of(self, value: Any) -> str:
        """The text of one value."""
        stack = [value] if _is_container(value) else []
        while stack:
            each = stack[-1]
            inner = each.values() if isinstance(each, dict) else each
            unknown = [item for item in inner if isinstance(item, _CONTAINERS) and id(item) not in self._known]
            if unknown:
                stack += unknown
            else:
                self._known[id(stack.pop())] = self._describe(each)
        return self._text(value)

    def _text(self, value: Any) -> str:
        return self._known[id(value)] if _is_container(value) else _shorten(repr(value))

    def _describe(self, value: Any) -> str:
        if isinstance(value, dict):
            return _shorten("{" + ",".join(f"{key!r}:{self._text(value[key])}" for key in sorted(value)))
        texts = [self._text(item) for item in value]
        return _shorten("(" + ",".join(texts) if isinstance(value, RepeatedKey) else "[" + ",".join(sorted(texts)))


def _shorten(text: str) -> str:
    if len(text) <= _SORTED_CHARACTERS:
        return text
    return text[:_SORTED_CHARACTERS] + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _format(value: Any) -> str | None:
    return None if value is _ABSENT else format_value(value)


def _distance(left: Any, right: Any) -> str:
    if not (is_number(left) and is_number(right)):
        return ""
    try:
        return f"|Δ| {abs(left - right):.3g}"
    except (OverflowError, TypeError):  # an int of more than 308 digits, a float beside a decimal
        return ""


def _beginning(path: Path) -> str:
    with path.open("rb") as file:
        return format_value(file.read(_SHOWN_BYTES).decode("utf-8", "backslashreplace"))
