"""Pickles as data: what is in one is compared wherever it is, and nothing of it runs."""

from __future__ import annotations

import collections
import copy
import datetime as dt
import decimal
import enum
import functools
import io
import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import assume, given, reject, strategies as st

from lyftlearn_image.parity.compare.model_files.process import compare_here
from lyftlearn_image.parity.compare.options import Options
from tests.parity.compare.model_files.pairs_of_models import PLAIN_WRITERS, WRITERS, differences, pickler, places
from tests.parity.compare.pairs import KEYS
from tests.parity.compare.test_arrays import DTYPES, arrays, elements


class Plain:
    """A class of a team's own."""

    def __init__(self, inside: Any) -> None:
        self.inside = inside


class Slots:
    """One with slots."""

    __slots__ = ("_private", "inside")

    def __init__(self, inside: Any) -> None:
        self.inside = inside
        self._private = 1


class Reduced(list[Any]):
    """One that says itself how it is made, with a state, items and pairs."""

    def __init__(self, inside: Any) -> None:
        super().__init__([inside])
        self.inside = inside

    def __reduce_ex__(self, _: Any) -> Any:
        """Made of nothing, and then given everything."""
        return (Reduced, (None,), {"inside": self.inside}, iter([self.inside]), None)


class Color(enum.Enum):
    """An enumeration."""

    RED = 1
    BLUE = 2


@dataclass
class Data:
    """A dataclass."""

    inside: Any


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3)
LEAVES |= st.complex_numbers() | st.dates() | st.decimals(allow_nan=False) | st.integers(10**400, 10**400 + 2)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS | st.integers() | st.tuples(st.integers(), KEYS), inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=3).map(collections.OrderedDict)
        | st.sets(st.integers() | KEYS, max_size=3)
        | st.frozensets(st.integers() | KEYS, max_size=3)
        | inner.map(Slots)
        | inner.map(Plain)
        | inner.map(Reduced)
    ),
    max_leaves=8,
)


def without_old_slots(write: Any) -> Any:
    """Writes as `write` does, and gives up what protocols 0 and 1 cannot write."""

    def written(value: Any, path: Path) -> None:
        try:
            write(value, path)
        except TypeError as error:
            if "__slots__" not in str(error):
                raise
            reject()

    return written


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@given(value=VALUES)
def test_a_model_is_the_same_as_itself(write: Any, value: Any) -> None:
    """However often it is written, by whatever writes it; a set in any order, NaN too."""
    assert differences(value, copy.deepcopy(value), without_old_slots(write)) == ()


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@given(value=VALUES, other=LEAVES, wrap=st.sampled_from([
    lambda each: [1, each], lambda each: (each,), lambda each: {"a": {1: each}}, Plain, Slots, Reduced, Data,
    lambda each: collections.OrderedDict(a=each), lambda each: functools.partial(print, each),
    lambda each: [Plain(Slots(each))],
    lambda each: collections.deque([each]), lambda each: collections.defaultdict(list, a=each),
    lambda each: np.array([None, each, "a"], dtype=object), lambda each: pd.Series([each, "a"], dtype=object),
]))  # fmt: skip
def test_another_value_anywhere_is_a_difference(write: Any, value: Any, other: Any, wrap: Any) -> None:
    """Wherever in an object it stands: an attribute, a slot, an item, a key's value, an argument; also of another type only."""
    assume(type(value) is not type(other) or not (value == other or value != value))  # noqa: PLR0124 - NaN
    assert differences(wrap(value), wrap(other), without_old_slots(write))


