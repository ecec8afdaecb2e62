"""The content of a model file as a graph of plain nodes.

A node is None, a truth value, a number, a text, bytes, a numpy array or scalar, a list, a tuple, or one of the classes below.
The same node may be found at several places, also below itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping as AnyMapping, Sequence

# Bytes of a file that is mapped into memory are kept as views of it.
BYTES = bytes | memoryview


class UnreadableModelError(Exception):
    """The file cannot be looked into; the text says why."""


@dataclass(eq=False, slots=True)
class Global:
    """What a name of a module stands for: a class, a function. `changes` are as those of a Call."""

    module: str
    name: str
    changes: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The dotted name."""
        return f"{self.module}.{self.name}"


@dataclass(eq=False, slots=True)
class Call:
    """An object, by the call that makes it and what is then done to it.

    `is_instance`: the function is a class, and the object an instance of it. `changes` are, in their order: `state`,
    `append` (an item), `set` (a pair of key and value), `add` (an item of a set) and `call` (a Call that got this object as
    its first argument), each with its value.
    """

    function: Any
    arguments: Any = ()
    keywords: Any = None
    is_instance: bool = False
    changes: list[tuple[str, Any]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Mapping:
    """A dictionary, as its pairs in their order; a later pair with the same key replaces the earlier one."""

    pairs: list[tuple[Any, Any]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Set:
    """A set, in the order of the file, which means nothing."""

    items: list[Any] = field(default_factory=list)
    is_frozen: bool = False


@dataclass(eq=False, slots=True)
class ObjectArray:
    """A numpy array of objects, or one of a record type that has some."""

    dtype: str
    shape: tuple[int, ...]
    items: Any


@dataclass(eq=False, slots=True)
class Record:
    """Anything else: `kind` in words, and its named parts."""

    kind: str
    parts: AnyMapping[str, Any]


@dataclass(eq=False, slots=True)
class Document:
    """A pickle: what it makes, and what it makes and throws away, in its order."""

    value: Any
    discarded: Sequence[Any] = ()


def from_json(value: Any) -> Any:
    """The graph of a value as `json.loads` gives it."""
    if isinstance(value, dict):
        return Mapping([(key, from_json(item)) for key, item in value.items()])
    return [from_json(item) for item in value] if isinstance(value, list) else value


def name_of(node: Any) -> str | None:
    """The dotted name of a Global; None for anything else."""
    return node.path if isinstance(node, Global) else None


def entries(node: Any) -> dict[str, Any]:
    """The pairs of a Mapping whose keys are texts; empty for anything else."""
    return {key: value for key, value in node.pairs if isinstance(key, str)} if isinstance(node, Mapping) else {}
