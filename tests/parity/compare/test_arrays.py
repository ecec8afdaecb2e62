"""Arrays: what is the same is the same, and a changed value is found at its index."""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from hypothesis.extra import numpy as npst

from lyftlearn_image.parity.compare.arrays import compare_arrays
from lyftlearn_image.parity.compare.options import Options
from lyftlearn_image.parity.differences import Difference
from tests.parity.compare.pairs import EXACT, compare_written

RECORD = np.dtype([("id", "<i4"), ("score", "<f8"), ("name", "<U3"), ("point", "<f4", (2,))])
DTYPES = [
    np.dtype(name)
    for name in (
        "?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "longdouble", "c8", "c16",
        "S3", "U3", "M8[s]", "M8[ns]", "m8[ms]", ">i4", ">f8", "V3", RECORD,
    )
]  # fmt: skip
SHAPES = npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


def elements(dtype: np.dtype[Any]) -> st.SearchStrategy[Any]:
    """Values of this type, NaN and infinities among them."""
    if dtype.kind == "V" and not dtype.names:
        return st.binary(min_size=dtype.itemsize, max_size=dtype.itemsize).map(lambda data: np.frombuffer(data, dtype)[0])
    if dtype.names:
        return st.tuples(*(
            elements(base) if not shape else st.tuples(*[elements(base)] * shape[0])
            for base, shape in ((dtype[name].base, dtype[name].shape) for name in dtype.names)
        ))  # fmt: skip
    if dtype.kind in "SU":
        return npst.from_dtype(dtype, max_size=3)
    return npst.from_dtype(dtype)


@st.composite
def arrays(draw: st.DrawFn, min_size: int = 0) -> Any:
    """An array of any type and shape."""
    dtype, shape = draw(st.sampled_from(DTYPES)), draw(SHAPES)
    assume(math.prod(shape) >= min_size)
    array = np.zeros(shape, dtype)
    for index in np.ndindex(shape):
        array[index] = draw(elements(dtype))
    return array


def compare_npy(left: Any, right: Any, rule: dict[str, Any] | None = None) -> tuple[Difference, ...]:
    """What is found in two .npy files with these arrays."""
    return compare_written("a.npy", np.save, (left, right), {"compare": "array", **(rule or {})})


def compare_npz(left: dict[str, Any], right: dict[str, Any], rule: dict[str, Any] | None = None) -> tuple[Difference, ...]:
    """What is found in two .npz files with these members."""

    def write(path: Path, members: dict[str, Any]) -> None:
        np.savez(path, **members)

    return compare_written("a.npz", write, (left, right), {"compare": "array", **(rule or {})})


@given(arrays())
def test_an_array_is_the_same_as_itself(array: Any) -> None:
    """Of any type and shape, NaN and NaT included."""
    assert compare_npy(array, array.copy()) == ()
    assert compare_npz({"a": array}, {"a": array.copy()}) == ()


@given(arrays(min_size=1), st.data())
def test_a_changed_value_is_told_at_its_index(left: Any, data: st.DataObject) -> None:
    """The value of both sides, and that it is the only one."""
    index = data.draw(st.sampled_from(list(np.ndindex(np.atleast_1d(left).shape))))
    right = np.atleast_1d(left).copy()
    right[index] = data.draw(elements(left.dtype))
    old, new = np.atleast_1d(left)[index], right[index]
    # NaN equals NaN, and what a fixed type rounds or cuts off is no change. Within a record, NaN is NaN too.
    assume(not _is_same(old, new))
    (difference,) = compare_npy(left, right.reshape(left.shape))
    assert difference.place == f"[{', '.join(map(str, index))}]"
    assert difference.detail.startswith(f"1 of {left.size} values differ")
    (named,) = compare_npz({"first": left, "z": left}, {"first": left, "z": right.reshape(left.shape)})
    assert named.place == f"z{difference.place}"


def _is_same(left: Any, right: Any) -> bool:
    if getattr(left, "dtype", None) is not None and left.dtype.names:
        return all(np.all([_is_same(*pair) for pair in zip(np.ravel(left[name]), np.ravel(right[name]), strict=True)])
                   for name in left.dtype.names)  # fmt: skip
    return bool(left == right) or bool(left != left and right != right)  # noqa: PLR0124 - NaN


@given(arrays(), st.sampled_from(DTYPES))
def test_another_type_or_shape_is_told(left: Any, dtype: np.dtype[Any]) -> None:
    """Also where the values are the same."""
    if dtype != left.dtype:
        expected = Difference("", f"{left.dtype}, shape {left.shape}", f"{dtype}, shape {left.shape}", "type or shape")
        assert compare_npy(left, np.zeros(left.shape, dtype)) == (expected,)
    expected = Difference("", f"{left.dtype}, shape {left.shape}", f"{left.dtype}, shape {(1, *left.shape)}", "type or shape")
    assert compare_npy(left, left.reshape((1, *left.shape))) == (expected,)


