"""The program that describes a model: what it says of two different values is different."""

from __future__ import annotations

import io
import json
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from sklearn.linear_model import Ridge

from lyftlearn_image.parity.compare import describe_model
from tests.parity.compare.pairs import KEYS
from tests.parity.compare.test_arrays import DTYPES, arrays, elements

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
LEAVES |= st.complex_numbers(allow_nan=False) | st.binary(max_size=3)


@given(arrays(min_size=1), st.data())
def test_another_array_is_described_otherwise(array: Any, data: st.DataObject) -> None:
    """Of any type and shape; the same one alike, and as JSON."""
    assert _said(array) == _said(array.copy())
    index = data.draw(st.sampled_from(list(np.ndindex(array.shape))))
    changed = array.copy()
    changed[index] = data.draw(elements(array.dtype))
    assume(changed.tobytes() != array.tobytes())
    assume(not np.all(np.atleast_1d(changed == array)))
    assume(not (array.dtype.kind in "fc" and np.isnan(array[index]) and np.isnan(changed[index])))
    assert _said(array) != _said(changed)
    assert _said(array) != _said(array.reshape((1, *array.shape)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_large_array_is_described_by_a_digest(dtype: Any) -> None:
    """Any of its values changes it."""
    array = np.zeros(describe_model.SHOWN_VALUES + 1, dtype)
    changed = array.copy()
    changed[-1] = np.ones(1, "u1").astype("S1").astype(dtype)[0] if dtype.kind in "US" else np.frombuffer(
        b"\x01" * dtype.itemsize, dtype)[0]  # fmt: skip
    assert "values" not in _said(array)
    assert len(_said(array)["digest"]) == 64
    assert _said(array) != _said(changed)
    assert _said(array[:-1]) != _said(array)


def test_a_small_array_is_described_by_its_values() -> None:
    """Up to 2,000 of them, so that a report can say which one differs; the mean of more says how far they are."""
    assert _said(np.arange(3)) == {"dtype": "int64", "shape": [3], "values": [0, 1, 2]}
    assert _said(np.arange(2000.0))["values"][-1] == 1999
    assert _said(np.array([1.0, np.nan] * 1500))["mean"] == 1


@given(
    st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=5),
    LEAVES,
)
def test_another_value_is_described_otherwise(value: Any, other: Any) -> None:
    """Wherever in a list, a tuple or a mapping it stands."""
    assert _said(value) == _said(value)
    assume(type(value) is not type(other) or value != other)
    assume(not {type(value), type(other)} <= {bool, int, float} or value != other)
    assume(not isinstance(other, str) or other != describe_model.to_json(value))
    for wrap in (lambda each: [1, each], lambda each: (each,), lambda each: {"a": {1: each}}):
        assert _said(wrap(value)) != _said(wrap(other))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float64(0.5), 0.5), (np.int8(3), 3), (np.bool_(1), True), (np.complex128(1j), "1j"), (np.bytes_(b"a"), "b'a'"),
        (np.longdouble(1), repr(np.longdouble(1))),
        ({1: (2, None)}, {"1": [2, None]}), (Ridge(), "sklearn.linear_model._ridge.Ridge"), (True, True),
    ],
)  # fmt: skip
def test_how_a_value_is_described(value: Any, expected: Any) -> None:
    """A number of numpy is a number; what is none of the known kinds is its type."""
    assert _said(value) == expected


def test_a_model_is_described_by_class_parameters_fit_and_predictions() -> None:
    """Predictions where there are rows to predict on."""
    data = np.arange(6.0).reshape(3, 2)
    model, file, rows = Ridge(alpha=0.5).fit(data, data[:, 0]), io.BytesIO(), io.BytesIO()
    joblib.dump(model, file)
    np.save(rows, data)
    file.seek(0), rows.seek(0)
    found = describe_model.describe_model(file, rows, ".npy")
    assert found["class"] == "sklearn.linear_model._ridge.Ridge"
    assert found["parameters"]["alpha"] == 0.5
    assert found["fitted"]["coef_"]["values"] == model.coef_.tolist()
    assert found["predict"]["values"] == model.predict(data).tolist()
    file.seek(0)
    assert set(describe_model.describe_model(file, None, "")) == {"class", "parameters", "fitted"}


def test_only_what_fitting_made_is_described() -> None:
    """Attributes that end with an underscore and are not private."""

    class Model:
        def __init__(self) -> None:
            self.coef_, self.alpha, self._private_ = 1, 2, 3

    assert describe_model.fitted_attributes(Model()) == {"coef_": 1}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_rows_are_read_by_their_suffix(suffix: str, tmp_path: Any) -> None:
    """As pandas reads them."""
    import pandas as pd

    frame = pd.DataFrame({"a": [1, 2]})
    path = tmp_path / f"rows{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    with path.open("rb") as file:
        assert describe_model.read_rows(file, suffix).to_dict() == frame.to_dict()


def _said(value: Any) -> Any:
    return json.loads(json.dumps(describe_model.to_json(value)))