@pytest.mark.parametrize("write", PLAIN_WRITERS.values(), ids=PLAIN_WRITERS)
@given(array=arrays(min_size=1), data=st.data())
def test_an_array_is_compared_by_its_values(write: Any, array: Any, data: st.DataObject) -> None:
    """Of any type and shape, in either order of memory; the place says which value differs."""
    assert differences({"a": array}, {"a": array.copy(order="F")}, write) == ()
    index = data.draw(st.sampled_from(list(np.ndindex(array.shape))))
    changed = array.copy()
    changed[index] = data.draw(elements(array.dtype))
    is_same = changed[index].tobytes() == array[index].tobytes() or bool(changed[index] == array[index])
    is_nan = array.dtype.kind in "fcmM" and array[index] != array[index] and changed[index] != changed[index]
    # A complex number may be no number in one of its parts only.
    assume(not (array.dtype.kind == "c" and is_nan))
    found = differences({"a": array}, {"a": changed}, write)
    assert bool(found) != (is_same or is_nan)
    assert all(place.startswith("/a[") for place in places(found))
    assert differences({"a": array}, {"a": array.reshape((1, *array.shape))}, write)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_any_value_of_a_large_array_counts(dtype: Any) -> None:
    """Of more than 2,000 too; and the tolerance applies to them."""
    array = np.zeros(5000, dtype)
    changed = array.copy()
    changed[-1] = np.ones(1, "u1").astype("S1").astype(dtype)[0] if dtype.kind in "US" else np.frombuffer(
        b"\x01" * dtype.itemsize, dtype)[0]  # fmt: skip
    assert differences(array, changed)
    assert differences(array, array.copy()) == ()
    numbers = np.arange(1.0, 5001)
    assert differences(numbers, numbers * (1 + 1e-12), rtol=1e-9) == ()
    assert differences(numbers, numbers * (1 + 1e-6), rtol=1e-9)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({1: "a"}, {"1": "a"}), ({1: "a"}, {1.5: "a"}), ({"[1]": "a"}, {1: "a"}), ({None: 1}, {"None": 1}),
        ({(1, "2"): 1}, {(1, 2): 1}),
        (1, 1.0), (1, True), ("a", b"a"), (bytearray(b"a"), b"a"), ([1], (1,)), ({1}, frozenset({1})), ({1}, {2}),
        ({"a"}, {"a", "b"}),
        (np.float64(1), 1.0), (np.float32(1), np.float64(1)), (np.zeros(3, "f4"), np.zeros(3)),
        (np.zeros((2, 1)), np.zeros((1, 2))),
        (Color.RED, Color.BLUE), (Plain, Slots), (len, repr), (range(3), range(4)), (slice(1), slice(2)), (1j, 2j),
        (re.compile("a"), re.compile("b")), (re.compile("a"), re.compile("a", re.IGNORECASE)),
        (dt.timedelta(1), dt.timedelta(2)),
        (decimal.Decimal("1.0"), decimal.Decimal("1.00")), (Path("a"), Path("b")),
        (functools.partial(int, base=2), functools.partial(int, base=8)),
        (scipy.sparse.eye(3, format="csr"), scipy.sparse.eye(3, k=1, format="csr")),
        (scipy.sparse.eye(3).tocsr(), scipy.sparse.eye(3).tocsc()),
        (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [1, 3]})), (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})),
        (pd.Series(["x", None]), pd.Series(["x", "y"])),
        (pd.Categorical(["a", "b"]), pd.Categorical(["a", "a"], categories=["a", "b"])),
        (pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-02")),
        (np.random.RandomState(1), np.random.RandomState(2)),
        (np.random.default_rng(1), np.random.default_rng(2)),
        (np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0])),
        (np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]), np.array([(1, 3.0)], dtype=[("a", "i4"), ("b", "f8")])),
        (np.array([[1, "a"], [None, 2]], dtype=object), np.array([[1, "a"], [None, 3]], dtype=object)),
        (np.matrix([[1, 2]]), np.matrix([[1, 3]])), (np.array(["a", "b"]), np.array(["a", "c"])),
        (np.zeros(2), np.matrix([[0, 0]])),
        (np.array(["2026-01-01"], "M8[D]"), np.array(["2026-01-01"], "M8[s]")),
        (collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1)),
        (collections.Counter("aab"), collections.Counter("abb")),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
@pytest.mark.parametrize("write", PLAIN_WRITERS.values(), ids=PLAIN_WRITERS)
def test_two_values_that_are_alike_are_told_apart(write: Any, left: Any, right: Any) -> None:
    """By type, key, order where it means something, element, and the class of a thing."""
    assert differences(left, left, write) == ()
    assert differences(right, copy.deepcopy(right), write) == ()
    assert differences({"m": left}, {"m": right}, write)
    assert differences({"m": right}, {"m": left}, write)


def test_a_dictionary_has_no_order_and_a_set_neither() -> None:
    """The order in which keys came in says nothing."""
    assert differences({"a": 1, "b": {2: 3, 4: 5}}, {"b": {4: 5, 2: 3}, "a": 1}) == ()
    names = [f"name {number}" for number in range(50)]
    assert differences(set(names), {*names[25:], *names[:25]}) == ()


def test_cycles_and_shared_parts_end() -> None:
    """A model that holds itself, lists that hold each other, and a part that is found on 2^60 ways."""

    def made(last: int) -> Any:
        model: Any = Plain([])
        model.itself, model.inside = model, [model, {"back": model}]
        first: list[Any] = []
        second = [first]
        first.append(second)
        wide: Any = [last]
        for _ in range(60):
            wide = [wide, wide]
        return {"model": model, "ring": first, "wide": wide}

    for write in WRITERS.values():
        assert differences(made(1), made(1), write) == ()
        assert differences(made(1), made(2), write)


def test_what_is_shared_is_the_same_as_equal_copies() -> None:
    """One list in two places, and two equal ones."""
    shared = [1, 2]
    assert differences([shared, shared], [[1, 2], [1, 2]]) == ()
    assert differences([shared, shared], [[1, 2], [1, 3]])


def test_depth_is_no_limit() -> None:
    """Linked lists of a team's own."""
    data = b"\x80\x04" + b"]" * 20_000 + b"a" * 19_999 + b"."
    other = b"\x80\x04" + b"]" * 20_000 + b"K\x01a" + b"a" * 19_999 + b"."
    write = lambda value, path: path.write_bytes(value)  # noqa: E731
    assert differences(data, data, write) == ()
    assert len(differences(data, other, write)) == 1


