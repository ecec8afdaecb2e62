"""Bytes on the disk, against `bytes`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.emulation.aws import blobs
from lyftlearn_image.emulation.aws.blobs import Blob, BlobStore

STORE = BlobStore()
SLICES = st.tuples(st.none() | st.integers(-30, 90), st.none() | st.integers(-30, 90)).map(lambda ends: slice(*ends))


def stored(data: bytes, pieces: int = 1) -> Blob:
    """As it comes in pieces."""
    step = max(len(data) // pieces, 1)
    return STORE.write([data[at : at + step] for at in range(0, len(data), step)], len(data))


@given(st.lists(st.binary(max_size=30), max_size=4), SLICES, SLICES, st.integers(1, 5))
def test_a_blob_is_its_bytes(parts: list[bytes], outer: slice, inner: slice, pieces: int) -> None:
    """Put together, cut, and cut again."""
    whole, blob = b"".join(parts), Blob.concat(stored(part, pieces) for part in parts)
    for expected, cut in ((whole, blob), (whole[outer], blob[outer]), (whole[outer][inner], blob[outer][inner])):
        assert (b"".join(cut.chunks()), len(cut)) == (expected, len(expected))
        assert cut.md5 == hashlib.md5(expected, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(("pieces", "size"), [([b"abc"], 4), ([b"abc", b"de"], 4), ([], 1), ([b"a"], 0)])
def test_another_number_of_bytes_than_was_announced_is_an_error(pieces: list[bytes], size: int) -> None:
    """Nothing of it is kept, and what is written next is whole."""
    with pytest.raises(ValueError, match="bytes than were announced"):
        STORE.write(pieces, size)
    assert b"".join(stored(b"next").chunks()) == b"next"


def test_a_file_is_gone_with_the_last_blob_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones share a file, and large ones have their own: none has a name, and few are open."""
    monkeypatch.setattr(blobs, "_SMALL_BYTES", 10)
    monkeypatch.setattr(blobs, "_SHARED_FILE_BYTES", 100)

    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    store, before = BlobStore(), opened()
    kept = [store.write([b"x" * 10], 10) for _ in range(50)]
    assert opened() - before == 5
    large = store.write([b"x" * 11], 11)
    assert opened() - before == 6
    del large
    assert opened() - before == 5
    del kept[:40]
    assert opened() - before == 1
    assert all(b"".join(blob.chunks()) == b"x" * 10 for blob in kept)
