"""Keeps the secrets of a run out of the files that stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_runtime.secret_forms import is_maskable, mask, places_within, values_within

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from lyftlearn_image.parity.suite import Case


def secret_values(stored: Mapping[str, str]) -> frozenset[str]:
    """Every value that must not be shown: the stored texts and, where they are JSON, each text and number inside."""
    return frozenset(value for text in stored.values() for value in values_within(text) if is_maskable(value))


def find_unmaskable(cases: Iterable[Case]) -> tuple[str, ...]:
    """The names of the planted secrets that are too short or too plain to be masked, each once: `db`, `db#user`."""
    found = set()
    for case in cases:
        for name, text in case.planted_secrets.items():
            for value, place in places_within(text).items():
                if value and not is_maskable(value):
                    found.add(f"{name}#{place}" if place else name)
    return tuple(sorted(found))


def redact_file(path: Path, secrets: Collection[str]) -> None:
    """Masks every secret in a file; other bytes stay as they are."""
    if not secrets or not path.is_file():
        return
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    redacted = mask(text, secrets)
    if redacted != text:
        path.write_bytes(redacted.encode("utf-8", "surrogateescape"))
