"""The default codecs, the choice of an answer's type, and the recognition of handlers, without a server."""

# ruff: noqa: ARG005 - the cases are about the arguments alone

from __future__ import annotations

import io
import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import scipy.sparse
from hypothesis import example, given, strategies as st
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression

from lyftlearn_runtime.serving import codec, handlers, prediction, settings
from lyftlearn_runtime.serving.errors import RequestError, StartError

ROOT = Path(__file__).resolve().parents[3]
KINDS = ("application/json", "text/csv", "application/x-npy")
TABLES = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.floats(allow_nan=False, allow_infinity=False)
)


@pytest.mark.parametrize("kind", KINDS)
@given(table=TABLES)
def test_decoding_undoes_encoding(kind: str, table: Any) -> None:
    """A table that is written in a type and read from it is the same table, to the last bit."""
    content, written = codec.encode(table, kind)
    assert written == kind
    assert np.array_equal(codec.decode(codec.text_or_bytes(content, kind), kind), table)


@pytest.mark.parametrize("kind", [*KINDS, "application/x-npz"])
@example(content=b"\r\x00")
@given(content=st.binary(max_size=200))
def test_any_bytes_are_an_array_or_a_bad_request(kind: str, content: bytes) -> None:
    """Whatever a client sends, it is read, or refused with 400."""
    try:
        codec.decode(codec.text_or_bytes(content, kind), kind)
    except RequestError as error:
        assert error.status == 400  # noqa: PT017 - both ways are right, and no other exception is


def test_a_pickle_is_not_loaded() -> None:
    """An NPY body with a pickle in it is a bad request: its code never runs."""
    content = io.BytesIO()
    np.save(content, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(RequestError) as caught:
        codec.decode(content.getvalue(), "application/x-npy")
    assert caught.value.status == 400


def test_an_archive_is_its_arrays_by_name() -> None:
    """NPZ is read as a dictionary."""
    content = io.BytesIO()
    np.savez(content, a=np.array([1, 2]))
    assert codec.decode(content.getvalue(), "application/x-npz")["a"].tolist() == [1, 2]


def test_a_sparse_matrix_is_read_as_the_inference_toolkit_reads_it() -> None:
    """NPZ as scipy.sparse.save_npz writes it; a pickle in it is refused as in any other archive."""
    content = io.BytesIO()
    scipy.sparse.save_npz(content, scipy.sparse.csr_matrix(np.array([[0.0, 2.0], [3.0, 0.0]])))
    decoded = codec.decode(content.getvalue(), "application/x-npz")
    assert decoded.toarray().tolist() == [[0.0, 2.0], [3.0, 0.0]]
    pickled = io.BytesIO()
    np.savez(pickled, format=np.array([{}], dtype=object), shape=[1], data=[1])
    assert refusal("application/x-npz", pickled.getvalue()) == 400


def refusal(kind: str, content: bytes) -> int | None:
    """The status with which the default handlers refuse a body for a model of three features; None where they answer."""
    try:
        prediction.predict_body(codec.decode(codec.text_or_bytes(content, kind), kind), MODEL)
    except RequestError as error:
        return error.status
    return None


def array(values: Any, **options: Any) -> bytes:
    """An NPY file."""
    content = io.BytesIO()
    np.save(content, np.array(values, **options))
    return content.getvalue()


MODEL = LinearRegression().fit(np.eye(3), [1.0, 2.0, 3.0])
CLIENT_ERRORS = {
    "text/csv": [
        *(
            b"",
            b"\n\n",
            b" ",
            b"1,2\n",
            b"1,2,3,4",
            b"1,,3\n",
            b"1,2,3,\n",
            b"nan,2,3",
            b"inf,2,3",
            b"1,2,3\n4,5\n",
            b"a,b,c\n1,2,3",
        ),
        *(b"1;2;3", b"1_0,2,3", "\N{FULLWIDTH DIGIT ONE},2,3".encode(), b"1\x00,2,3"),
        *("1,2,3".encode("utf-16"), b"1,2,\xe9", b'"1,2,3', b"1 2,2,3"),
    ],
    "application/json": [
        *(
            b"",
            b"  ",
            b"null",
            b"5",
            b"true",
            b'"a"',
            b"{}",
            b"[]",
            b"[[]]",
            b"[[],[]]",
            b"[[1,2]]",
            b"[1,2]",
            b"[[[1,2,3]]]",
            b"\0",
        ),
        *(b"[[NaN,2,3]]", b"[[Infinity,2,3]]", b"[[-Infinity,2,3]]", b"[[1e999,2,3]]", b"[[" + b"9" * 400 + b",2,3]]"),
        *(
            b"[[" + b"9" * 5000 + b",2,3]]",
            b"[" * 100_000 + b"]" * 100_000,
            b'[["1","a","3"]]',
            b'[[1,"a",3]]',
            b"[[null,2,3]]",
        ),
        *(b"[[1,2,3],[4,5]]", b"[1,2,3]\n[4,5,6]", b'{"instances":[[1,2,3]]}', b"[[1,2,3]", b"[[1,2,3]]x", b"[[1,2,{}]]"),
        b"\xff[[1,2,3]]",
    ],
    "application/x-npy": [
        *(b"", array(np.zeros((0, 3))), array(np.zeros((3, 0))), array([[1.0, 2.0]]), array(5.0), array([[1.0, np.nan, 3.0]])),
        *(
            array([["a", "b", "c"]]),
            array([[np.inf, 0, 0]]),
            array([["2020-01-01"] * 3], dtype="M8[D]"),
            array([[1, 2, 3]])[:-1],
        ),
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999, 3), }" + b" " * 30 + b"\n",
    ],
    "application/x-npz": [b"", b"PK\x03\x04", b"PK\x05\x06" + b"\0" * 18],
}


