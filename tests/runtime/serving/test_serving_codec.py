"""The default codecs, the choice of an answer's type, and the recognition of handlers, without a server."""

# ruff: noqa: ARG005 - the cases are about the arguments alone

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from lyftlearn_runtime.serving import codec, handlers, settings
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
    import io

    content = io.BytesIO()
    np.save(content, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(RequestError) as caught:
        codec.decode(content.getvalue(), "application/x-npy")
    assert caught.value.status == 400


def test_an_archive_is_its_arrays_by_name() -> None:
    """NPZ is read as a dictionary."""
    import io

    content = io.BytesIO()
    np.savez(content, a=np.array([1, 2]))
    assert codec.decode(content.getvalue(), "application/x-npz")["a"].tolist() == [1, 2]


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
