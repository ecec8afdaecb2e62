"""Pickles, read without making what they describe: no name is imported, nothing is called.

Every opcode is followed on a stack of nodes. What a pickle calls and then throws away is kept too: it can change what
the rest means. joblib writes the bytes of an array behind the object that stands for it; they are taken from there.
"""

from __future__ import annotations

import pickletools
from typing import TYPE_CHECKING, Any, cast

from lyftlearn_image.parity.compare.model_files.graph import (
    Call,
    Document,
    Global,
    Mapping,
    Record,
    Set,
    UnreadableModelError,
    entries,
)
from lyftlearn_image.parity.compare.model_files.numpy_objects import array_from_bytes, dtype_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from lyftlearn_image.parity.compare.model_files.source import Reader

_OPCODES = {ord(opcode.code): opcode for opcode in pickletools.opcodes}
_JOBLIB_WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"
_PLAIN = (type(None), bool, int, float, str, bytes, memoryview)
_MAX_NESTED_PICKLES = 20


def read_pickles(reader: Reader, persistent: Callable[[Any], Any] | None = None) -> Any:
    """The graph of a pickle, or a list of them where several follow each other, with what follows the last one as bytes.

    `persistent` gives the node for a persistent id. Raises UnreadableModelError for what is no pickle.
    """
    documents: list[Any] = [read_pickle(reader, persistent)]
    while reader.rest:
        position = reader.position
        try:
            documents.append(read_pickle(reader, persistent))
        except UnreadableModelError:
            reader.position = position
            documents.append(reader.take(len(reader.rest)))
    return documents[0] if len(documents) == 1 else documents


def read_pickle(reader: Reader, persistent: Callable[[Any], Any] | None = None, depth: int = 0) -> Document:
    """One pickle, up to its end. Raises UnreadableModelError for what is none."""
    if depth > _MAX_NESTED_PICKLES:
        raise UnreadableModelError("it has pickles in pickles in pickles")
    machine = _Machine(reader, persistent, depth)
    try:
        return machine.run()
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise UnreadableModelError(f"not a pickle: byte {reader.position}: {type(error).__name__}: {error}") from None


