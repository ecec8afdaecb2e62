"""Ranges of bytes, against what Python's own slices give."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.emulation.aws.byte_ranges import UnsatisfiableError, parse_copy_range, parse_range

SIZES = st.integers(0, 40)
NUMBERS = st.integers(0, 50) | st.sampled_from([10**30, 2**64])


@given(SIZES, NUMBERS, NUMBERS)
def test_a_range_is_a_slice(size: int, first: int, last: int) -> None:
    """What lies in the object of `first` to `last`, or of `first` to its end, or its last so many bytes; else 416."""
    every = list(range(size))
    for header, expected in (
        (f"bytes={first}-{last}", every[first : last + 1]),
        (f"bytes={first}-", every[first:]),
        (f"bytes=-{last}", every[max(size - last, 0) :] if last else []),
    ):
        if header.endswith(f"{first}-{last}") and last < first:
            assert parse_range(header, size) is None  # it is no range, and so asks for all
        elif expected:
            assert list(parse_range(header, size) or ()) == expected
        else:
            with pytest.raises(UnsatisfiableError):
                parse_range(header, size)


@given(st.text(max_size=20) | st.from_regex(r"bytes=[0-9, -]{0,12}", fullmatch=True), SIZES)
def test_whatever_a_client_writes_is_a_range_all_of_it_or_unsatisfiable(header: str, size: int) -> None:
    """Never an error of another kind, and never a byte that there is not."""
    with contextlib.suppress(UnsatisfiableError):
        asked = parse_range(header, size)
        assert asked is None or (asked and set(asked) <= set(range(size)))


@pytest.mark.parametrize("header", ["bytes=0-1,3-4", "lines=0-1", "bytes=", "bytes=-", "bytes=a-b", "0-1", "bytes=٣-٤"])
def test_several_ranges_and_what_is_none_ask_for_all(header: str) -> None:
    """As S3 has it."""
    assert parse_range(header, 10) is None


@given(SIZES, NUMBERS, NUMBERS)
def test_a_range_that_is_copied_lies_in_the_object(size: int, first: int, last: int) -> None:
    """With both of its ends: S3 gives less of a download, and nothing less of a copy."""
    if first <= last < size:
        assert parse_copy_range(f"bytes={first}-{last}", size) == range(first, last + 1)
        return
    with pytest.raises(ValueError, match="bytes="):
        parse_copy_range(f"bytes={first}-{last}", size)
    for header in (f"bytes={first}-", f"bytes=-{last}", f"{first}-{last}"):
        with pytest.raises(ValueError, match=header):
            parse_copy_range(header, size)
