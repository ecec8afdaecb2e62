"""sagemaker-inference and its model server beside the module of its name in the image, and beside the image's server."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import pickle
import random
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, example, given, settings, strategies as st

from tests.evidence.sdk import HERE
from tests.runtime.serving.conftest import Answer, Serving, answer_of, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.slow
COMPAT = HERE.parents[1] / "lyftlearn_runtime" / "compat"
JSON, CSV, NPY, NPZ = "application/json", "text/csv", "application/x-npy", "application/x-npz"
FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@dataclass
class Calls:
    """A process that calls functions of one `sagemaker_inference`."""

    process: subprocess.Popen[bytes]

    def __call__(self, name: str, *arguments: Any) -> Any:
        """What came of a call."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        pickle.dump((name, arguments), self.process.stdin)
        self.process.stdin.flush()
        return pickle.load(self.process.stdout)  # noqa: S301 - of this very test


@contextlib.contextmanager
def calls(python: Path, *arguments: str) -> Iterator[Calls]:
    """Such a process; it ends with its input."""
    command = [str(python), "-W", "ignore", str(HERE / "inference_calls.py"), *arguments]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SAGEMAKER_")}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ) as process:
        yield Calls(process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(scope="module")
def theirs(inference_toolkit: Path) -> Iterator[Calls]:
    """The package from PyPI."""
    with calls(inference_toolkit) as found:
        yield found


@pytest.fixture(scope="module")
def ours(inference_toolkit: Path) -> Iterator[Calls]:
    """The image's module, with the same numpy."""
    with calls(inference_toolkit, str(COMPAT)) as found:
        yield found


def npy(array: Any) -> bytes:
    """As numpy writes it."""
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def npz(array: Any) -> bytes:
    """As scipy writes a sparse matrix."""
    content = io.BytesIO()
    scipy.sparse.save_npz(content, scipy.sparse.csr_matrix(array))
    return content.getvalue()


ARRAYS = arrays.arrays(
    st.sampled_from(["f8", "f4", "i8", "i4", "?", "U3"]), arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)
)
TABLES = arrays.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.floats(-9, 9))
CELLS = st.floats(width=32).map(str) | st.integers().map(str) | st.sampled_from(["", "a", "nan", " 1 ", '"x"', "True"])
BODIES = (
    st.tuples(st.just(CSV), st.lists(st.lists(CELLS, max_size=4).map(",".join), max_size=4).map("\n".join))
    | st.tuples(
        st.just(JSON), st.recursive(st.floats() | st.integers() | st.none() | st.text(max_size=2), st.lists).map(json.dumps)
    )
    | st.tuples(st.just(JSON), st.text(max_size=6))
    # What does not begin so is a pickle to the original: the one known difference.
    | st.tuples(st.just(NPY), ARRAYS.map(npy) | st.binary(max_size=20).map(b"\x93NUMPY".__add__))
    | st.tuples(st.just(NPZ), TABLES.map(npz) | st.binary(max_size=20))
    | st.tuples(st.sampled_from(["", "text/plain", "application/json; charset=utf-8", "TEXT/CSV"]), st.text(max_size=3))
)
VALUES = ARRAYS | st.recursive(
    st.floats() | st.integers() | st.none() | st.booleans() | st.text(max_size=3) | TABLES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=6,
)


@given(body=BODIES)
@FEW
def test_bodies_are_decoded_alike(theirs: Calls, ours: Calls, body: tuple[str, Any]) -> None:
    """The same array of the same type, or the same kind of error."""
    kind, content = body
    assert ours("decoder.decode", content, kind) == theirs("decoder.decode", content, kind)


@given(value=VALUES, kind=st.sampled_from([JSON, CSV, NPY, "image/png"]))
@example(value=np.float32([0.1]), kind=CSV)
@FEW
def test_predictions_are_encoded_alike(theirs: Calls, ours: Calls, value: Any, kind: str) -> None:
    """To the byte."""
    assert ours("encoder.encode", value, kind) == theirs("encoder.encode", value, kind)


