"""What stands in a file for a secret while runs are compared: equal for equal bytes of it, and different for others."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from lyftlearn_runtime.secret_forms import MASK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DIGEST_BYTES = 8
_DISTINCT_MASK = re.compile(rf"{re.escape(MASK[:-1])} [0-9a-f]{{{2 * _DIGEST_BYTES}}}{re.escape(MASK[-1])}")
_DISTINCT_MASK_OF_BYTES = re.compile(_DISTINCT_MASK.pattern.encode())
_DISTINCT_MASK_BYTES = len(MASK) + 1 + 2 * _DIGEST_BYTES


def distinct_mask(key: bytes, secret: bytes) -> bytes:
    """The mask of these bytes for whoever compares by the same key."""
    digest = hashlib.blake2b(secret, digest_size=_DIGEST_BYTES, key=key).hexdigest()
    return f"{MASK[:-1]} {digest}{MASK[-1]}".encode()


def plain_masks(text: str) -> str:
    """A text in which equal and other secrets have one mask, as they are shown."""
    return _DISTINCT_MASK.sub(MASK, text)


def without_distinct_masks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """A stream whose masks are plain, however it is cut into pieces."""
    held = b""
    for piece in pieces:
        held = _DISTINCT_MASK_OF_BYTES.sub(MASK.encode(), held + piece)
        # One may be cut here.
        begun = held.rfind(MASK[:1].encode(), max(0, len(held) - _DISTINCT_MASK_BYTES + 1))
        end = len(held) if begun < 0 else begun
        yield held[:end]
        held = held[end:]
    yield held
