"""Keeps the secrets of a run out of the files that stay."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lyftlearn_image.distinct_masks import without_distinct_masks
from lyftlearn_runtime.redact import Redactor
from lyftlearn_runtime.secret_forms import MASK, is_maskable, mask, places_within, values_within

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from lyftlearn_image.parity.suite import Case

_CHUNK_BYTES = 1 << 20


def secret_values(stored: Mapping[str, str]) -> frozenset[str]:
    """Every value that must not be shown: the stored texts and, where they are JSON, each text and number inside."""
    return frozenset(value for text in stored.values() for value in values_within(text) if is_maskable(value))


def secret_values_of(cases: Iterable[Case]) -> frozenset[str]:
    """Those of all that these cases plant."""
    return frozenset[str]().union(*(secret_values(case.planted_secrets) for case in cases))


def find_unmaskable(cases: Iterable[Case]) -> tuple[str, ...]:
    """The names of the planted secrets that are too short or too plain to be masked, each once: `db`, `db#user`."""
    found = set()
    for case in cases:
        for name, text in case.planted_secrets.items():
            for value, place in places_within(text).items():
                if value and not is_maskable(value):
                    found.add(f"{name}#{place}" if place else name)
    return tuple(sorted(found))


def mask_values(document: Any, secrets: Collection[str]) -> Any:
    """A JSON document with every secret masked in its values, numbers too; it stays JSON, with the same keys."""
    if isinstance(document, dict):
        return {key: mask_values(value, secrets) for key, value in document.items()}
    if isinstance(document, list):
        return [mask_values(value, secrets) for value in document]
    if isinstance(document, (int, float)) and not isinstance(document, bool):
        return MASK if json.dumps(document) in secrets else document
    return mask(document, secrets) if isinstance(document, str) else document


def redact_file(path: Path, secrets: Collection[str]) -> None:
    """Masks every secret in a file, however large it is; other bytes stay as they are, and its mode."""
    if not secrets or not path.is_file():
        return
    with path.open("rb") as file, tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as redacted:
        try:
            for piece in without_distinct_masks(_redacted(file, secrets)):
                redacted.write(piece)
            redacted.flush()
            os.fchmod(redacted.fileno(), os.fstat(file.fileno()).st_mode & 0o777)
            Path(redacted.name).replace(path)
        except BaseException:
            Path(redacted.name).unlink()
            raise


def _redacted(file: IO[bytes], secrets: Collection[str]) -> Iterator[bytes]:
    redactor = Redactor(secrets)
    while chunk := file.read(_CHUNK_BYTES):
        yield redactor.feed(chunk)
    yield redactor.flush()
