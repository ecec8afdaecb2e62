"""Batch transform's records: an object is split into them, they are sent in mini-batches, and the responses put together.

Source: API reference, CreateTransformJob (BatchStrategy, MaxPayloadInMB), TransformInput (SplitType, CompressionType) and
TransformOutput (AssembleWith). Whether a request's last line ends with a newline is not documented: here newlines stand
between records only.
"""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MIB = 1 << 20
_NEWLINE = b"\n"


class RecordError(Exception):
    """The object cannot be sent as its request says: a fault of the caller's data."""


def decompress(data: bytes, compression: str) -> bytes:
    """The object's content. RecordError for one that is not gzip though its request says so."""
    if compression != "Gzip":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise RecordError(f"the object is not gzip: {error}") from None


def split(data: bytes, split_type: str) -> list[bytes]:
    """The records of an object: the whole of it, or what stands between newlines ("on a newline character boundary")."""
    if split_type != "Line":
        return [data]
    lines = data.split(_NEWLINE)
    return lines if lines[-1] else lines[:-1]


def mini_batches(records: Sequence[bytes], strategy: str, largest_mib: int) -> Iterator[list[bytes]]:
    """The records of each of an object's requests: one alone, or as many as fit. `largest_mib` of 0 is no limit.

    Raises RecordError for a record that does not fit alone.
    """
    largest = largest_mib * MIB
    batch: list[bytes] = []
    size = 0
    for record in records:
        if largest and len(record) > largest:
            raise RecordError(f"a record has {len(record)} bytes, more than MaxPayloadInMB={largest_mib} allows")
        is_full = strategy != "MultiRecord" or (largest and size + len(_NEWLINE) + len(record) > largest)
        if batch and is_full:
            yield batch
            batch, size = [], 0
        size += len(record) + (len(_NEWLINE) if batch else 0)
        batch.append(record)
    if batch:
        yield batch


def body(batch: Sequence[bytes]) -> bytes:
    """The body of a request."""
    return _NEWLINE.join(batch)


def assemble(responses: Sequence[bytes], assemble_with: str) -> bytes:
    """An output object: the responses one after another, with `Line` each on lines of its own."""
    if assemble_with != "Line":
        return b"".join(responses)
    return b"".join(text if text.endswith(_NEWLINE) else text + _NEWLINE for text in responses)
