"""Two graphs, compared node by node; cycles and shared parts are followed once."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from lyftlearn_image.parity.compare.arrays import compare_arrays
from lyftlearn_image.parity.compare.model_files.boosters import expand
from lyftlearn_image.parity.compare.model_files.shape import Shape, shape_of
from lyftlearn_image.parity.compare.tolerance import is_close
from lyftlearn_image.parity.differences import Difference, format_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.parity.compare.options import Options

_ABSENT = object()
_SHOWN_BYTES = 16
_CHUNK_BYTES = 1 << 20
_LONG = 10**100
# Of two equal ones of one type nothing is below and nothing else is to be known; most nodes of a model are such.
_PLAIN = frozenset({bool, bytes, float, int, str, type(None)})
# A pointer as it is followed: the one above and a step. Written out at every node, those of a deep graph would be all there is.
_Place = str | tuple["_Place", str]


def compare_graphs(left: Any, right: Any, options: Options, place: str = "") -> Iterator[Difference]:
    """Differences of two graphs, each with its JSON pointer, which begins with `place`.

    Two nodes are the same when all that can be reached from them by the same steps is the same; whether two steps lead to
    one node or to two equal ones is no difference.
    """
    pending: list[tuple[Any, Any, _Place]] = [(left, right, place)]
    # The nodes are kept with their identities, which would otherwise be given to others.
    compared: dict[tuple[int, int], tuple[Any, Any]] = {}
    while pending:
        left, right, here = pending.pop()
        pair = id(left), id(right)
        if pair in compared or (type(left) is type(right) and type(left) in _PLAIN and left == right):
            continue
        if options.ignore and any(fnmatchcase(_pointer(here), pattern) for pattern in options.ignore):
            continue
        if left is _ABSENT or right is _ABSENT:
            yield Difference(_pointer(here), _text(left), _text(right))
            continue
        shapes = shape_of(left), shape_of(right)
        if shapes[0].is_leaf or shapes[1].is_leaf:
            yield from _compare_leaves(*shapes, options, _pointer(here))
            continue
        compared[pair] = (left, right)
        if shapes[0].kind != shapes[1].kind:
            yield Difference(f"{_pointer(here)}/class", shapes[0].kind, shapes[1].kind)
            continue
        pending.extend(reversed(list(_pairs_below(*shapes, here))))


def _pairs_below(left: Shape, right: Shape, place: _Place) -> Iterator[tuple[Any, Any, _Place]]:
    for step in {**left.parts, **right.parts}:
        text = step if isinstance(step, str) else step.text
        yield left.parts.get(step, _ABSENT), right.parts.get(step, _ABSENT), (place, text)


def _pointer(place: _Place) -> str:
    steps = []
    while isinstance(place, tuple):
        place, step = place
        steps.append(step.replace("~", "~0").replace("/", "~1"))
    return "/".join([place, *reversed(steps)])


def _compare_leaves(left: Shape, right: Shape, options: Options, place: str) -> Iterator[Difference]:
    """Differences of two nodes of which at least one has nothing below it."""
    if left.kind != right.kind or left.is_leaf != right.is_leaf:
        yield Difference(place, _shape_text(left), _shape_text(right), f"{left.kind} and {right.kind}")
    elif left.kind == "array":
        difference = compare_arrays(np.asarray(left.value), np.asarray(right.value), options, place)
        if difference:
            yield difference
    elif not _is_same(left.value, right.value, options):
        inside = expand(left.value), expand(right.value)
        if None in inside:
            yield _different_leaves(left, right, place)
        else:
            yield from compare_graphs(*inside, options, place)


def _is_same(left: Any, right: Any, options: Options) -> bool:
    return is_close(left, right, options) if isinstance(left, int | float) and not isinstance(left, bool) else left == right


def _different_leaves(left: Shape, right: Shape, place: str) -> Difference:
    if left.kind == "bytes":
        offset = _first_difference(memoryview(left.value), memoryview(right.value))
        shown = [bytes(each.value[offset : offset + _SHOWN_BYTES]).hex(" ") for each in (left, right)]
        return Difference(
            place, shown[0], shown[1], f"bytes that cannot be looked into, {len(left.value)} and {len(right.value)}"
        )
    return Difference(place, _text(left.value), _text(right.value))


def _first_difference(left: memoryview, right: memoryview) -> int:
    for start in range(0, min(len(left), len(right)), _CHUNK_BYTES):
        chunks = left[start : start + _CHUNK_BYTES], right[start : start + _CHUNK_BYTES]
        if chunks[0] != chunks[1]:
            pairs = enumerate(zip(*chunks, strict=False))
            return start + next((offset for offset, (a, b) in pairs if a != b), min(map(len, chunks)))
    return min(len(left), len(right))


def _text(node: Any) -> str | None:
    if node is _ABSENT:
        return None
    return _shape_text(shape_of(node))


def _shape_text(shape: Shape) -> str:
    if not shape.is_leaf or shape.kind in {"array", "bytes"}:
        return f"({shape.kind})"
    is_long = isinstance(shape.value, int) and abs(shape.value) >= _LONG
    # Python refuses to write integers of more than 4,300 digits in decimal.
    return format_value(f"{shape.value:#x}" if is_long else shape.value)
