"""Comparators are total: whatever two files hold, they end with a difference or none."""

from __future__ import annotations

import io
import struct
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st
from pyarrow import parquet

from lyftlearn_image.parity.compare.artifacts import compare_files
from lyftlearn_image.parity.compare.registry import COMPARATORS
from lyftlearn_image.parity.compare.rule import Rule
from tests.examples import examples
from tests.parity.compare.hostile_files import RULES, SUFFIXES, hostile_pair, mutate
from tests.parity.compare.large_files import large_pairs

if TYPE_CHECKING:
    from lyftlearn_image.parity.differences import Difference

PAIRS = 1500
# Models are opened in a container of the image that made them, and never on this machine.
IN_CONTAINERS = {"model", "sklearn-model"}


def compare_bytes(
    comparator: str, suffix: str, left: bytes, right: bytes, rule: dict[str, Any] | None = None
) -> tuple[Difference, ...]:
    """What is found in two files with these bytes; every text of it can be written to a report."""
    with tempfile.TemporaryDirectory() as directory:
        files = Path(directory, f"left{suffix}"), Path(directory, f"right{suffix}")
        for path, data in zip(files, (left, right), strict=True):
            path.write_bytes(data)
        checked = Rule.model_validate({"compare": comparator, **(rule or {})})
        differences = compare_files("any", files, checked, None).differences  # type: ignore[arg-type]
    for difference in differences:
        for text in (difference.place, difference.left, difference.right, difference.detail):
            (text or "").encode("utf-8")
    return differences


@pytest.mark.parametrize("comparator", sorted(COMPARATORS.keys() - IN_CONTAINERS))
def test_every_comparator_is_tried(comparator: str) -> None:
    """A new one is a new line in the tables of hostile files."""
    assert RULES[comparator]
    assert SUFFIXES[comparator]


@given(st.integers(0, 2**32))
@examples(PAIRS)
def test_a_broken_file_ends_no_comparison(seed: int) -> None:
    """Bits, bytes and pieces of well-formed files are changed; no exception comes, and the same bytes are the same."""
    comparator, suffix, rule, left, right = hostile_pair(seed)
    differences = compare_bytes(comparator, suffix, left, right, rule)
    if left == right:
        assert differences == ()


@pytest.mark.parametrize("seed", range(20))
def test_a_hostile_pair_can_be_made_again(seed: int) -> None:
    """By its number alone."""
    first = hostile_pair(seed)
    assert first == hostile_pair(seed)


@pytest.mark.parametrize("comparator", sorted(RULES))
@given(st.binary(max_size=200), st.binary(max_size=200), st.data())
def test_any_bytes_end_no_comparison(comparator: str, left: bytes, right: bytes, data: st.DataObject) -> None:
    """Of files that nobody wrote as what they are called."""
    suffix, rule = data.draw(st.sampled_from(SUFFIXES[comparator])), data.draw(st.sampled_from(RULES[comparator]))
    compare_bytes(comparator, suffix, left, right, rule)
    assert compare_bytes(comparator, suffix, left, left, rule) == ()


# Text is aligned line by line, which has tests of its own.
@pytest.mark.parametrize("name", [pair.name for pair in large_pairs(40_000)])
def test_what_takes_long_or_expands_ends(name: str) -> None:
    """The pairs that the benchmark measures with 10 MB each, here with 40 kB; each is told to differ, or is close enough."""
    pair = next(pair for pair in large_pairs(40_000) if pair.name == name)
    differences = compare_bytes(pair.comparator, pair.suffix, pair.left, pair.right, pair.rule)
    assert bool(differences) is not pair.is_close


def _parquet(column: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table({"c": column}), file, **options)
    return file.getvalue()


def _npy_that_says(shape: str, descr: str = "'<f8'") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * 16


def _zip_with(*members: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data)
    return file.getvalue()


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


