"""YAML as far as JSON goes, read within bounds: text, numbers, true, false, null, lists and mappings with texts as keys.

A file that people write is small, and what cannot be said in JSON reaches neither a request nor a manifest. So a file that
is deep, or that grows when its aliases are followed, is refused at the line where that begins, and with it tags, dates,
infinities and characters that no encoding has.
"""

from __future__ import annotations

import contextlib
import math
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# PyYAML reads 20,000 values a second. With its aliases followed a suite may have more: its cases share what they have alike.
MAX_VALUES = 50_000
MAX_EXPANDED = 250_000
MAX_DEPTH = 64
MAX_BYTES = 8 * 1024 * 1024
_PREFIX = "tag:yaml.org,2002:"
# What a value may be; a merge is none, and joins two mappings.
_TAGS = frozenset(f"{_PREFIX}{kind}" for kind in ("bool", "float", "int", "map", "merge", "null", "seq", "str", "timestamp"))
# What PyYAML's constructors raise of a text that is not what its tag says.
_NOT_AS_TAGGED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_KINDS = (
    (stat.S_ISDIR, "a directory"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)  # fmt: skip


def read_text(path: Path) -> str:
    """The text of a file of at most MAX_BYTES.

    Raises InvalidInputError when there is no file, no text in it, or too much; it never waits for what is no file.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = next((kind for is_kind, kind in _KINDS if is_kind(mode)), "no file")
            raise InvalidInputError(f"{path} is {kind}", hint="Name a file.")
        # Whatever stands there by now, opening it does not wait.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise InvalidInputError(f"there is no file {path}", hint="Check the path, or create the file.") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in a path
        raise InvalidInputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > MAX_BYTES:
        raise InvalidInputError(f"{path} has more than {MAX_BYTES >> 20} MiB", hint="Is it the right file?")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInputError(f"{path} is no text in UTF-8", where=f"{path}, line {line}", hint="Save it as UTF-8.") from None


@dataclass(frozen=True)
class Composed:
    """The one document of a text: `node` says where everything stands."""

    node: yaml.MappingNode
    _loader: _Loader
    _text: str
    _name: str

    def construct(self) -> dict[str, Any]:
        """The data. Merges move into the mappings of `node` then. Raises InvalidInputError with file and line."""
        with _own_errors(self._text, self._name, self._loader):
            data: dict[str, Any] = self._loader.construct_document(self.node)
        return data


def compose_mapping(text: str, name: str) -> Composed:
    """The one document of a text; `name` is the file's name in errors.

    Raises InvalidInputError with file and line for all that is no mapping, or more than is taken.
    """
    with _own_errors(text, name):
        loader = _Loader(text)
    with _own_errors(text, name, loader):
        node = loader.get_single_node()
    if not isinstance(node, yaml.MappingNode):
        raise InvalidInputError(f"{name} is not a mapping", where=f"{name}, line 1", hint="Write it as `key: value`.")
    return Composed(node, loader, text, name)


def load_manifests(text: str, name: str, prepare: Callable[[yaml.Node], None] = lambda _: None) -> list[Any]:
    """The documents of a text, with dates and with keys that are no texts as the text that Kubernetes makes of them.

    `prepare` is called with the node of each, and may change it. Raises InvalidInputError with file and line.
    """
    documents = []
    with _own_errors(text, name):
        loader = _ManifestLoader(text)
    with _own_errors(text, name, loader):
        while loader.check_node():
            node: Any = loader.get_node()
            prepare(node)
            documents.append(loader.construct_document(node))
    return documents


@contextlib.contextmanager
def _own_errors(text: str, name: str, loader: _Loader | None = None) -> Iterator[None]:
    """Makes an InvalidInputError of what PyYAML raises in the block."""
    try:
        yield
    except yaml.reader.ReaderError as error:
        where = f"{name}, line {text.count(chr(10), 0, error.position) + 1}"
        what = f"{name} is not valid YAML: the character U+{ord(text[error.position]):04X} is not allowed"
        raise InvalidInputError(what, where=where, hint="Remove it, or write it as an escape in quotes.") from None
    except _Refusal as error:
        raise InvalidInputError(f"{name} cannot be read: {error.problem}", where=_place(error, name), hint=error.hint) from None
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or "it cannot be read"
        what = f"{name} is not valid YAML: {problem}"
        raise InvalidInputError(what, where=_place(error, name), hint="Check indentation and quotes.") from None
    except (OverflowError, ValueError):  # of `chr`, for an escape
        where = f"{name}, line {loader.line + 1}" if loader else name
        raise InvalidInputError(f"{name} is not valid YAML: an escape for no character", where=where) from None


def _place(error: yaml.YAMLError, name: str) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"{name}, line {mark.line + 1}, column {mark.column + 1}" if mark else name


class _Refusal(yaml.MarkedYAMLError):
    """Something that is YAML, and is not taken."""

    def __init__(self, problem: str, mark: Any, hint: str) -> None:
        super().__init__(problem=problem, problem_mark=mark)
        self.hint = hint


class _Loader(yaml.SafeLoader):
    """Refuses what is too much while it is composed: nothing of it has been made then."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._count = 0
        # Anchors whose value is being read.
        self._open: set[str] = set()
        # Node → how many values it has and how deep it is, with its aliases followed.
        self._extents: dict[yaml.Node, tuple[int, int]] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node. Raises _Refusal for a circle, for what is too deep or too much, and for a tag that is not taken."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in self._open:
                raise _Refusal("an alias stands within what it names", event.start_mark, "Write what is meant in its place.")
            return super().compose_node(parent, index)
        self._count += 1
        self._depth += 1
        self._check_extent(self._count, MAX_VALUES, self._depth, event.start_mark)
        self._open.add(event.anchor)
        node = super().compose_node(parent, index)
        self._open.discard(event.anchor)
        self._depth -= 1
        if node is not None:
            self._check(node)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's signature
        """The value of a node. Raises _Refusal for a text that is not what its tag says, and for a number without end."""
        try:
            value = super().construct_object(node, deep)
        except _NOT_AS_TAGGED:
            kind = node.tag.removeprefix(_PREFIX)
            raise _Refusal(f"what stands here is no {kind}", node.start_mark, "Write a text in quotes.") from None
        if isinstance(value, float) and not math.isfinite(value):
            self._refuse_value(node, "is no finite number")
        return value

    def _check(self, node: yaml.Node) -> None:
        if node.tag == f"{_PREFIX}value":  # an unquoted `=`
            node.tag = f"{_PREFIX}str"
        if node.tag not in _TAGS:
            raise _Refusal(f"the tag `{node.tag}` is not taken", node.start_mark, "Leave it out, or write a text in quotes.")
        if isinstance(node, yaml.ScalarNode):
            node.value = self._joined(node)
            self._extents[node] = (1, 1)
            return
        below = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        if isinstance(node, yaml.MappingNode):
            for key, _ in node.value:
                self.check_key_node(key)
        extents = [self._extents[part] for part in below]
        size, depth = 1 + sum(size for size, _ in extents), 1 + max((depth for _, depth in extents), default=0)
        self._check_extent(size, MAX_EXPANDED, depth, node.start_mark)
        self._extents[node] = size, depth

    def check_key_node(self, key: yaml.Node) -> None:
        """Raises _Refusal for a key that is no text."""
        if key.tag not in (f"{_PREFIX}str", f"{_PREFIX}merge") or not isinstance(key, yaml.ScalarNode):
            raise _Refusal("a key is no text", key.start_mark, "Write it in quotes.")

    def construct_yaml_timestamp(self, node: yaml.ScalarNode) -> Any:
        """Refuses a date, once it is one."""
        super().construct_yaml_timestamp(node)
        self._refuse_value(node, "is a date")

    def _refuse_value(self, node: yaml.Node, what: str) -> NoReturn:
        raise _Refusal(f"what stands here {what}, which JSON does not have", node.start_mark, "Write a text in quotes.")

    @staticmethod
    def _check_extent(size: int, limit: int, depth: int, mark: Any) -> None:
        if size > limit:
            problem = f"it has more than {limit:,} values{', each alias counted as what it names' * (limit > MAX_VALUES)}"
            raise _Refusal(problem, mark, "Is it the right file? Put data into a channel.")
        if depth > MAX_DEPTH:
            raise _Refusal(f"it is more than {MAX_DEPTH} values deep", mark, "Is it the right file?")

    @staticmethod
    def _joined(node: yaml.ScalarNode) -> str:
        """The text, with pairs of surrogates, as JSON escapes a character, joined. Raises _Refusal for half of one."""
        text: str = node.value
        try:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            problem = "an escape for half of a character (a lone surrogate)"
            raise _Refusal(problem, node.start_mark, "Write the character itself.") from None


class _ManifestLoader(_Loader):
    """As Kubernetes reads YAML: https://github.com/kubernetes-sigs/yaml goes by JSON, where dates and keys are texts."""

    def check_key_node(self, key: yaml.Node) -> None:
        """Raises _Refusal for a key that is a list or a mapping."""
        if not isinstance(key, yaml.ScalarNode):
            super().check_key_node(key)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Joins what is merged into a mapping, and makes its keys texts."""
        super().flatten_mapping(node)
        for key, _ in node.value:
            key.tag = f"{_PREFIX}str"

    def construct_yaml_timestamp(self, node: yaml.ScalarNode) -> Any:
        """The date as it is written."""
        return self.construct_scalar(node)


# PyYAML keeps its constructors by tag in the class.
_Loader.add_constructor(f"{_PREFIX}timestamp", _Loader.construct_yaml_timestamp)
_ManifestLoader.add_constructor(f"{_PREFIX}timestamp", _ManifestLoader.construct_yaml_timestamp)
