"""Which comparator fits a file, by its name and by how it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.parity.compare.registry import comparator_for

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# What a file begins with → its comparators, the likeliest first. Sources: the formats' own specifications; pickle's PROTO
# opcode with a protocol from 2 on (pickletools); torch, Keras and skops are zip files, too.
_BEGINNINGS: tuple[tuple[bytes, tuple[str, ...]], ...] = (
    (b"\x89PNG\r\n\x1a\n", ("png",)),
    (b"%PDF-", ("pdf",)),
    (b"SQLite format 3\0", ("sqlite",)),
    (b"\x93NUMPY", ("array",)),
    (b"PAR1", ("table",)),
    *((bytes((0x80, protocol)), ("model",)) for protocol in range(2, 6)),
    (b"\x89HDF\r\n\x1a\n", ("model",)),
    (b"PK\x03\x04", ("archive", "model")),
    (b"\x1f\x8b", ("archive",)),
    (b"BZh", ("archive",)),
    (b"\xfd7zXZ\0", ("archive",)),
)
_SAMPLE_BYTES = 1 << 16
_ANY = ("bytes", "text")


def fitting_comparators(name: str, present: str, paths: Iterable[Path]) -> tuple[str, ...]:
    """The comparators that fit files of this name better than the present one, the likeliest first; none where it fits.

    A rule that names a comparator for a certain format is believed; of `bytes` and `text` there are better ones.
    """
    if present not in _ANY:
        return ()
    samples = [_sample(path) for path in paths]
    found = {comparator_for(name): None} if comparator_for(name) not in _ANY else {}
    for beginning, comparators in _BEGINNINGS:
        if samples and all(sample.startswith(beginning) for sample in samples):
            found |= dict.fromkeys(comparators)
    if not found and samples and all(map(is_text, samples)):
        if all(sample.lstrip()[:1] in {b"{", b"["} for sample in samples):
            found["json"] = None
        found["text"] = None
    return tuple(one for one in found if one != present)


def is_text(sample: bytes) -> bool:
    """Whether the beginning of a file is UTF-8 without a zero byte. A character may be cut at its end."""
    try:
        sample[:-4].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in sample


def _sample(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_SAMPLE_BYTES)