@pytest.mark.parametrize(("kind", "body"), [(kind, body) for kind, bodies in CLIENT_ERRORS.items() for body in bodies])
def test_what_the_client_got_wrong_is_a_bad_request(kind: str, body: bytes) -> None:
    """Nothing in it, another width, a value that is missing, is no number: 400."""
    assert refusal(kind, body) == 400


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        *(
            ("text/csv", body)
            for body in (b"1,2,3", b"1,2,3\r\n4,5,6\r\n", b'"1"," 2 ","3"', b"\xef\xbb\xbf1,2,3", b"\n1,2,3\n\n")
        ),
        *(("application/json", body) for body in (b"[1,2,3]", b"[[1,2,3],[4,5,6]]", b"[[true,false,true]]", b" [[1e3,-2,0]] ")),
        ("application/x-npy", array([[1, 2, 3]])),
    ],
)
def test_what_is_right_is_answered(kind: str, body: bytes) -> None:
    """As many kinds of writing the same as clients have."""
    assert refusal(kind, body) is None


class Nameless:
    """A model that says nothing of its columns, and fails as it is told."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def predict(self, _: Any) -> Any:
        """Fails."""
        raise self._error


class Broken(Nameless):
    """A model that fails on every row."""

    n_features_in_ = 2


@pytest.mark.parametrize(
    "model",
    [Broken(ValueError("broken")), Nameless(RuntimeError("broken")), Nameless(NotFittedError()), LinearRegression()],
)
def test_a_model_that_fails_on_any_data_is_the_servers_fault(model: Any) -> None:
    """No client is told that it sent something wrong."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each its own
        prediction.predict_body(np.ones((1, 2)), model)
    assert not isinstance(caught.value, RequestError)


def test_a_model_that_takes_missing_values_gets_them() -> None:
    """An empty cell is wrong for one model and data for another."""
    model = HistGradientBoostingRegressor(max_iter=1).fit([[1.0], [np.nan]], [1.0, 2.0])
    assert prediction.predict_body(codec.decode('1\n""\n', "text/csv"), model).shape == (2,)