@given(
    accept=st.lists(st.sampled_from([JSON, CSV, NPY, "*/*", "a/b", "text/csv;q=0.1"]), min_size=1, max_size=3).map(", ".join)
)
@FEW
def test_what_stands_in_a_header_is_read_alike(theirs: Calls, ours: Calls, accept: str) -> None:
    """Accept, Content-Type in its spellings, and phrases."""
    for name, argument in (
        ("utils.parse_accept", accept),
        ("utils.remove_crlf", accept.replace(",", "\r\n")),
        ("utils.retrieve_content_type_header", {"ContentType": accept, "x": "y"}),
        ("utils.retrieve_content_type_header", {"CONTENT-TYPE": accept}),
        ("errors.UnsupportedFormatError", accept),
        ("errors.GenericInferenceToolkitError", 418),
    ):
        found, expected = ours(name, argument), theirs(name, argument)
        words = [str(one[1]).replace("\\n", " ").split() for one in (found, expected)]
        assert (found[0], words[0]) == (expected[0], words[1])


def test_a_pickle_in_a_body_is_the_one_known_difference(theirs: Calls, ours: Calls) -> None:
    """The original runs what a client has sent; ours refuses."""
    body = npy(np.array([{"a": 1}], dtype=object))
    assert theirs("decoder.decode", body, NPY)[0] == "returned"
    assert ours("decoder.decode", body, NPY) == ("raised", "ValueError", "")


# Of a server in Java, and of the pip that is run before it.
MISSING = {
    "model_server": [
        *("DEFAULT_MMS_CONFIG_FILE", "DEFAULT_MMS_LOG_FILE", "DEFAULT_MMS_MODEL_EXPORT_DIRECTORY", "DEFAULT_MMS_MODEL_NAME"),
        *("ENABLE_MULTI_MODEL", "MME_MMS_CONFIG_FILE", "MMS_CONFIG_FILE", "MMS_NAMESPACE", "MODEL_STORE", "PYTHON_PATH_ENV"),
        *("REQUIREMENTS_PATH", "code_dir"),
    ]
}
MODULES = (
    *("content_types", "decoder", "default_handler_service", "default_inference_handler", "encoder", "environment", "errors"),
    *("logging", "model_server", "parameters", "transformer", "utils"),
)
NAMES = f"""
import importlib, json, sys
if len(sys.argv) > 1:
    sys.path.insert(0, sys.argv[1])
PACKAGE = "sagemaker_inference"
def is_own(name, value):
    is_module = type(value).__name__ == "module"
    return not name.startswith("_") and not is_module and getattr(value, "__module__", PACKAGE).startswith(PACKAGE)
modules = {{name: vars(importlib.import_module(PACKAGE + "." + name)) for name in {MODULES!r}}}
own = {{name: sorted(one for one in found if is_own(one, found[one])) for name, found in modules.items()}}
print(json.dumps(own))
"""


def test_every_public_name_is_there(inference_toolkit: Path) -> None:
    """Each module has the names that the original's has, less those of Java and pip."""
    seen = []
    for more in ([], [str(COMPAT)]):
        command = [str(inference_toolkit), "-W", "ignore", "-c", NAMES, *more]
        seen.append(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))
    missing = {name: sorted(set(found) - set(seen[1][name])) for name, found in seen[0].items()}
    assert {name: found for name, found in missing.items() if found} == MISSING


