"""The last line of defence: nothing that is shown carries a secret, whatever it comes from."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from lyftlearn_image.parity.secrets import MASK, redact
from lyftlearn_image.report.sanitize import strip_ansi

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

T = TypeVar("T")

# Shorter values occur in ordinary text; masking them would destroy it.
_SHORTEST_SECRET = 4
_SHORTEST_LINE = 8
# No form of a secret that is looked for has more characters than this for each of the secret's own: a character that
# UTF-8 needs four bytes for is `%F0%9F%94%91` in a URL.
_LONGEST_FORM = 12
# Between the texts that are searched together: not part of any encoding in which a secret is looked for.
_BETWEEN = "\x00\x1e\x00"
# How parity.differences.format_value() ends a value that it cut.
_CUT = re.compile(r"… \(\d+ characters\)\Z")


def without_secrets(value: T, secrets: Collection[str]) -> T:
    """The value with every secret masked in every text in it, also in mappings, sequences and dataclasses.

    Paths, enumerations and numbers stay. All texts are searched together, which is much faster than one by one.
    """
    forms = _forms(secrets)
    if not forms:
        return value
    seen: dict[str, str] = {}

    def note(text: str) -> str:
        seen[text] = text
        return text

    _changed(value, note)
    masked = redact(_BETWEEN.join(seen), forms).split(_BETWEEN)
    if len(masked) != len(seen):  # a text or a secret holds the separator
        masked = [redact(text, forms) for text in seen]
    replaced = {text: _thoroughly(clean, forms) for text, clean in zip(seen, masked, strict=True)}
    return _changed(value, replaced.__getitem__)  # type: ignore[no-any-return]


def longest_form(secrets: Collection[str]) -> int:
    """A number of characters that no form of these secrets exceeds."""
    return max((len(secret) for secret in secrets), default=0) * _LONGEST_FORM


def _forms(secrets: Collection[str]) -> frozenset[str]:
    """The secrets and forms in which a script or a comparison may show one; `redact` knows more."""
    forms = {form for secret in secrets for form in _forms_of(secret)}
    return frozenset(form for form in forms if len(form) >= _SHORTEST_SECRET)


def _forms_of(secret: str) -> Iterator[str]:
    yield secret
    yield html.escape(secret)
    yield repr(secret)[1:-1]
    yield secret.encode("utf-8", "surrogateescape").hex()
    # A key of many lines meets a reader line by line.
    lines = [line.strip() for line in secret.splitlines()]
    yield from (line for line in lines if len(line) >= _SHORTEST_LINE)


def _thoroughly(text: str, secrets: frozenset[str]) -> str:
    """A masked text without what was hidden from the search by colour codes within it, or by a cut."""
    plain = strip_ansi(text)
    if plain != text and (masked := redact(plain, secrets)) != plain:
        text = masked
    return _without_cut_secret(text, secrets)


def _without_cut_secret(text: str, secrets: frozenset[str]) -> str:
    """A text that was cut for the report, without the beginning of a secret at the cut."""
    cut = _CUT.search(text)
    if cut is None:
        return text
    kept = text[: cut.start()]
    lengths = (n for secret in secrets for n in range(_SHORTEST_SECRET, len(secret)) if kept.endswith(secret[:n]))
    longest = max(lengths, default=0)
    return kept[: len(kept) - longest] + MASK + cut[0] if longest else text


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {_changed(key, change): _changed(each, change) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_changed(each, change) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _changed(getattr(value, field.name), change) for field in fields(value)})
    return value
