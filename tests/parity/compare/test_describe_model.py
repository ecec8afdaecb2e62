"""The program that describes a model: what it says of two different values is different."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from sklearn.linear_model import Ridge

from lyftlearn_image.parity.compare import describe_model
from tests.parity.compare.pairs import KEYS
from tests.parity.compare.test_arrays import DTYPES, arrays, elements

if TYPE_CHECKING:
    from pathlib import Path

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
    assert _said(np.array(["a", "ü"]))["values"] == ["a", "ü"]
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


def _written(directory: Path, name: str, value: Any) -> int:
    """A descriptor of a file with this model, or with these rows."""
    path = directory / name
    joblib.dump(value, path) if name.endswith("joblib") else np.save(path, value)
    return os.open(path, os.O_RDONLY)


def _answer(request: dict[str, Any], descriptors: list[int]) -> Any:
    """What is sent for a request, whose time is then over."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        try:
            describe_model.send_description(theirs, request, descriptors)
            assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= request["timeout_s"]
        finally:
            signal.alarm(0)
        theirs.shutdown(socket.SHUT_WR)
        return json.loads(b"".join(iter(lambda: ours.recv(1 << 16), b"")))


def test_a_pair_of_models_is_described_in_its_order(tmp_path: Path) -> None:
    """Each by itself, in a time that is limited."""
    descriptors = [_written(tmp_path, f"{alpha}.joblib", Ridge(alpha=alpha)) for alpha in (1, 2)]
    reply = _answer({"timeout_s": 60, "suffix": ""}, descriptors)
    assert [each["parameters"]["alpha"] for each in reply["models"]] == [1, 2]
    assert all("predict" not in each for each in reply["models"])


def test_each_model_predicts_on_its_own_rows(tmp_path: Path) -> None:
    """The file behind the model is that of its rows."""
    descriptors = []
    for number in (1, 2):
        data = np.array([[0.0], [number]])
        descriptors.append(_written(tmp_path, f"{number}.joblib", Ridge(alpha=1e-12).fit(data, data[:, 0])))
        descriptors.append(_written(tmp_path, f"{number}.npy", np.array([[10.0 * number]])))
    reply = _answer({"timeout_s": 60, "suffix": ".npy"}, descriptors)
    assert [round(each["predict"]["values"][0]) for each in reply["models"]] == [10, 20]


def test_what_went_wrong_is_sent(tmp_path: Path) -> None:
    """The error by its kind and its words."""
    (tmp_path / "a").write_bytes(b"no pickle")
    descriptors = [os.open(tmp_path / "a", os.O_RDONLY) for _ in range(2)]
    reply = _answer({"timeout_s": 60, "suffix": ""}, descriptors)
    assert list(reply) == ["error"]
    assert re.fullmatch(r"\w+: .+", reply["error"], re.DOTALL)


def test_the_program_answers_one_pair_after_the_other(tmp_path: Path) -> None:
    """Each in a process of its own; it ends when nobody listens any more. It runs alone, as in the image."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        listener.settimeout(60)
        program = subprocess.Popen([sys.executable, "-I", describe_model.__file__, str(tmp_path / "s")])
        try:
            for alpha in (1, 2):
                connection, _ = listener.accept()
                descriptors = [_written(tmp_path, f"{name}.joblib", Ridge(alpha=alpha)) for name in "ab"]
                socket.send_fds(connection, [json.dumps({"timeout_s": 60, "suffix": ""}).encode()], descriptors)
                for each in descriptors:
                    os.close(each)
                with connection:
                    reply = json.loads(b"".join(iter(lambda each=connection: each.recv(1 << 16), b"")))
                assert [each["parameters"]["alpha"] for each in reply["models"]] == [alpha, alpha]
            listener.accept()[0].close()
            assert program.wait(60) == 0
        finally:
            program.kill()
            program.wait()