@given(st.dictionaries(st.sampled_from("abcd"), arrays(), min_size=1), st.data())
def test_a_missing_member_is_told_by_its_name(members: dict[str, Any], data: st.DataObject) -> None:
    """On whichever side it is missing, and the others are compared all the same."""
    name = data.draw(st.sampled_from(sorted(members)))
    fewer = {each: array for each, array in members.items() if each != name}
    form = f"{members[name].dtype}, shape {members[name].shape}"
    assert compare_npz(members, fewer) == (Difference(name, form, None),)
    assert compare_npz(fewer, members) == (Difference(name, None, form),)
    found = compare_npz({**members, "e": np.zeros(1)}, {**fewer, "e": np.ones(1)})
    assert [each.place for each in found] == [name, "e[0]"]


# By their bits: of the floats that Hypothesis draws, most are no half.
HALVES = st.integers(0, 2**16 - 1).map(lambda bits: np.uint16(bits).view(np.float16)).filter(np.isfinite)


@pytest.mark.parametrize("dtype", ["i1", "i8", "u1", "u8", "f2", "f4", "f8"])
@given(st.data())
def test_the_largest_distance_is_told(dtype: str, data: st.DataObject) -> None:
    """How many values differ, by how much at most, and where that is."""
    number = np.dtype(dtype)
    elements = HALVES if dtype == "f2" else npst.from_dtype(number, allow_nan=False, allow_infinity=False)
    values = data.draw(npst.arrays(number, st.integers(1, 6), elements=elements))
    other = data.draw(npst.arrays(number, values.shape, elements=elements))
    exact = [abs(_exactly(a) - _exactly(b)) for a, b in zip(values.tolist(), other.tolist(), strict=True)]
    found = compare_arrays(values, other, EXACT)
    if not any(exact):
        assert found is None
        return
    assert found is not None
    assert found.detail.startswith(f"{sum(each > 0 for each in exact)} of {len(exact)} values differ, largest |Δ| ")
    told = float(found.detail.rpartition(" ")[2])
    # Two floats may be further apart than any float is large.
    assert max(exact) > 1.7e308 if math.isinf(told) else abs(_exactly(told) - max(exact)) <= max(exact) / 100
    position = int(found.place[1:-1])
    assert exact[position] >= max(exact) * _exactly(1 - 1e-9) or math.isinf(told)
    assert (found.left, found.right) == (repr(values[position].item()), repr(other[position].item()))


def _exactly(number: float) -> Any:
    from fractions import Fraction

    return Fraction(number)


@pytest.mark.parametrize(
    ("dtype", "left", "right", "options", "is_same"),
    [
        ("f8", 1.0, 1.0 + 1e-10, {"rtol": 1e-9}, True),
        ("f8", 1.0, 1.0 + 1e-8, {"rtol": 1e-9}, False),
        ("f8", 1.0, 2.0, {"atol": 1}, True),
        ("f8", 1.0, 2.0, {"atol": 0.9}, False),
        ("c16", 1.0, 1.0 + 1e-10j, {"atol": 1e-9}, True),
        ("f8", math.nan, math.nan, {"equal_nan": False}, False),
        ("c16", math.nan, math.nan, {"equal_nan": False}, False),
        ("M8[s]", "NaT", "NaT", {"equal_nan": False}, False),
        ("f8", math.inf, math.inf, {}, True),
        ("f8", math.inf, 1.0, {"rtol": 1}, False),
        ("i8", 10, 11, {"atol": 1}, True),
        ("i8", 10, 12, {"atol": 1}, False),
        ("i8", 11, 10, {"rtol": 0.1}, True),
        ("i8", 10, 11, {}, False),
        ("i8", 2**62, 2**62 + 1, {"atol": 0.5}, False),
        ("i8", -(2**63), 2**63 - 1, {"rtol": 0.5}, False),
        ("u8", 2**64 - 1, 0, {"atol": 1}, False),
        ("u1", 1, 255, {"atol": 1}, False),
        ("u1", 255, 254, {"atol": 1}, True),
        ("?", True, False, {"atol": 1}, False),
        (RECORD, (1, 1.0, "a", (0, 0)), (1, 1.5, "a", (0, 0.5)), {"atol": 0.5}, True),
        (RECORD, (1, 1.0, "a", (0, 0)), (1, 1.5, "a", (0, 0.5)), {"atol": 0.4}, False),
    ],
)
def test_the_tolerance_of_the_rule(dtype: Any, left: Any, right: Any, options: dict[str, Any], *, is_same: bool) -> None:
    """For floats, complex numbers, integers of any size, and the fields of records."""
    pair = np.array(left, dtype), np.array(right, dtype)
    assert (compare_arrays(*pair, Options(**options)) is None) is is_same


