"""Keeps the secrets of a run out of everything that stays: files, results and reports."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

MASK = "[secret]"
# Shorter values occur in ordinary text; masking them would destroy it, and they protect nothing.
_SHORTEST = 4
_SHORTEST_LINE = 8


def secret_values(stored: Mapping[str, str]) -> frozenset[str]:
    """Every value that must not be shown: the stored texts and, where they are JSON, each text inside."""
    return frozenset(value for text in stored.values() for value in (text, *_leaves(text)) if len(value) >= _SHORTEST)


def redact(text: str, secrets: Collection[str]) -> str:
    """`text` with every secret masked, also where it is base64, or encoded for a URL, JSON or Python."""
    for form in sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True):
        text = text.replace(form, MASK)
    return text


def redact_file(path: Path, secrets: Collection[str]) -> None:
    """Masks every secret in a file; other bytes stay as they are."""
    if not secrets or not path.is_file():
        return
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    redacted = redact(text, secrets)
    if redacted != text:
        path.write_bytes(redacted.encode("utf-8", "surrogateescape"))


def _forms(secret: str) -> Iterator[str]:
    """The secret as it is, as URLs, JSON and Python show it, line by line, and in base64; the shim's own list is the same."""
    raw = secret.encode()
    yield secret
    yield quote(secret)  # in a path the slash stays
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield repr(raw)[2:-1]
    # An error often shows one line of a file.
    yield from (line.strip() for line in secret.splitlines() if len(line.strip()) >= _SHORTEST_LINE)
    # Within a longer encoded text a secret starts at one of three bit offsets; only whole groups of it are constant.
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw).decode()
        core = encoded[(offset * 8 + 5) // 6 : len(encoded.rstrip("=")) - (1 if (offset + len(raw)) % 3 else 0)]
        if len(core) >= _SHORTEST:
            yield core
            yield core.replace("+", "-").replace("/", "_")
            yield quote(core)
            yield quote(core, safe="")


def _leaves(text: str) -> Iterator[str]:
    try:
        pending = [json.loads(text)]
    except ValueError:
        return
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, str):
            yield value
