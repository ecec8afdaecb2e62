"""Two files or values that are alike, or that differ in one place which is known."""

from __future__ import annotations

import copy
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from lyftlearn_image.parity.compare.artifacts import compare_files
from lyftlearn_image.parity.compare.options import Options
from lyftlearn_image.parity.compare.rule import Rule
from lyftlearn_image.parity.compare.text import compare_streams
from lyftlearn_image.parity.compare.tolerance import is_same, limit_differences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lyftlearn_image.parity.differences import Difference

EXACT = Options()
# Texts with what pointers, patterns and normalisers could trip over.
KEYS = st.text("ab~/*?[é\n", max_size=3)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**53 - 2, 2**53 + 2)
    | st.floats()
    | st.text(max_size=5)
    | st.integers(10**400, 10**400 + 3)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=10
)


def compare_written(
    file_name: str, write: Callable[[Path, Any], object], values: tuple[Any, Any], rule: dict[str, Any]
) -> tuple[Difference, ...]:
    """What the rule's comparator finds in two files with these values."""
    with tempfile.TemporaryDirectory() as directory:
        left, right = Path(directory, f"left-{file_name}"), Path(directory, f"right-{file_name}")
        write(left, values[0])
        write(right, values[1])
        # None of the comparators used here needs a context.
        return compare_files("any", (left, right), Rule.model_validate(rule), None).differences  # type: ignore[arg-type]


def compare_texts(left: str, right: str, options: Options) -> tuple[Difference, ...]:
    """What is found in two texts."""
    streams = (io.BytesIO(each.encode("utf-8", "surrogateescape")) for each in (left, right))
    return limit_differences(compare_streams(*streams, options))


def pointer(path: tuple[str | int, ...]) -> str:
    """The JSON pointer of a path (RFC 6901)."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


@st.composite
def changed_values(draw: st.DrawFn, values: st.SearchStrategy[Any] = VALUES) -> tuple[Any, Any, tuple[str | int, ...]]:
    """A value, the same with one change anywhere in it, and the path of the difference.

    The change is another scalar in place of anything, an item more or less, or a key more or less.
    """
    value = draw(values)
    path, old = draw(st.sampled_from(list(_walk(value, ()))))
    changed = copy.deepcopy(value)
    kind = draw(st.sampled_from(["replace", "add", "remove"]))
    if kind == "add" and isinstance(old, list):
        _at(changed, path).append(draw(SCALARS))
        return value, changed, path
    if kind == "add" and isinstance(old, dict):
        key = draw(KEYS.filter(lambda key: key not in old))
        _at(changed, path)[key] = draw(SCALARS)
        return value, changed, (*path, key)
    if kind == "remove" and isinstance(old, list) and old:
        _at(changed, path).pop()
        return value, changed, path
    if kind == "remove" and isinstance(old, dict) and old:
        key = draw(st.sampled_from(sorted(old)))
        del _at(changed, path)[key]
        return value, changed, (*path, key)
    new = draw(SCALARS.filter(lambda new: not is_same(old, new, EXACT)))
    if not path:
        return value, new, path
    _at(changed, path[:-1])[path[-1]] = new
    return value, changed, path


def _walk(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    yield path, value
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, below in steps:
        yield from _walk(below, (*path, step))


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        value = value[step]
    return value
