"""JSON: the same values at the same places, numbers within the tolerance."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import ExitStack
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from lyftlearn_image.parity.compare.json_parts import Part, share_of
from lyftlearn_image.parity.compare.json_reader import WHOLE_BYTES, count_lines, read_document, read_lines
from lyftlearn_image.parity.compare.json_values import RepeatedKey
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
_CONTAINERS = (dict, list, RepeatedKey, Part)
_SHOWN_BYTES = 200
# Ordering items takes longer than comparing them.
_MAX_UNORDERED_BYTES = 1 << 22
# What values take while they are put in order, by the bytes with which each begins or ends; and what all may take.
_ITEM_BYTES = {b"[": 230, b"{": 230, b",": 110, b"\n": 110}
_MAX_ITEMS_BYTES = 64 << 20
# So much of an item decides its place among others that are alike up to here.
_SORTED_CHARACTERS = 200


def compare(left: Path, right: Path, options: Options, _: ComparatorContext) -> tuple[Difference, ...]:
    """Differences of two JSON files (or JSON lines), each with its JSON pointer."""
    try:
        return limit_differences(_compare_documents(left, right, options))
    except UnreadableError as error:
        return (Difference("", _beginning(left), _beginning(right), f"not JSON: {error}"),)


def _compare_documents(left: Path, right: Path, options: Options) -> Iterator[Difference]:
    if options.unordered:
        for path in (left, right):
            _check_orderable(path)
    with ExitStack() as files:
        yield from _compare_read(left, right, options, files)


def _check_orderable(path: Path) -> None:
    """UnreadableError for a file whose items cannot all be held to be put in order."""
    with path.open("rb") as file:
        text = file.read(_MAX_UNORDERED_BYTES + 1)
    if len(text) > _MAX_UNORDERED_BYTES:
        reason = f"it has more than {_MAX_UNORDERED_BYTES} bytes"
    elif sum(size * text.count(mark) for mark, size in _ITEM_BYTES.items()) > _MAX_ITEMS_BYTES:
        reason = "it has too many values"
    else:
        return
    raise UnreadableError(f"{reason}, and is too large to be compared in any order")


def _compare_read(left: Path, right: Path, options: Options, files: ExitStack) -> Iterator[Difference]:
    # Items can be put in order only where all of them are there.
    whole_bytes = _MAX_UNORDERED_BYTES if options.unordered else WHOLE_BYTES
    documents = read_document(left, files, whole_bytes), read_document(right, files, whole_bytes)
    if all(documents):
        yield from compare_values(documents[0][0], documents[1][0], options)
        return
    if options.unordered:
        lines = (
            list(found or read_lines(path, files, whole_bytes)) for found, path in zip(documents, (left, right), strict=True)
        )
        yield from compare_values(next(lines), next(lines), options)
        return
    counts = [1 if found else count_lines(path) for found, path in zip(documents, (left, right), strict=True)]
    if counts[0] != counts[1]:
        yield Difference("", f"{counts[0]} items", f"{counts[1]} items", "length")
    sides = [iter(found or read_lines(path, files, whole_bytes)) for found, path in zip(documents, (left, right), strict=True)]
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
        if any(fnmatchcase(place, pattern) for pattern in options.ignore):
            _check(one, other)
            continue
        if not (isinstance(one, _CONTAINERS) or isinstance(other, _CONTAINERS)):
            if not is_same(one, other, options):
                yield Difference(place, _format(one), _format(other), _distance(one, other))
        elif _is_object(one) and _is_object(other):
            open_parts.append((place, _fields(one, other)))
        elif (_is_list(one) and _is_list(other)) or (isinstance(one, RepeatedKey) and isinstance(other, RepeatedKey)):
            lengths = _length(one), _length(other)
            if lengths[0] != lengths[1]:
                yield Difference(place, f"{lengths[0]} items", f"{lengths[1]} items", "length")
            is_unordered = options.unordered and isinstance(one, list)
            open_parts.append((place, _unordered_items(one, other, keys) if is_unordered else _items(one, other, options)))
        elif not _is_same_scalar(one, other):
            detail = "compared as it is written, for its length" if _is_long_scalar(one) or _is_long_scalar(other) else ""
            yield Difference(place, _format(one), _format(other), detail)


def _check(*ignored: Any) -> None:
    """What is not compared must be JSON all the same."""
    for each in ignored:
        if isinstance(each, Part):
            each.check()


def _is_container(value: Any) -> bool:
    return isinstance(value, _CONTAINERS)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, Part) and value.is_object)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, Part) and value.is_list)


def _is_long_scalar(value: Any) -> bool:
    return isinstance(value, Part) and not (value.is_object or value.is_list)


def _is_same_scalar(left: Any, right: Any) -> bool:
    """Whether two are numbers or texts that are too long to be read, and are written alike."""
    return _is_long_scalar(left) and _is_long_scalar(right) and left.has_same_bytes(right)


def _length(value: Any) -> int:
    return value.count_items() if isinstance(value, Part) else len(value)


def _fields(left: Any, right: Any) -> Iterator[tuple[str, Any, Any]]:
    """The fields of two objects by their keys; of large ones some of the keys, and then more."""
    shares = max(each.count_shares() if isinstance(each, Part) else 1 for each in (left, right))
    for share in range(shares):
        sides = [_share_of_fields(each, share, shares) for each in (left, right)]
        for key in sorted(sides[0].keys() | sides[1].keys()):
            step = "/" + str(key).replace("~", "~0").replace("/", "~1")
            yield step, sides[0].get(key, _ABSENT), sides[1].get(key, _ABSENT)


def _share_of_fields(value: Any, share: int, shares: int) -> dict[str, Any]:
    if isinstance(value, Part):
        return value.fields(share, shares)
    return value if shares == 1 else {key: each for key, each in value.items() if share_of(key, shares) == share}


def _items(left: Any, right: Any, options: Options) -> Iterator[tuple[str, Any, Any]]:
    """The items of two lists side by side, without those of large ones that are written alike."""
    sides = [each.items() if isinstance(each, Part) else iter([(b"", each)]) for each in (left, right)]
    number = 0
    texts: list[bytes] = [b"", b""]
    items: list[Sequence[Any]] = [(), ()]
    while True:
        for side, more in enumerate(sides):
            if not items[side]:
                texts[side], items[side] = next(more, (b"", ()))
        count = min(map(len, items))
        if not count:
            return
        is_same_text = texts[0] == texts[1] and texts[0] and (options.equal_nan or b"NaN" not in texts[0])
        if not is_same_text:
            for place, pair in enumerate(zip(*items, strict=False), number):
                yield f"/{place}", *pair
        number += count
        # The rest stands beside other items now.
        texts = [b"", b""]
        items = [each[count:] for each in items]


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
    if value is _ABSENT:
        return None
    return format_value(str(value) if isinstance(value, Part) else value)


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