# Each handler is asked by its name as the body; what the image's server does otherwise, and why.
HANDLERS = """
import os
import numpy
from sagemaker_inference import errors

calls = []
def pre_model_fn(model_dir): calls.append("before")
def model_fn(model_dir, context):
    calls.append([os.path.basename(model_dir), os.path.basename(os.getcwd()), context.model_name, context.manifest])
    return "model"
def model_warmup_fn(model_dir, model): calls.append("after " + model)
def input_fn(body, content_type): return body, content_type

class Answers:
    def calls(self): return calls
    def bytes(self): return b"\\xff"
    def bytearray(self): return bytearray(b"ab")
    def text(self): return "\\u00e4"
    def empty(self): return ""
    def dict(self): return {"a": [1, 2.5, None, "\\u00e4"], "b": {"c": True}}
    def list(self): return [1, "x"]
    def none(self): return None
    def integer(self): return 7
    def true(self): return True
    def scalar(self): return numpy.float64(1.5)
    def pair(self): return "x", "text/x"
    def triple(self): return "x", "text/x", 3
    def dict_pair(self): return {"a": 1}, "text/x"
    def headers(self):
        properties = self.context.request_processor[0].get_request_properties()
        return [properties.get("X-Mine"), self.context.get_request_header(0, "X-Mine"), len(self.context.get_request_id())]
    def status(self): self.context.set_response_status(code=201, phrase="Made It"); return "s"
    def refused(self): self.context.set_response_status(404, "Not There"); return {"why": 1}
    def header(self): self.context.set_response_header(0, "X-Mine", "v"); return "h"
    def property(self): self.context.request_processor[0].add_response_property("X-Mine", "v"); return "h"
    def generic(self): raise errors.GenericInferenceToolkitError(400, "bad thing", "Phrase")
    def default(self): raise errors.GenericInferenceToolkitError(409)
    def base(self): raise errors.BaseInferenceToolkitError(422, "message", "phrase")
    def fails(self): raise ValueError("planted")
    def nan(self): return float("nan")
    def array(self): return numpy.ones(2)
    def set(self): return {1}
    def kind(self): self.context.set_response_content_type(0, "text/mine"); return "h"
    def format(self): raise errors.UnsupportedFormatError("a/b")
    def stream(self): yield "x"

def predict_fn(data, model, context):
    answers = Answers()
    answers.context = context
    return getattr(answers, bytes(data[0]).decode())()
def output_fn(prediction, accept): return prediction
"""
ALIKE = [
    "calls",
    "bytes",
    "bytearray",
    "text",
    "empty",
    "dict",
    "list",
    "none",
    "integer",
    "true",
    "scalar",
    "pair",
    "triple",
    "dict_pair",
    "headers",
    "status",
    "refused",
    "header",
    "property",
]
KNOWN = {
    "generic": "the original adds its traceback to the message, without a type; here code, type and message are JSON",
    "default": "likewise",
    "base": "likewise",
    "fails": "likewise, and no text of an exception that may hold a value",
    "nan": "NaN is no JSON: null",
    "array": "written as JSON; the original says 503",
    "set": "500, which the original says of its own failures, for 503",
    "kind": "the handler's type stays; the original's transformer writes Accept over it",
    "format": "415 where input_fn or predict_fn does not take a type; the original says 500",
    "stream": "a streamed answer; the original says 503",
}
DEFAULTS = """
def model_fn(model_dir): return None
def predict_fn(data, model): return data * 2
"""
# Body, its type, Accept.
CODED = {
    "rows": (b"[[1.5, 2], [3, 4]]", JSON, JSON),
    "one row": (b"[1, 2]", JSON, JSON),
    "rows as CSV": (b"[[1.5, 2], [3, 4]]", JSON, CSV),
    "CSV": (b"1.5,2.5\n3.5,4.5\n", CSV, JSON),
    "CSV as CSV": (b"1.5,2.5\n3.5,4.5\n", CSV, CSV),
    "integers of CSV": (b"1,2\n3,4\n", CSV, JSON),
    "NPY": (npy(np.array([[1.5, 2.0]])), NPY, JSON),
    "NPY as NPY": (npy(np.array([[1.5, 2.0]])), NPY, NPY),
    "several accepted": (b"[[1.5]]", JSON, f"image/png, {CSV}"),
    "any accepted": (b"[[1.5]]", JSON, "*/*"),
    "float32 as CSV": (npy(np.float32([[0.1]])), NPY, CSV),
}
KNOWN_CODED = {
    "one row of CSV": (b"1.5,2\n", CSV, JSON, "a table of one row; the original gives a flat list"),
    "columns of CSV": (b"1.5,2\n3.5,4\n", CSV, JSON, "floats; the original gives records where columns differ in kind"),
    "a parameter": (
        b"[[1.5]]",
        JSON + "; charset=utf-8",
        JSON,
        "parameters of a type are not part of it; the original says 500",
    ),
    "a wish": (b"[[1.5]]", JSON, f"{CSV};q=0.1, {JSON};q=0.9", "qualities are heeded; the original says 500"),
    "no JSON": (b"[[1.5", JSON, JSON, "400, for it is the client's; the original says 500"),
    "unknown": (b"x", "a/b", JSON, "415; the original says 500"),
    "not accepted": (b"[[1.5]]", JSON, "image/png", "406; the original says 500"),
}