class _Machine:
    """The stack machine of pickle, with nodes in place of objects."""

    def __init__(self, reader: Reader, persistent: Callable[[Any], Any] | None, depth: int) -> None:
        self._reader = reader
        self._persistent = persistent
        self._depth = depth
        self._stack: list[Any] = []
        self._below_marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._globals: dict[tuple[str, str], Global] = {}
        self._discarded: list[Any] = []

    def run(self) -> Document:
        """What the pickle makes."""
        steps = {name: getattr(self, f"_{name.lower()}", None) for name in (each.name for each in _OPCODES.values())}
        while True:
            code = self._reader.take(1)[0]
            opcode = _OPCODES[code]
            if opcode.name == "BYTEARRAY8":
                self._bytearray()
                continue
            argument = opcode.arg.reader(cast("IO[bytes]", self._reader)) if opcode.arg is not None else None
            if opcode.name in _PUSHED:
                self._stack.append(argument)
            elif opcode.name in _MADE:
                self._stack.append(_MADE[opcode.name]())
            elif opcode.name == "STOP":
                value = self._stack.pop()
                return Document(
                    value, [*self._discarded, *(each for below in self._below_marks for each in below), *self._stack]
                )
            elif opcode.name not in _IGNORED:
                step = steps[opcode.name]
                if step is None:
                    raise UnreadableModelError(f"the opcode {opcode.name} needs what is not in the file")
                step(argument) if opcode.arg is not None else step()

    # The stack and the memo.

    def _mark(self) -> None:
        self._below_marks.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._below_marks.pop()
        return items

    def _pop(self) -> None:
        if self._stack:
            self._discard(self._stack.pop())
        else:
            self._since_mark()

    def _pop_mark(self) -> None:
        for item in self._since_mark():
            self._discard(item)

    def _discard(self, node: Any) -> None:
        if isinstance(node, _PLAIN):
            return
        self._discarded.append(node)
        if isinstance(node, Call) and isinstance(node.arguments, tuple) and node.arguments:
            # A function that was called for what it does to its first argument (PEP 574, `state_setter`).
            changed = node.arguments[0]
            if isinstance(changed, Call | Global):
                changed.changes.append(("call", node))

    def _dup(self) -> None:
        self._stack.append(self._stack[-1])

    def _put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def _memoize(self) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    _binput = _long_binput = _put
    _binget = _long_binget = _get

    # Containers.

    def _tuple(self) -> None:
        items = self._since_mark()
        self._stack.append(tuple(items))

    def _tuple1(self) -> None:
        self._stack[-1:] = [(self._stack[-1],)]

    def _tuple2(self) -> None:
        self._stack[-2:] = [(self._stack[-2], self._stack[-1])]

    def _tuple3(self) -> None:
        self._stack[-3:] = [(self._stack[-3], self._stack[-2], self._stack[-1])]

    def _list(self) -> None:
        items = self._since_mark()
        self._stack.append(items)

    def _dict(self) -> None:
        items = self._since_mark()
        self._stack.append(Mapping(_pairs(items)))

    def _frozenset(self) -> None:
        items = self._since_mark()
        self._stack.append(Set(items, is_frozen=True))

    def _append(self) -> None:
        item = self._stack.pop()
        self._extend([item])

    def _appends(self) -> None:
        self._extend(self._since_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, list):
            target.extend(items)
        else:
            target.changes.extend(("append", item) for item in items)

    def _setitem(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._update([(key, value)])

    def _setitems(self) -> None:
        self._update(_pairs(self._since_mark()))

    def _update(self, pairs: list[tuple[Any, Any]]) -> None:
        target = self._stack[-1]
        if isinstance(target, Mapping):
            target.pairs.extend(pairs)
        else:
            target.changes.extend(("set", pair) for pair in pairs)

    def _additems(self) -> None:
        items, target = self._since_mark(), self._stack[-1]
        if isinstance(target, Set):
            target.items.extend(items)
        else:
            target.changes.extend(("add", item) for item in items)

    # Objects.

    def _global(self, argument: str) -> None:
        module, name = argument.split(" ", 1)
        self._push_global(module, name)

    def _stack_global(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise UnreadableModelError("a name in it is no text")
        self._push_global(module, name)

    def _push_global(self, module: str, name: str) -> None:
        self._stack.append(self._globals.setdefault((module, name), Global(module, name)))

    def _reduce(self) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        self._stack.append(Call(function, arguments))

    def _newobj(self) -> None:
        arguments, made = self._stack.pop(), self._stack.pop()
        self._stack.append(Call(made, arguments, is_instance=True))

    def _newobj_ex(self) -> None:
        keywords, arguments, made = self._stack.pop(), self._stack.pop(), self._stack.pop()
        self._stack.append(Call(made, arguments, keywords, is_instance=True))

    def _inst(self, argument: str) -> None:
        arguments = tuple(self._since_mark())
        self._global(argument)
        self._stack.append(Call(self._stack.pop(), arguments, is_instance=True))

    def _obj(self) -> None:
        made, *arguments = self._since_mark()
        self._stack.append(Call(made, tuple(arguments), is_instance=True))

    def _build(self) -> None:
        state = self._stack.pop()
        target = self._stack[-1]
        if not isinstance(target, Call | Global):
            raise UnreadableModelError(f"a {type(target).__name__} in it is given a state")
        target.changes.append(("state", state))
        if isinstance(target, Call) and isinstance(target.function, Global) and target.function.path == _JOBLIB_WRAPPER:
            self._stack[-1] = self._read_joblib_array(entries(state))

    def _read_joblib_array(self, wrapper: dict[str, Any]) -> Any:
        """The array that follows its wrapper (joblib's NumpyArrayWrapper.read_array)."""
        dtype, shape, subclass = dtype_of(wrapper["dtype"]), wrapper["shape"], wrapper["subclass"]
        if dtype is None:
            raise UnreadableModelError("an array in it has a type that is not known")
        if dtype.hasobject:
            array: Any = read_pickle(self._reader, self._persistent, self._depth + 1)
        else:
            if wrapper.get("numpy_array_alignment_bytes") is not None:
                self._reader.take(self._reader.take(1)[0])
            array = array_from_bytes(self._reader, dtype, shape, wrapper["order"])
        is_plain = isinstance(subclass, Global) and subclass.path == "numpy.ndarray"
        return array if is_plain else Record("array", {"class": subclass, "values": array})

    # What stands outside of the file.

    def _persid(self, argument: Any) -> None:
        self._stack.append(self._persistent(argument) if self._persistent else Record("persistent id", {"id": argument}))

    def _binpersid(self) -> None:
        self._persid(self._stack.pop())

    def _ext1(self, code: int) -> None:
        self._stack.append(Record("registered extension", {"code": code}))

    _ext2 = _ext4 = _ext1

    def _bytearray(self) -> None:
        # pickletools would copy it, and it may be most of the file.
        size = int.from_bytes(self._reader.take(8), "little")
        self._stack.append(Call(Global("builtins", "bytearray"), (self._reader.take(size),)))


def _pairs(items: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(items[::2], items[1::2], strict=True))


_IGNORED = {"PROTO", "FRAME"}
_PUSHED = {
    "NONE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
}  # fmt: skip
_MADE: dict[str, Callable[[], Any]] = {
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": Mapping,
    "EMPTY_SET": Set,
}
