"""The last line of defence: nothing that is shown carries a secret, whatever it comes from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from lyftlearn_image.distinct_masks import plain_masks
from lyftlearn_image.sanitize import strip_ansi
from lyftlearn_runtime.secret_forms import MASK, Finder, to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

T = TypeVar("T")

# How parity.differences.format_value() ends a value that it cut.
_CUT = re.compile(r"… \(\d+ characters\)\Z")


def without_secrets(value: T, secrets: Collection[str]) -> T:
    """The value with every secret masked in every text in it, also in mappings, sequences and dataclasses.

    A number that is a secret is masked where it stands in a mapping or a sequence; paths, enumerations and all other numbers
    stay.
    """
    finder = Finder(secrets)
    if not finder.longest:
        return value
    return _changed(value, lambda text: _masked(text, finder))  # type: ignore[no-any-return]


def longest_form(secrets: Collection[str]) -> int:
    """A number of characters that no form of these secrets exceeds."""
    return Finder(secrets).longest


def _masked(text: str, finder: Finder) -> str:
    """A text without secrets, those too that colour codes or a cut within them hide from a search."""
    text = finder.mask_text(plain_masks(text))
    plain = strip_ansi(text)
    if plain != text and (masked := finder.mask_text(plain)) != plain:
        text = masked
    return _without_cut_secret(text, finder)


def _without_cut_secret(text: str, finder: Finder) -> str:
    """A text that was cut for the report, without the beginning of a secret at the cut."""
    cut = _CUT.search(text)
    if cut is None:
        return text
    kept = to_bytes(text[: cut.start()])
    unfinished = finder.unfinished(kept)
    return kept[: len(kept) - unfinished].decode("utf-8", "replace") + MASK + cut[0] if unfinished else text


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {_changed(key, change): _changed_member(each, change) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_changed_member(each, change) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _changed(getattr(value, field.name), change) for field in fields(value)})
    return value


def _changed_member(value: Any, change: Callable[[str], str]) -> Any:
    """A value of data that a script or a platform made, where a number may be one of a JSON secret."""
    if isinstance(value, int | float) and not isinstance(value, bool | Enum):
        return MASK if change(json.dumps(value)) == MASK else value
    return _changed(value, change)
