"""Options that belong together reach a verb as one value."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def as_value(name: str, value: type[Any], *options: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a verb these options of click, of which it gets one value as its argument `name`.

    `value` is a dataclass with a field for each option, by the option's name.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_value(**arguments: Any) -> Any:
            made = value(**{field.name: arguments.pop(field.name) for field in dataclasses.fields(value)})
            return command(**{name: made}, **arguments)

        decorated: Callable[..., Any] = with_value
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate
