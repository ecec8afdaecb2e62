"""Predictions: what a container says is read by a schema, and any change in it is found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import assume, given, strategies as st

from lyftlearn_image.errors import RunError
from lyftlearn_image.parity.compare import predict_model
from lyftlearn_image.parity.compare.model_reply import read_reply
from lyftlearn_image.parity.compare.options import Options
from lyftlearn_image.parity.compare.predictions import compare_predictions
from tests.parity.compare.pairs import EXACT
from tests.parity.compare.test_arrays import arrays, elements

if TYPE_CHECKING:
    from lyftlearn_image.parity.compare.model_reply import Reply
    from lyftlearn_image.parity.differences import Difference


def reply_of(value: Any, **changes: Any) -> Reply:
    """What comes of a model that predicts this value, through JSON as from a container."""
    model = {"model": "", "rows": "X", "values": {"predict": predict_model.to_data(value)}, "failed": {}, **changes}
    return read_reply(json.dumps({"models": [model]}).encode())


def compared(left: Any, right: Any, options: Options = EXACT) -> list[Difference]:
    """What is found in two predictions."""
    return list(compare_predictions(reply_of(left), reply_of(right), options))


@given(array=arrays(min_size=1), data=st.data())
def test_any_other_value_is_found(array: Any, data: st.DataObject) -> None:
    """Of numbers, words and times, of any shape; as a list too."""
    assert compared(array, array.copy()) == []
    index = data.draw(st.sampled_from(list(np.ndindex(array.shape))))
    other = array.copy()
    other[index] = data.draw(elements(array.dtype))
    assume(other.tobytes() != array.tobytes())
    assume(not np.all(np.atleast_1d(other == array)))
    assume(not (array.dtype.kind in "fcmM" and array[index] != array[index] and other[index] != other[index]))
    assert [each.place.partition("[")[0] for each in compared(array, other)] == ["/predict"]
    assert compared(array, array.reshape((1, *array.shape)))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (np.array(["red", "blue"], dtype=object), np.array(["red", "green"], dtype=object)), (["a", "b"], ["a", "c"]),
        (np.array([1, "a", None], dtype=object), np.array([1, "a", 0], dtype=object)), ([1, 2], [1, 3]),
        ([[1], [2, 3]], [[1], [2, 4]]),
        (scipy.sparse.eye(3, format="csr"), scipy.sparse.eye(3, k=1, format="csr")), (scipy.sparse.eye(3), scipy.sparse.eye(4)),
        (pd.Series(["x", None]), pd.Series(["x", "y"])),
        (pd.DataFrame({"a": [1], "b": ["x"]}), pd.DataFrame({"a": [1], "b": ["y"]})),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})), ([np.zeros(2), np.ones(3)], [np.zeros(2), np.zeros(3)]),
        (np.zeros(2), ["0", "0"]), (np.zeros(3000), np.append(np.zeros(2999), 1)), ([True], [1]), ([], [1.0]),
        (scipy.sparse.eye(3, format="csr"), np.eye(3)), (["1"], [1]), ([2**70], [2**70 + 1]),
    ],
    ids=lambda value: repr(value)[:30].replace("\n", " "),
)  # fmt: skip
def test_predictions_of_every_kind(left: Any, right: Any) -> None:
    """Words, objects, rows of several lengths, sparse matrices, series and tables, and more than 2,000 of them."""
    assert compared(left, left) == []
    assert compared(left, right)
    assert compared(right, left)


def test_the_tolerance_applies_to_all_of_them() -> None:
    """Over 2,000 values, in sparse matrices and in arrays of objects that are numbers."""
    values = np.linspace(1, 2, 5000)
    close = values * (1 + 1e-13)
    rule = Options(rtol=1e-9)
    assert compared(values, close)
    assert compared(values, close, rule) == []
    assert compared(scipy.sparse.csr_matrix(values), scipy.sparse.csr_matrix(close), rule) == []
    assert compared(values.astype(object), close.astype(object), rule) == []


def test_a_sparse_matrix_is_the_same_in_any_order() -> None:
    """Of its entries, in any format, with entries that are zero or come twice."""
    left = scipy.sparse.coo_matrix(([1.0, 2.0, 0.0], ([0, 1, 1], [1, 0, 1])), (2, 2))
    right = scipy.sparse.coo_matrix(([2.0, 0.5, 0.5], ([1, 0, 0], [0, 1, 1])), (2, 2)).tocsc()
    assert compared(left, right) == []


def test_objects_without_values_are_not_compared() -> None:
    """Only their addresses would tell them apart."""
    with pytest.raises(TypeError, match="have no values"):
        predict_model.to_data(np.array([object()], dtype=object))


def answer_with(**array: Any) -> bytes:
    """An answer with one array of these fields."""
    values = {"predict": {"kind": "array", "dtype": "<f8", "shape": [1], "base64": "", **array}}
    return json.dumps({"models": [{"model": "", "rows": "", "values": values, "failed": {}}]}).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{}", b"[]", b"no JSON", b'{"models": []}', b'{"models": 1}', b'{"error": "why"}',
        b'{"models": [], "error": "why"}',
        b'{"models": [{"model": "", "rows": "", "values": {}, "failed": {}, "more": 1}]}', b"[" * 100_000, b"\xff\xfe",
        answer_with(dtype="O"), answer_with(shape=[-1]), answer_with(kind="pickle"), json.dumps({"error": "x" * 3000}).encode(),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_an_error(text: bytes) -> None:
    """Whatever a model writes in place of predictions."""
    with pytest.raises(RunError):
        read_reply(text)


@pytest.mark.parametrize(
    "array",
    [{"shape": [10**12], "base64": "AAAA"}, {"shape": [2], "base64": "AAAA"}, {"shape": [1], "base64": "no base64!"}],
    ids=["huge", "short", "no base64"],
)
def test_an_array_that_is_not_what_it_says_is_a_difference(array: dict[str, Any]) -> None:
    """It is not comparable, also with itself."""
    reply = read_reply(answer_with(**array))
    (found,) = compare_predictions(reply, reply, EXACT)
    assert found.detail.startswith("not comparable")


def test_other_rows_models_methods_and_failures_are_differences() -> None:
    """Two models are asked the same; where they were not, no agreement counts."""
    base = reply_of(1.0)
    for changes in ({"rows": "Y"}, {"model": "/other"}, {"values": {}}, {"failed": {"transform": "why"}}):
        assert list(compare_predictions(base, reply_of(1.0, **changes), EXACT))