def test_lambdas_and_closures_are_compared_by_their_code() -> None:
    """As cloudpickle writes them, with what they close over; the random identifiers of classes count for nothing."""

    def made(number: int) -> Any:
        class Local:
            factor = number

            def predict(self, rows: Any) -> Any:
                """Closes over a number."""
                return [row * number for row in rows]

        return {"f": lambda x: x + number, "model": Local(), "class": Local}

    write = WRITERS["cloudpickle"]
    assert differences(made(1), made(1), write) == ()
    assert differences(made(1), made(2), write)
    assert differences(lambda x: x + 1, lambda x: x + 2, write)
    assert differences(lambda x: x + 1, lambda x: x - 1, write)


class Effect:
    """Calls a function when it is opened, and is thrown away or kept."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> Any:
        """What a pickle can do."""
        return (exec, (f"open({self.name!r}, 'w')",))


def test_nothing_of_a_pickle_runs(tmp_path: Path) -> None:
    """Neither what it makes nor what it only calls."""
    assert differences(Effect(str(tmp_path / "ran")), Effect(str(tmp_path / "ran2")))
    assert list(tmp_path.iterdir()) == []


def test_what_a_pickle_throws_away_counts() -> None:
    """It may have changed what the rest means."""
    plain = pickle.dumps({"a": 1}, 2)
    write = lambda value, path: path.write_bytes(value)  # noqa: E731

    def with_effect(name: str) -> bytes:
        return pickle.dumps(Effect(name), 2)[:-1] + b"0" + plain[2:]

    assert differences(with_effect("a"), with_effect("a"), write) == ()
    assert differences(with_effect("a"), with_effect("b"), write)
    assert differences(with_effect("a"), plain, write)
    # A state that is set on a name: a class, for everyone.
    state = [b"\x80\x02cbuiltins\nlist\n}X\x01\x00\x00\x00aK%csb0" % number + plain[2:] for number in (b"\x01", b"\x02")]
    assert differences(state[0], state[0], write) == ()
    assert differences(state[0], state[1], write)


def test_pickles_that_follow_each_other_are_all_compared() -> None:
    """And what follows them, if it is none."""

    def write(values: Any, path: Path) -> None:
        path.write_bytes(b"".join(value if isinstance(value, bytes) else pickle.dumps(value) for value in values))

    assert differences([1, 2], [1, 2], write) == ()
    assert differences([1, 2], [1, 3], write)
    assert differences([1, 2], [1], write)
    assert differences([1, b"\x00junk"], [1, b"\x00junk"], write) == ()
    assert differences([1, b"\x00junk"], [1, b"\x00JUNK"], write)


def test_a_part_can_be_ignored_and_a_tolerance_given() -> None:
    """By its pointer, at any depth; numbers within the tolerance are the same."""
    left, right = {"a": {"b": [1.0, 2.0]}, "c": 1}, {"a": {"b": [1.0, 2.5]}, "c": 2}
    assert places(differences(left, right)) == ["/a/b/1", "/c"]
    assert places(differences(left, right, ignore=("/a/*",))) == ["/c"]
    assert differences(left, right, ignore=("/c",), atol=0.5) == ()
    assert differences(np.float64(1), np.float64(1.1), rtol=0.2) == ()


@pytest.mark.parametrize("write", [pickler(2), pickler(5), joblib.dump])
@given(data=st.data())
def test_a_damaged_file_ends_with_a_difference_or_none(write: Any, data: st.DataObject) -> None:
    """Bytes changed, taken out or cut off at any place: nothing is raised, and what cannot be read is never parity."""
    buffer = io.BytesIO()
    model = {"a": np.arange(3.0), "b": Plain([1, {2}]), "c": np.array([None, "x"], dtype=object)}
    joblib.dump(model, buffer) if write is joblib.dump else pickle.dump(model, buffer, 2 if write is not joblib.dump else 5)
    whole = buffer.getvalue()
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, min(len(whole), start + 4)))
    damaged = whole[:start] + data.draw(st.binary(max_size=6)) + whole[stop:]
    raw = lambda value, path: path.write_bytes(value)  # noqa: E731
    differences(whole, damaged, raw)
    cut = differences(whole, whole[:start], raw)
    assert bool(cut) == (start < len(whole))


def test_a_file_that_cannot_be_looked_into_is_not_comparable(tmp_path: Path) -> None:
    """No pickle, an empty file, one that wants buffers that are not in it."""
    good, bad = tmp_path / "good.pkl", tmp_path / "bad.pkl"
    good.write_bytes(pickle.dumps(1))
    for content in (b"", b"no pickle", b"\x80\x05\x97.", b"\x1f\x8b\x08 damaged", b"x\x9c damaged", b"BZh9 damaged"):
        bad.write_bytes(content)
        (found,) = compare_here(good, bad, Options())
        assert found.detail.startswith("not comparable: bad.pkl cannot be looked into: ")


def test_cloudpickle_is_what_it_was() -> None:
    """The names under which it makes classes, which this reader knows."""
    assert callable(cloudpickle.cloudpickle._make_skeleton_class)
    assert callable(cloudpickle.cloudpickle._make_skeleton_enum)
