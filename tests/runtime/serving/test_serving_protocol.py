"""The inference convention over HTTP: which handlers are called with what, and what a client gets."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.runtime.serving.conftest import Serving

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
USERS = pytest.mark.parametrize("user", ["0", "1000530000:0"], ids=["root", "any UID"])
ECHO = """
    import json

    def model_fn(model_dir):
        return "model of " + model_dir

    def input_fn(body, content_type):
        return type(body).__name__, content_type, str(body)

    def predict_fn(data, model):
        return [model, *data]

    def output_fn(prediction, accept):
        return json.dumps([*prediction, accept]), "application/echo"
"""


def npy(array: list[list[float]]) -> bytes:
    """An array as a file of numpy's."""
    content = io.BytesIO()
    np.save(content, np.array(array))
    return content.getvalue()


@USERS
def test_a_joblib_model_is_served_without_any_code_of_the_team(serving: Serving, linear_model: bytes, user: str) -> None:
    """A model.joblib alone answers JSON, CSV and NPY, in and out, as root and as any UID of group 0."""
    server = serving.start(files={"model/model.joblib": linear_model}, user=user)
    for content_type, body in [(JSON, b"[[1, 1], [2, 0]]"), (CSV, b"1,1\n2,0\n"), (NPY, npy([[1, 1], [2, 0]]))]:
        answer = server.invoke(body, content_type)
        assert (answer.status, answer.headers["content-type"]) == (200, JSON), server.logs()
        assert answer.json == pytest.approx([6, 5])
    assert server.invoke([5, 0]).json == pytest.approx([11])
    answer = server.invoke([[1, 1], [2, 0]], Accept=CSV)
    assert answer.headers["content-type"].startswith(CSV)
    assert [float(line) for line in answer.body.decode().splitlines()] == pytest.approx([6, 5])
    answer = server.invoke([[1, 1], [2, 0]], Accept=NPY)
    assert answer.headers["content-type"] == NPY
    assert np.load(io.BytesIO(answer.body)) == pytest.approx([6, 5])


@USERS
def test_the_handlers_of_the_team_are_called_one_after_the_other(serving: Serving, user: str) -> None:
    """model_fn, input_fn, predict_fn and output_fn each get what the one before has returned, on a read-only root too."""
    server = serving.start(ECHO, user=user, options=("--read-only", "--tmpfs", "/tmp"))
    answer = server.invoke(b"\xc3\xa4", "text/csv", Accept="a/b")
    assert answer.json == ["model of /opt/ml/model", "str", "text/csv", "ä", "a/b"]
    assert answer.headers["content-type"] == "application/echo"
    assert server.invoke(b"\xff", "application/octet-stream").json[1:4] == ["bytes", "application/octet-stream", "b'\\xff'"]
    assert server.invoke(b"x", "text/plain").json[4] == JSON


def test_ping_has_an_empty_body(serving: Serving) -> None:
    """A healthy server answers /ping with 200 and nothing in it."""
    answer = serving.start(ECHO).ask("GET", "/ping")
    assert (answer.status, answer.body) == (200, b"")


def test_a_handler_may_take_the_context_as_one_argument_more(serving: Serving) -> None:
    """The context has the request's headers and sets the answer's; an option with a default is not taken for it."""
    server = serving.start("""
        def model_fn(model_dir, context):
            return context.system_properties["model_dir"]

        def predict_fn(data, model, threshold=7):
            return f"{model} {threshold} "

        def output_fn(prediction, accept, context):
            context.set_response_header(0, "X-Model", "seven")
            return prediction + context.get_request_header(0, "X-Who")
    """)
    answer = server.invoke([1], **{"X-Who": "me"})
    assert answer.body == b"/opt/ml/model 7 me"
    assert answer.headers["x-model"] == "seven"


ANSWERS = {
    "a dict": ("{'a': [1, 2.5, None]}", (200, JSON, b'{"a": [1, 2.5, null]}')),
    "a list": ("[1, 'x']", (200, JSON, b'[1, "x"]')),
    "None": ("None", (200, JSON, b"null")),
    "a number": ("7", (200, JSON, b"7")),
    "no number": ("[float('nan')]", (200, JSON, b"[null]")),
    "an array": ("numpy.ones(2)", (200, JSON, b"[1.0, 1.0]")),
    "nothing": ("''", (200, JSON, b"")),
    "bytes": ("b'\\xff'", (200, JSON, b"\xff")),
    "a body and its type": ("('x', 'text/x')", (200, "text/x", b"x")),
    "a dict and its type": ("({'a': 1}, 'text/x')", (200, "text/x", b'{"a": 1}')),
    "more than a pair": ("('x', 'text/x', 3)", (200, "text/x", b"x")),
    "a status": ("context.set_response_status(code=201, phrase='Made It') or 's'", (201, JSON, b"s")),
    "no content": ("context.set_response_status(204) or 's'", (204, JSON, b"")),
    "a header": ("context.request_processor[0].add_response_property('content-type', 'a/b') or 's'", (200, "a/b", b"s")),
    "no status": ("context.set_response_status('404') or 's'", (500, JSON, None)),
    "a loop": ("loop", (500, JSON, None)),
}


