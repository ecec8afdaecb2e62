"""`namedtuple` as `collections` has it, for as much as the shim uses of it.

The module `collections` takes an eighth of a start with nothing to fetch, and each of its tuples a tenth of a millisecond,
for it compiles a constructor for them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import namedtuple as namedtuple  # noqa: PLC0414 - with this name a type checker knows it
    from collections.abc import Sequence
    from typing import Any
else:

    def namedtuple(name: str, fields: Sequence[str]) -> type:
        """A class of tuples whose items have names. It takes them by position or by name, and all of them."""
        members = {field: _item(position) for position, field in enumerate(fields)}
        return type(name, (_NamedTuple,), {"__slots__": (), "_fields": tuple(fields), **members})


class _NamedTuple(tuple):  # type: ignore[type-arg]
    __slots__ = ()
    _fields: tuple[str, ...] = ()

    def __new__(cls, *values: Any, **named: Any) -> Any:
        if named:
            values += tuple(named.pop(field) for field in cls._fields[len(values) :] if field in named)
        if named or len(values) != len(cls._fields):
            raise TypeError(f"{cls.__name__} takes {', '.join(cls._fields)}")
        return tuple.__new__(cls, values)

    def __repr__(self) -> str:
        pairs = ", ".join(f"{field}={value!r}" for field, value in zip(self._fields, self))  # noqa: B905 - Python 3.10
        return f"{type(self).__name__}({pairs})"

    def _replace(self, **changes: Any) -> Any:
        """The same with other values for some names."""
        return type(self)(**{**dict(zip(self._fields, self)), **changes})  # noqa: B905 - as above


def _item(position: int) -> property:
    return property(lambda values: values[position])