@pytest.mark.parametrize(
    ("left", "right", "place", "detail"),
    [
        ([1.0, 2.0, 5.0], [1.5, 2.0, 7.0], "[2]", "2 of 3 values differ, largest |Δ| 2"),
        ([1.0, math.nan], [1.0, 2.0], "[1]", "1 of 2 values differ, largest |Δ| 0"),
        ([1.0, math.nan, 3.0], [1.0, 2.0, 4.0], "[2]", "2 of 3 values differ, largest |Δ| 1"),
        ([[1, 2], [3, 4]], [[1, 2], [5, 4]], "[1, 0]", "1 of 4 values differ, largest |Δ| 2"),
        (["a", "b"], ["a", "c"], "[1]", "1 of 2 values differ"),
        ([1j], [2j], "[0]", "1 of 1 values differ"),
        (5, 6, "[0]", "1 of 1 values differ, largest |Δ| 1"),
    ],
)
def test_a_difference_says_where_and_how_much(left: Any, right: Any, place: str, detail: str) -> None:
    """NaN beside a number has no distance; what is no number has none at all."""
    found = compare_arrays(np.array(left), np.array(right), EXACT, "m")
    assert found is not None
    assert (found.place, found.detail) == (f"m{place}", detail)


@pytest.mark.parametrize("dtype", ["f2", "f4", "i2"])
def test_a_distance_may_be_larger_than_the_type_holds(dtype: str) -> None:
    """It is computed in a wider one."""
    largest = float(np.finfo(dtype).max) if dtype != "i2" else 32767.0
    found = compare_arrays(np.array([largest], dtype), np.array([-largest], dtype), EXACT)
    assert found is not None
    assert found.detail == f"1 of 1 values differ, largest |Δ| {2 * largest:.3g}"


def test_within_the_tolerance_nothing_is_counted() -> None:
    """Only what is beyond it counts, and has a distance."""
    found = compare_arrays(np.array([1.0, 2.0]), np.array([1.5, 4.0]), Options(atol=1))
    assert found == Difference("[1]", "2.0", "4.0", "1 of 2 values differ, largest |Δ| 2")


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_what_needs_pickle_or_is_no_array_is_not_loaded(name: str) -> None:
    """A pickle would run what its author put into it."""

    def write(path: Path, array: Any) -> None:
        with path.open("wb") as file:
            np.savez(file, a=array) if name.endswith("z") else np.save(file, array, allow_pickle=True)

    (difference,) = compare_written(name, write, (np.array([{}], dtype=object), np.zeros(1)), {"compare": "array"})
    assert (difference.left, difference.right) == (f"left-{name}", f"right-{name}")
    assert difference.detail.startswith("not a numpy file that can be read without pickle: ")
    (difference,) = compare_written(name, Path.write_bytes, (b"\x93NUM", b""), {"compare": "array"})
    assert "not a numpy file" in difference.detail


@pytest.mark.parametrize("packed", ["npy", "npz", "compressed"])
@pytest.mark.parametrize("order", ["CC", "FF", "CF"])
@given(st.integers(1, 40), st.integers(1, 7), st.data())
def test_a_change_is_found_in_whichever_piece_it_is(
    packed: str, order: str, piece: int, columns: int, data: st.DataObject
) -> None:
    """Files are read piece by piece, from the first bytes that differ; no value is left out at the edge of one."""
    shape = (31, columns)
    index = data.draw(st.tuples(*(st.integers(0, side - 1) for side in shape)))
    left = np.arange(math.prod(shape), dtype="f4").reshape(shape)
    right = left.copy()
    right[index] = np.nan
    save = {"npy": np.save, "npz": np.savez, "compressed": np.savez_compressed}[packed]
    rule = {"compare": "array", **data.draw(st.sampled_from([{}, {"equal_nan": False}, {"rtol": 0.1}]))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lyftlearn_image.parity.compare.binary._CHUNK_BYTES", piece)
        patch.setattr("lyftlearn_image.parity.compare.npy._CHUNK_BYTES", piece * 3)
        sides = np.asarray(left, order=order[0]), np.asarray(right, order=order[1])  # type: ignore[call-overload]
        (difference,) = compare_written("a.npy", _saving(save), sides, rule)
    assert difference.place.endswith(f"[{index[0]}, {index[1]}]")
    assert difference.detail.startswith(f"1 of {left.size} values differ")


def _saving(save: Any) -> Any:
    def write(path: Path, array: Any) -> None:
        with path.open("wb") as file:
            save(file, array)

    return write


def test_members_of_one_name_are_all_compared() -> None:
    """A reader that takes the last one would not see the others."""

    def write(path: Path, arrays: list[Any]) -> None:
        with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings(action="ignore"):
            for array in arrays:
                file = io.BytesIO()
                np.save(file, array)
                archive.writestr("a.npy", file.getvalue())

    found = compare_written("a.npz", write, ([np.zeros(2), np.ones(2)], [np.ones(2), np.ones(2)]), {"compare": "array"})
    assert [each.place for each in found] == ["a[0]"]
    found = compare_written("a.npz", write, ([np.ones(2), np.zeros(2)], [np.ones(2), np.ones(2)]), {"compare": "array"})
    assert [each.place for each in found] == ["a (2)[0]"]