def test_an_answer_is_whatever_the_inference_toolkit_takes_for_one(serving: Serving) -> None:
    """What is no text and no bytes goes as JSON; the context sets status, type and headers."""
    names = {name: expression for name, (expression, _) in ANSWERS.items()}
    server = serving.start(f"""
import numpy

EXPRESSIONS = {names!r}
loop = []
loop.append(loop)

def model_fn(model_dir):
    return None

def transform_fn(model, body, content_type, accept, context):
    return eval(EXPRESSIONS[body.decode()], dict(globals(), context=context))
""")
    for name, (_, (status, kind, content)) in ANSWERS.items():
        answer = server.invoke(name.encode(), "text/plain")
        assert (answer.status, answer.headers["content-type"]) == (status, kind), (name, answer)
        assert content is None or answer.body == content, name


def test_a_model_is_prepared_and_warmed_up(serving: Serving) -> None:
    """pre_model_fn comes before model_fn, model_warmup_fn after it and before /ping is 200; both may take the context."""
    server = serving.start("""
        import os

        calls = []

        def pre_model_fn(model_dir, context):
            calls.append(["before", model_dir, context.model_name, context.request_processor])

        def model_fn(model_dir):
            calls.append("model")
            return "the model"

        def model_warmup_fn(model_dir, model):
            calls.append(["after", model_dir, model])

        def transform_fn(model, body, content_type, accept, context):
            context.metrics.add_counter("Asked", 1)
            return [calls, sorted(context.system_properties), context.get_request_id() == context.request_ids[0]]
    """)
    folder = "/opt/ml/model"
    assert server.invoke([1]).json == [
        [["before", folder, "model", None], "model", ["after", folder, "the model"]],
        ["batch_size", "gpu_id", "model_dir", "server_name"],
        True,
    ]
    server.says("[METRICS]Asked.Count:1|#ModelName:model,Level:Model|#hostname:")


def test_async_handlers_are_awaited(serving: Serving) -> None:
    """A handler may be a coroutine, model_fn too; many wait in the event loop at the same time."""
    server = serving.start(
        """
        import asyncio

        waiting = []
        both = asyncio.Event()

        async def model_fn(model_dir):
            await asyncio.sleep(0)
            return "model"

        async def transform_fn(model, body, content_type, accept):
            waiting.append(body)
            if len(waiting) == 2:
                both.set()
            await both.wait()
            return body + model
        """,
        env={"LYFTLEARN_SERVE_CONCURRENCY": "2"},
    )
    first, second = server.later("one"), server.later("two")
    assert (first.result().body, second.result().body) == (b'"one"model', b'"two"model')


def test_transform_fn_stands_for_the_other_three(serving: Serving) -> None:
    """transform_fn gets the model, the body and both types, and its answer has the accepted type."""
    server = serving.start("""
        import json

        def model_fn(model_dir):
            return "m"

        def transform_fn(model, body, content_type, accept):
            return json.dumps([model, body, content_type, accept])
    """)
    answer = server.invoke([1], Accept="application/x-mine;q=0.5")
    assert answer.json == ["m", "[1]", JSON, "application/x-mine;q=0.5"]
    assert answer.headers["content-type"] == "application/x-mine"
    # A range is no type of an answer.
    for header in ("", "text/*, a/b", "*/*"):
        assert server.invoke([1], Accept=header).headers["content-type"] == JSON


def test_a_generator_is_a_streamed_answer(serving: Serving) -> None:
    """A piece reaches the client while the handler still makes the next one."""
    server = serving.start("""
        import os, time

        def model_fn(model_dir):
            return None

        def transform_fn(model, body, content_type, accept):
            yield "first"
            while not os.path.exists("/tmp/go"):
                time.sleep(0.01)
            yield b" second"
    """)
    connection = server.connect()
    connection.request("POST", "/invocations", b"{}")
    response = connection.getresponse()
    assert response.read(5) == b"first"
    server.go()
    assert response.read() == b" second"
    connection.close()