ANSWERS = st.recursive(
    st.floats()
    | st.floats(width=32).map(np.float32)
    | st.integers()
    | st.text(st.characters(), max_size=5)
    | st.none()
    | arrays.arrays(np.float64, st.integers(0, 3)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(ANSWERS)
@example([float("inf")])
@example(np.array([np.nan, 1.0]))
@example({"scores": (np.float32("-inf"), None)})
def test_an_answer_is_always_json(answer: Any) -> None:
    """What is no finite number is null, however deep it is; all else is as it was."""

    def refuse(name: str) -> Any:
        raise AssertionError(name)

    text, _ = codec.encode(answer, "application/json")
    assert json.loads(text, parse_constant=refuse) == json.loads(
        json.dumps(answer, default=codec._plain), parse_constant=lambda _: None
    )


def test_a_float_of_32_bits_has_its_own_digits_in_csv() -> None:
    """As the inference toolkit writes it; one of 64 bits has all of its own, and so it comes back."""
    assert codec.encode(np.array([[0.1, 2.0]], dtype="f4"), "text/csv")[0] == b"0.1,2.0\n"
    assert codec.encode(np.array([0.1, np.float32(0.1)]), "text/csv")[0] == b"0.1\n0.10000000149011612\n"


def test_an_empty_cell_is_a_missing_value() -> None:
    """CSV keeps rows and columns for a single row, and an empty cell is NaN."""
    found = codec.decode("1,,3\n", "text/csv; charset=utf-8")
    assert found.shape == (1, 3)
    assert np.isnan(found[0, 1])


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("text/*", "text/csv"),
        ("image/png, text/csv;q=0.5, application/x-npy;q=0.9", "application/x-npy"),
        ("TEXT/CSV; header=absent", "text/csv"),
        ("application/json;q=0, text/csv;q=0.1", "text/csv"),
    ],
)
def test_the_client_s_favourite_is_chosen(accept: str, kind: str) -> None:
    """Of the types that can be written, the answer has the one with the highest quality."""
    assert codec.negotiate(accept) == kind


@pytest.mark.parametrize("accept", ["image/png", "", "application/json;q=0", "application/json;q=x"])
def test_nothing_that_the_client_takes_is_406(accept: str) -> None:
    """Without a type in common there is no answer."""
    with pytest.raises(RequestError) as caught:
        codec.negotiate(accept)
    assert caught.value.status == 406


@pytest.mark.parametrize(
    ("function", "takes_context"),
    [
        (lambda data, model: None, False),
        (lambda data, model, context: None, True),
        (lambda data, model, anything: None, True),
        (lambda data, model, context=None: None, True),
        (lambda data, model, anything=None: None, True),
        (lambda data, model, threshold=1: None, False),
        (lambda data, model, *, threshold=1: None, False),
        (lambda *given: None, False),
        (lambda data, model, **options: None, False),
    ],
)
def test_the_context_is_told_from_an_option(function: Any, takes_context: bool) -> None:  # noqa: FBT001 - a case's value
    """One more argument is the context if it must be given or is called so."""
    module = types.ModuleType("inference")
    module.predict_fn = function  # type: ignore[attr-defined]
    assert handlers.module_handlers(module).predict.takes_context is takes_context


@pytest.mark.parametrize("function", [lambda data: None, lambda a, b, c, d: None, lambda a, b, *, c: None, 7])
def test_a_handler_of_another_shape_stops_the_start(function: Any) -> None:
    """What cannot be called as the convention calls it is found at the start, not at the first request."""
    module = types.ModuleType("inference")
    module.predict_fn = function  # type: ignore[attr-defined]
    with pytest.raises(StartError, match="predict_fn in inference"):
        handlers.module_handlers(module)


def test_the_service_s_own_variables_win() -> None:
    """SAGEMAKER_MAX_PAYLOAD_IN_MB, which batch transform sets, is asked before the short name."""
    found = settings.read({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "2", "MAX_PAYLOAD_IN_MB": "3"})
    assert found.payload_bytes == 2 << 20
    assert settings.read({"MAX_PAYLOAD_IN_MB": "3"}).payload_bytes == 3 << 20
    assert settings.read({}).payload_bytes == 6291456


def test_the_start_of_other_containers_does_not_pay_for_the_server() -> None:
    """The shim imports nothing of the model server."""
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import lyftlearn_runtime.main; "
        "print([name for name in sys.modules if 'serving' in name or 'asyncio' in name])"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