FAR = [pa.array([moment], pa.timestamp("s", zone)) for zone in (None, "Mars/Phobos") for moment in (10**12, 10**12 + 1)]
STRANGE: list[tuple[str, str, bytes, bytes]] = [
    ("array", ".npz", _zip_with(("a.npy", _npy(np.zeros(9))))[:-30], _zip_with(("a.npy", _npy(np.ones(9))))),
    ("array", ".npy", _npy_that_says("(999999999999999999999,)"), _npy_that_says("(2,)")),
    ("array", ".npy", _npy_that_says("(-2,)"), _npy_that_says("(2,)")),
    ("array", ".npy", _npy_that_says("(10**9,)"), _npy_that_says("(2,)")),
    ("array", ".npy", _npy_that_says("(2,)", "'|O'"), _npy_that_says("(2,)")),
    ("array", ".npy", _npy_that_says("(2,)", "'|V2147483000'"), _npy_that_says("(2,)")),
    ("array", ".npy", _npy_that_says("(" * 4000), _npy_that_says("(2,)")),
    ("array", ".npy", _npy_that_says("(4,)", "'<U1'")[:-1] + b"\xff", _npy_that_says("(4,)", "'<U1'")),
    ("array", ".npy", _npy_that_says("(2,)")[:-1], _npy_that_says("(2,)")),
    ("array", ".npy", _npy_that_says("(2,)") + b"more", _npy_that_says("(2,)")),
    ("array", ".npz", _zip_with(("a.npy", _npy(np.zeros(2))), ("b", b"text")), _zip_with(("a.npy", _npy(np.zeros(2))))),
    ("json", ".json", b"[" * 100_000, b"[" * 99_999),
    ("json", ".json", b"[" * 3000 + b"]" * 3000, b"[" * 3000 + b"1" + b"]" * 3000),
    ("json", ".json", b"1" + b"0" * 400, b"1.5"),
    ("json", ".json", b"1" + b"0" * 5000, b"2" + b"0" * 5000),
    ("json", ".json", b"1e400", b"1e500"),
    ("json", ".json", b"-1e999999999999999999999", b"1e-999999999999999999999"),
    ("json", ".json", b'{"a": 1, "a": 2}', b'{"a": 2}'),
    ("json", ".json", b'{"a": 2, "a": 2}', b'{"a": [2, 2]}'),
    ("json", ".json", b'"\\ud800"', b'"\\udfff"'),
    ("json", ".json", b'"\xff"', b'"\xfe"'),
    ("json", ".json", b"0.10000000000000000001", b"0.1"),
    ("json", ".json", b"9007199254740993", b"9007199254740992.0"),
    ("json", ".json", b"9007199254740994", b"9007199254740994.0"),
    ("table", ".csv", b"a,a\n1,2\n", b"a,a\n1,3\n"),
    ("table", ".csv", b",,x\n1,2,3\n", b",,x\n1,2,4\n"),
    ("table", ".csv", b"", b"a\n"),
    ("table", ".csv", b"a\n\x00\n", b"a\n\x01\n"),
    ("table", ".csv", b'a\n"' + b"x" * 200_000 + b'"\n', b'a\n"' + b"y" * 200_000 + b'"\n'),
    ("table", ".csv", b"\xff\xfea\x00\n\x001\x00", b"\xff\xfea\x00\n\x002\x00"),
    ("table", ".csv", b"a;b\n1;1,5\n", b"a;b\n1;1,6\n"),
    ("table", ".csv", b"a;b\n1;2\n", b"a,b\n1,2\n"),
    ("table", ".parquet", _parquet(FAR[0]), _parquet(FAR[1])),
    ("table", ".parquet", _parquet(FAR[2]), _parquet(FAR[3])),
    ("table", ".parquet", _parquet([b"\xff"]), _parquet([b"\xfe"])),
    ("table", ".parquet", _parquet(pa.array([0.5], pa.float16())), _parquet(pa.array([1.5], pa.float16()))),
    ("table", ".parquet", _parquet([1])[:-9], _parquet([2])),
    ("table", ".parquet", _parquet(["x" * 9] * 9), _parquet(["x" * 9] * 8 + ["y" * 9], use_dictionary=False)),
]


@pytest.mark.parametrize("pair", STRANGE, ids=lambda pair: f"{pair[1]} {pair[2][:20]!r}")
def test_strange_files_that_differ_are_told_to_differ(pair: tuple[str, str, bytes, bytes]) -> None:
    """Whichever side is the strange one, by every rule that asks for no tolerance."""
    comparator, suffix, left, right = pair
    for rule in ({}, {"equal_nan": False}):
        assert compare_bytes(comparator, suffix, left, right, rule)
        assert compare_bytes(comparator, suffix, right, left, rule)


@given(st.binary(min_size=1, max_size=300), st.randoms(use_true_random=False))
def test_the_same_bytes_are_the_same_by_any_rule(data: bytes, random: Any) -> None:
    """Before anything is parsed, and so whether it could be."""
    broken = mutate(data, random)
    for comparator, rules in RULES.items():
        for rule in rules:
            assert compare_bytes(comparator, SUFFIXES[comparator][0], broken, broken, rule) == ()