@pytest.mark.parametrize("path", ["code/deep/mine.py", "model/code/deep/mine.py"])
def test_the_program_is_looked_for_in_the_model_then_in_the_code(serving: Serving, path: str) -> None:
    """SAGEMAKER_PROGRAM names the file with the handlers; modules beside it are imported, ours never in their place."""
    files = {
        path: """
            import settings

            def model_fn(model_dir):
                return settings.NAME

            def transform_fn(model, body, content_type, accept):
                return model
        """,
        path.replace("mine.py", "settings.py"): "NAME = 'the settings of the team'",
    }
    server = serving.start(files=files, env={"SAGEMAKER_PROGRAM": "deep/mine.py"})
    assert server.invoke([]).body == b"the settings of the team"


def test_a_program_may_be_a_module(serving: Serving) -> None:
    """LYFTLEARN_PROGRAM may name a module of a package, and wins over SAGEMAKER_PROGRAM."""
    files = {"code/team/__init__.py": "", "code/team/handlers.py": ECHO}
    env = {"LYFTLEARN_PROGRAM": "team.handlers", "SAGEMAKER_PROGRAM": "train.py"}
    assert serving.start(files=files, env=env).invoke([]).json[0] == "model of /opt/ml/model"


def test_a_server_of_the_team_runs_in_place_of_ours(serving: Serving) -> None:
    """A program that is no Python file is the team's own server, and gets the container to itself."""
    files = {"model/code/own.sh": "#!/bin/sh\necho own server, args: $#; exit 7\n"}
    server = serving.start(files=files, env={"LYFTLEARN_PROGRAM": "own.sh"}, is_awaited=False)
    assert server.wait() == 7
    assert server.logs().strip() == "own server, args: 0"


def test_the_port_and_the_figures_of_a_transform_job(serving: Serving) -> None:
    """SAGEMAKER_BIND_TO_PORT moves the server, and /execution-parameters says what it can take."""
    env = {"SAGEMAKER_BIND_TO_PORT": "9123", "SAGEMAKER_BATCH": "true", "LYFTLEARN_SERVE_CONCURRENCY": "40"}
    answer = serving.start(ECHO, env=env).ask("GET", "/execution-parameters")
    # The platform refuses a product of more than 100.
    assert answer.json == {"MaxConcurrentTransforms": 16, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}


def test_what_cannot_be_read_or_written_is_told_apart(serving: Serving, linear_model: bytes) -> None:
    """415 for a type that is not read, 406 for one that is not written, 400 for a body that is not of its type."""
    server = serving.start(files={"model/model.joblib": linear_model})
    cases = [
        (server.invoke(b"<a/>", "text/xml"), 415),
        (server.invoke([[1, 1]], Accept="image/png"), 406),
        (server.invoke(b'[["planted-in-the-body"', JSON), 400),
        (server.invoke(b"planted-in-the-body,1", CSV), 400),
        (server.invoke(b"[[1, 2], [3]]", JSON), 400),
        (server.invoke(b"\xff", CSV), 400),
        (server.invoke(b"", NPY), 400),
        (server.invoke(b"", CSV), 400),
        (server.invoke(b"1\n", CSV), 400),
        (server.invoke(b"1,\n", CSV), 400),
        (server.invoke(b"1,2,\n", CSV), 400),
        (server.invoke(b"[[1, NaN]]", JSON), 400),
        (server.invoke(npy([]), NPY), 400),
        (server.invoke(b"\x1f\x8b", JSON, **{"Content-Encoding": "gzip"}), 415),
        (server.ask("GET", "/invocations"), 405),
        (server.ask("GET", "/nowhere"), 404),
    ]
    assert [answer.status for answer, _ in cases] == [status for _, status in cases], server.logs()
    for answer, status in cases:
        if status in {400, 406, 415}:
            assert answer.headers["content-type"] == JSON
            assert answer.body.count(b"\n") == 1
            assert (set(answer.json), answer.json["code"]) == ({"code", "type", "message"}, status)
            assert b"planted" not in answer.body
    assert "planted" not in server.logs()
    assert "Traceback" not in server.logs()


def test_an_answer_that_is_no_number_is_json(serving: Serving, linear_model: bytes) -> None:
    """null, for which JSON has a word."""
    answer = serving.start(files={"model/model.joblib": linear_model}).invoke([[1e308, 1e308], [1, 1]])
    assert (answer.status, answer.json) == (200, [None, pytest.approx(6)])


def test_a_server_answers_over_ipv6_too(serving: Serving) -> None:
    """Where a cluster has IPv6 addresses only, its probes reach the server."""
    options = ("--sysctl", "net.ipv6.conf.all.disable_ipv6=0", "--sysctl", "net.ipv6.conf.lo.disable_ipv6=0")
    server = serving.start(ECHO, options=options)
    program = "import urllib.request; print(urllib.request.urlopen('http://[::1]:8080/ping').status)"
    assert server.inside("python", "-c", program) == "200\n"
