"""What a node is, and what is below it: the one view in which two graphs are compared."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lyftlearn_image.parity.compare.model_files.graph import (
    Call,
    Document,
    Global,
    Mapping,
    ObjectArray,
    Record,
    Set,
    UnreadableModelError,
    name_of,
)
from lyftlearn_image.parity.compare.model_files.numpy_objects import as_array
from lyftlearn_image.parity.compare.model_files.torch_objects import as_tensor

if TYPE_CHECKING:
    from collections.abc import Iterable

# Functions that make an instance of the class that is their first argument.
# Protocols below 3 have Python 2's name of the module.
_CONSTRUCTORS = {"copyreg._reconstructor", "copyreg.__newobj__", "copy_reg._reconstructor", "copy_reg.__newobj__"}
# Sets before protocol 4, as calls with a list in any order.
_SETS = {f"{module}.{name}" for module in ("builtins", "__builtin__") for name in ("set", "frozenset")}
# A class that travels by value gets a random identifier with every pickle: the position of that argument.
_RANDOM_ARGUMENTS = {
    "cloudpickle.cloudpickle._make_skeleton_class": 4,
    "cloudpickle.cloudpickle._make_skeleton_enum": 5,
    "joblib.externals.cloudpickle.cloudpickle._make_skeleton_class": 4,
    "joblib.externals.cloudpickle.cloudpickle._make_skeleton_enum": 5,
}
# How long a search took says nothing of what it found.
_SEARCH_MODULE = "sklearn.model_selection."
_SEARCH_TIMES = re.compile(r"refit_time_|(mean|std)_(fit|score)_time")
_MAX_KEY_DEPTH = 20
_PAIR = 2
# Python refuses to write integers of more than 4,300 digits in decimal.
_LONG = 10**100


class Inner(NamedTuple):
    """A step that is neither an attribute's name nor a key that is a text, though it may read like one."""

    text: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A node as something that can be held beside another one.

    `kind` says what it is. A leaf has a `value`; anything else has `parts`, by the steps that lead to them.
    """

    kind: str
    parts: dict[str | Inner, Any] = field(default_factory=dict)
    value: Any = None
    is_leaf: bool = False


def shape_of(node: Any) -> Shape:
    """The shape of any node. Raises UnreadableModelError where a key in it cannot be told from others."""
    if isinstance(node, Call):
        made = _made(node)
        return _call(node) if made is None else shape_of(made)
    if isinstance(node, Document):
        return _document(node)
    for kind, view in _VIEWS:
        if isinstance(node, kind):
            shape: Shape = view(node)
            return shape
    return Shape("bytes" if isinstance(node, bytes | memoryview) else type(node).__name__, value=node, is_leaf=True)


def _made(node: Call) -> Any:
    """The array or the tensor that a call makes; None for a call of anything else, or with arguments that make none."""
    try:
        made = as_array(node)
        return as_tensor(node) if made is None else made
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError):
        return None


def _document(node: Document) -> Shape:
    """What the pickle makes, and what it threw away.

    The attributes of an estimator stand below `parameters` and `fitted`, where people look for what to ignore.
    """
    root = shape_of(node.value)
    discarded: dict[str | Inner, Any] = {Inner("discarded"): list(node.discarded)} if node.discarded else {}
    if not isinstance(node.value, Call) or root.is_leaf:
        return Shape("document", {Inner("value"): node.value, **discarded}) if discarded else root
    names = [step for step in root.parts if isinstance(step, str)]
    fitted = {name for name in names if name.startswith("_") or name.endswith("_")}
    parts = {step: part for step, part in root.parts.items() if isinstance(step, Inner)} | discarded
    parts[Inner("parameters")] = Record("attributes", {name: root.parts[name] for name in names if name not in fitted})
    parts[Inner("fitted")] = Record("attributes", {name: root.parts[name] for name in names if name in fitted})
    return Shape(root.kind, parts)


def _call(node: Call) -> Shape:
    function, arguments, is_instance = name_of(node.function), node.arguments, node.is_instance
    if function in _SETS and isinstance(arguments, tuple) and list(map(type, arguments)) == [list] and not node.changes:
        return _set(Set(arguments[0], is_frozen=function.endswith("frozenset")))
    parts: dict[str | Inner, Any] = {}
    if function in _CONSTRUCTORS and isinstance(arguments, tuple) and arguments and name_of(arguments[0]):
        function, arguments, is_instance = name_of(arguments[0]), arguments[1:], True
    if function is None:
        parts[Inner("function")] = node.function
    if isinstance(arguments, tuple):
        random = _RANDOM_ARGUMENTS.get(function or "")
        parts |= {Inner(f"({position})"): item for position, item in enumerate(arguments) if position != random}
    else:
        parts[Inner("arguments")] = arguments
    if node.keywords is not None and not (isinstance(node.keywords, Mapping) and not node.keywords.pairs):
        parts[Inner("keywords")] = node.keywords
    changes = _changes(node.changes)
    if function and function.startswith(_SEARCH_MODULE):
        changes = {step: _without_times(value) for step, value in changes.items() if not _is_time(step)}
    if function == "collections.OrderedDict":
        parts[Inner("order")] = tuple(key_text(value[0]) for kind, value in node.changes if kind == "set")
    return Shape(f"{function or 'an object'}{'' if is_instance else '()'}", parts | changes)


def _is_time(step: Any) -> bool:
    return isinstance(step, str) and _SEARCH_TIMES.fullmatch(step) is not None


def _without_times(value: Any) -> Any:
    return Mapping([pair for pair in value.pairs if not _is_time(pair[0])]) if isinstance(value, Mapping) else value


def _changes(changes: Iterable[tuple[str, Any]]) -> dict[str | Inner, Any]:
    """What was done to an object: attributes by their names, all else by steps of other kinds."""
    parts: dict[str | Inner, Any] = {}
    for position, (kind, value) in enumerate(changes):
        if kind == "state" and Inner("state") not in parts:
            attributes = _attributes(value)
            parts |= attributes
            # What a class makes of a state of its own is its affair, so the form is compared too.
            form = "a pair with slots" if isinstance(value, tuple) else "attributes"
            parts[Inner("state")] = form if attributes else value
        elif kind == "set":
            parts[_key(value[0])] = value[1]
        elif kind == "add":
            parts[Inner(f"{{{key_text(value)}}}")] = None
        elif kind == "call":
            parts[Inner(f"{name_of(value.function) or 'call'} {position}")] = (value.function, *value.arguments[1:])
        else:
            parts[Inner(f"{kind} {position}" if kind == "state" else str(position))] = value
    return parts


def _attributes(state: Any) -> dict[str | Inner, Any]:
    """The attributes that a state sets: a dictionary, or a pair of it and of the slots; empty for a state of another form."""
    if isinstance(state, Mapping):
        is_plain = all(isinstance(key, str) for key, _ in state.pairs)
        return dict(state.pairs) if is_plain else {}
    if isinstance(state, tuple) and len(state) == _PAIR and all(isinstance(each, Mapping | None) for each in state):
        attributes, slots = ({} if each is None else _attributes(each) for each in state)
        is_whole = all(
            bool(part) == bool(each is not None and each.pairs) for part, each in zip((attributes, slots), state, strict=True)
        )
        return attributes | slots if is_whole and not attributes.keys() & slots.keys() else {}
    return {}


def _key(node: Any) -> Inner:
    return Inner(node if isinstance(node, str) else f"[{key_text(node)}]")


def key_text(node: Any, depth: int = 0) -> str:
    """A text for the key of a dictionary or the item of a set, the same for the same key and for no other one."""
    if isinstance(node, int) and not isinstance(node, bool):
        return str(node) if abs(node) < _LONG else f"{node:#x}"
    if node is None or isinstance(node, str | bool | float):
        return repr(node)
    if depth > _MAX_KEY_DEPTH:
        raise UnreadableModelError("a key of a dictionary in it is too deep")
    shape = shape_of(node)
    if shape.is_leaf:
        value = shape.value
        is_array = isinstance(value, np.ndarray | np.generic)
        return f"{value.dtype.str}{value.tolist()!r}" if is_array else repr(bytes(value))
    below = (f"{getattr(step, 'text', step)!r}: {key_text(part, depth + 1)}" for step, part in shape.parts.items())
    return f"{shape.kind}({', '.join(below)})"


def _mapping(node: Mapping) -> Shape:
    return Shape("dict", {key if isinstance(key, str) else _key(key): value for key, value in node.pairs})


def _items(node: Any) -> Shape:
    return Shape(type(node).__name__, {Inner(str(position)): item for position, item in enumerate(node)})


def _set(node: Set) -> Shape:
    return Shape("frozenset" if node.is_frozen else "set", {Inner(f"{{{key_text(item)}}}"): None for item in node.items})


def _array(node: Any) -> Shape:
    return Shape("array", value=node, is_leaf=True)


def _object_array(node: ObjectArray) -> Shape:
    kind = f"array of {node.dtype}, shape {node.shape}"
    return Shape(kind, _items(node.items).parts if isinstance(node.items, list) else {Inner("values"): node.items})


def _record(node: Record) -> Shape:
    parts: dict[str | Inner, Any] = {}
    parts.update(node.parts.items())
    return Shape(node.kind, parts)


def _global(node: Global) -> Shape:
    return Shape(f"the name {node.path}", _changes(node.changes))


_VIEWS: tuple[tuple[Any, Any], ...] = (
    (Mapping, _mapping),
    (list | tuple, _items),
    (np.ndarray | np.generic, _array),
    (Set, _set),
    (Global, _global),
    (ObjectArray, _object_array),
    (Record, _record),
)