@contextlib.contextmanager
def model_server(python: Path, place: Path, inference: str) -> Iterator[int]:
    """The original on its Java server; the port where it answers."""
    code = place / "ml" / "model" / "code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text(inference)
    (place / "tmp").mkdir()
    port = _free_port()
    environ = {
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(place),
        "TEMP": str(place / "tmp"),
        "TMPDIR": str(place / "tmp"),
        "LOG_LOCATION": str(place / "logs"),
        "METRICS_LOCATION": str(place / "logs"),
        "SAGEMAKER_BASE_DIR": str(place / "ml"),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
    }
    command = [str(python), "-W", "ignore", str(HERE / "inference_server.py"), str(place)]
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environ, cwd=place, stdout=log, stderr=log, start_new_session=True)
    try:
        until(lambda: _pings(port), f"the model server answers:\n{(place / 'log').read_text()[-2000:]}")
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    """A port below 32768: Java's server takes none of the upper ones, and the system gives no other by itself."""
    while True:
        port = random.randint(20000, 32000)  # noqa: S311 - no secret
        with contextlib.suppress(OSError), socket.create_server(("0.0.0.0", port)):  # noqa: S104 - as the server does
            return port


def _pings(port: int) -> bool:
    try:
        return ask(("127.0.0.1", port), "GET", "/ping").status == 200
    except OSError:
        time.sleep(0.1)
        return False


def ask(
    address: tuple[str, int], method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection(*address, timeout=120)
    with contextlib.closing(connection):
        connection.request(method, path, body, dict(headers or {}))
        return answer_of(connection.getresponse())


def seen(answer: Answer) -> tuple[int, str | None, str | None, Any]:
    """What of an answer counts: JSON by its value, for one indents it and the other does not."""
    with contextlib.suppress(ValueError):
        return (
            answer.status,
            answer.headers.get("content-type"),
            answer.headers.get("x-mine"),
            ("JSON", json.loads(answer.body)),
        )
    return answer.status, answer.headers.get("content-type"), answer.headers.get("x-mine"), answer.body


@pytest.fixture
def serving(lyftlearn_image_tag: str, tmp_path: Path) -> Iterator[Serving]:
    """Servers of the image."""
    from lyftlearn_image.build.engine import build_client

    made = Serving(str(build_client()), lyftlearn_image_tag, tmp_path / "ours")
    yield made
    made.remove()


def test_handlers_are_answered_as_by_the_original(inference_toolkit: Path, serving: Serving, tmp_path: Path) -> None:
    """The same handlers on both servers: status, type, headers and body; each known difference is one, and no other is."""
    server = serving.start(HANDLERS)
    mine = (server.host, server.port)
    headers = {"Content-Type": "text/plain", "X-Mine": "yes"}
    with model_server(inference_toolkit, tmp_path / "theirs", HANDLERS) as port:
        asked = {
            name: [seen(ask(one, "POST", "/invocations", name.encode(), headers)) for one in (mine, ("127.0.0.1", port))]
            for name in (*ALIKE, *KNOWN)
        }
    assert {name: pair for name, pair in asked.items() if (pair[0] != pair[1]) != (name in KNOWN)} == {}, server.logs()


def test_the_default_handlers_answer_as_those_of_the_original(
    inference_toolkit: Path, serving: Serving, tmp_path: Path
) -> None:
    """Bodies of every type in, answers of every type out; each known difference is one, and no other is."""
    server = serving.start(DEFAULTS)
    mine = (server.host, server.port)
    cases = {**CODED, **{name: case[:3] for name, case in KNOWN_CODED.items()}}
    with model_server(inference_toolkit, tmp_path / "theirs", DEFAULTS) as port:
        asked = {
            name: [
                seen(ask(one, "POST", "/invocations", body, {"Content-Type": kind, "Accept": accept}))
                for one in (mine, ("127.0.0.1", port))
            ]
            for name, (body, kind, accept) in cases.items()
        }
    assert {name: pair for name, pair in asked.items() if (pair[0] != pair[1]) != (name in KNOWN_CODED)} == {}
