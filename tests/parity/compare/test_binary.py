"""Bytes: the same or not, and where they first are not."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.parity.compare import binary
from lyftlearn_image.parity.differences import Difference
from tests.parity.compare.pairs import compare_written


def compare_bytes(left: bytes, right: bytes) -> tuple[Difference, ...]:
    """What is found in two files with these bytes, which are read four at a time."""
    with mock.patch.object(binary, "_CHUNK_BYTES", 4):
        return compare_written("a.bin", Path.write_bytes, (left, right), {"compare": "bytes"})


@given(st.binary(max_size=20))
def test_bytes_are_the_same_as_themselves(data: bytes) -> None:
    """Of any length."""
    assert compare_bytes(data, data) == ()


@given(st.binary(min_size=1, max_size=20), st.data())
def test_a_changed_byte_is_told_where_it_is(left: bytes, data: st.DataObject) -> None:
    """With the bytes that follow it on both sides, up to the end of what was read."""
    at = data.draw(st.integers(0, len(left) - 1))
    right = left[:at] + bytes([left[at] ^ data.draw(st.integers(1, 255))]) + left[at + 1 :]
    end = at // 4 * 4 + 4
    expected = Difference(f"byte {at}", left[at:end].hex(" "), right[at:end].hex(" "), "first differing byte")
    assert compare_bytes(left, right) == (expected,)


@given(st.binary(max_size=20), st.binary(min_size=1, max_size=20))
def test_what_is_only_longer_differs_at_the_end_of_the_shorter(data: bytes, more: bytes) -> None:
    """With both sizes."""
    (longer,), (shorter,) = compare_bytes(data + more, data), compare_bytes(data, data + more)
    assert longer.place == shorter.place == f"byte {len(data)}"
    assert (longer.right, shorter.left) == ("", "")
    assert longer.detail == f"sizes {len(data + more)} and {len(data)} bytes"
    assert shorter.detail == f"sizes {len(data)} and {len(data + more)} bytes"


@pytest.mark.parametrize("size", [0, 1, 2**20, 2**21 + 1])
def test_large_files_are_read_to_their_end(size: int) -> None:
    """The last byte of a file that takes several reads."""
    (difference,) = compare_written("a.bin", Path.write_bytes, (b"x" * size + b"y", b"x" * size + b"z"), {"compare": "bytes"})
    assert difference == Difference(f"byte {size}", "79", "7a", "first differing byte")


def test_sixteen_bytes_are_shown() -> None:
    """From the first that differs."""
    values = b"a" + bytes(range(100)), b"a" + bytes(range(1, 101))
    (difference,) = compare_written("a.bin", Path.write_bytes, values, {"compare": "bytes"})
    assert difference.left == bytes(range(16)).hex(" ")
    assert difference.right == bytes(range(1, 17)).hex(" ")
