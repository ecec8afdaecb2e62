"""A server's life: loading, readiness, failures of the team's code, the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.runtime.serving.conftest import refusal

if TYPE_CHECKING:
    from tests.runtime.serving.conftest import ModelServer, Serving

PLANTED = "planted-4f21c8-secret"
WAIT = """
import os, time
def until_go():
    while not os.path.exists("/tmp/go"):
        time.sleep(0.01)
"""
# Each invocation says `running` and stays until it is let go.
SLOW = (
    WAIT
    + """
def model_fn(model_dir):
    return "model"
def transform_fn(model, body, content_type, accept):
    print("running", flush=True)
    until_go()
    return body
"""
)
SLOW_MODEL = (
    WAIT
    + """
def model_fn(model_dir):
    print("loading", flush=True)
    until_go()
def transform_fn(model, body, content_type, accept):
    return body
"""
)


@pytest.mark.parametrize("user", ["0", "1000530000:0"], ids=["root", "any UID"])
def test_a_server_is_ready_once_its_model_is_loaded(serving: Serving, user: str) -> None:
    """/ping and /invocations say 503 while model_fn runs, and 200 after it."""
    server = serving.start(SLOW_MODEL, user=user, is_awaited=False)
    server.says("loading")
    assert server.ping() == 503
    answer = server.invoke([1])
    assert (answer.status, answer.json) == (503, refusal(503, "ServiceUnavailableException", "the model is being loaded"))
    assert answer.headers["retry-after"] == "1"
    server.go()
    server.says("ready on port 8080")
    assert server.ping() == 200
    assert server.invoke([1]).json == [1]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        pytest.param("def model_fn(model_dir):\n raise KeyError('weights')\n", "loaded: KeyError", id="model_fn"),
        pytest.param("async def model_fn(model_dir):\n raise KeyError('weights')\n", "loaded: KeyError", id="async model_fn"),
        pytest.param("import sys\nsys.exit('weights')\n", "loaded: SystemExit", id="exit"),
        pytest.param("def weights(:\n", "loaded: SyntaxError", id="syntax"),
    ],
)
def test_a_server_without_its_model_ends_and_says_why(serving: Serving, code: str, told: str) -> None:
    """A failing load is exit code 1, a traceback, and one line with the reason: the orchestrator sees no healthy server."""
    server = serving.start(code, is_awaited=False)
    assert server.wait() == 1
    logs = server.logs()
    assert f"lyftlearn: serve: the model could not be {told}" in logs
    assert "weights" in logs.partition("Traceback")[2]


@pytest.mark.parametrize(
    ("files", "env", "told"),
    [
        pytest.param(
            {}, {}, "there is no /opt/ml/model/model.joblib, and no model_fn in /opt/ml/model/code/inference.py", id="nothing"
        ),
        pytest.param(
            {}, {"SAGEMAKER_PROGRAM": "no.py"}, "there is no program no.py; expected it in /opt/ml/model/code or", id="program"
        ),
        pytest.param({}, {"LYFTLEARN_PROGRAM": "no.where"}, "there is no module no.where; expected it in", id="module"),
        pytest.param(
            {"code/inference.py": "def model_fn(a, b, c): pass"},
            {},
            "model_fn in /opt/ml/code/inference.py takes other than 1",
            id="arguments",
        ),
        pytest.param(
            {"code/inference.py": "model_fn = 1"},
            {},
            "model_fn in /opt/ml/code/inference.py is not a function",
            id="no function",
        ),
        pytest.param(
            {"code/inference.py": "def predict_fn(a, b): pass\ndef transform_fn(a, b, c, d): pass"},
            {},
            "has transform_fn and predict_fn; transform_fn replaces them",
            id="both kinds",
        ),
        pytest.param(
            {},
            {"LYFTLEARN_SERVE_CONCURRENCY": "0"},
            "LYFTLEARN_SERVE_CONCURRENCY is '0'; expected a whole number",
            id="concurrency",
        ),
        pytest.param(
            {}, {"MAX_PAYLOAD_IN_MB": "six"}, "MAX_PAYLOAD_IN_MB is 'six'; expected a whole number of at least 0", id="payload"
        ),
        pytest.param({}, {"SAGEMAKER_BIND_TO_PORT": "70000"}, "SAGEMAKER_BIND_TO_PORT is 70000; expected a port", id="port"),
        pytest.param({}, {"LYFTLEARN_SERVE_DRAIN": "nan"}, "LYFTLEARN_SERVE_DRAIN is 'nan'; expected seconds", id="drain"),
    ],
)
def test_a_server_that_cannot_start_says_so_in_one_line(
    serving: Serving, files: dict[str, str], env: dict[str, str], told: str
) -> None:
    """A mistake of the user's is exit code 78 and one line that says what, where and what was expected."""
    server = serving.start(files=files, env=env, is_awaited=False)
    assert server.wait() == 78
    lines = server.logs().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("lyftlearn: serve: ")
    assert told in lines[0]


def test_a_port_in_use_is_told_in_one_line(serving: Serving) -> None:
    """A second server in the same network ends with 78 and the port that it could not have."""
    first = serving.start(SLOW)
    second = serving.start(SLOW, options=("--network", f"container:{first.name}"), is_awaited=False)
    assert second.wait() == 78
    assert second.logs() == "lyftlearn: serve: cannot listen on port 8080: Address already in use\n"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param("raise ValueError(os.environ['DB_PASSWORD'])", "transform_fn failed: ValueError", id="exception"),
        pytest.param("raise StopIteration", "transform_fn failed: RuntimeError", id="StopIteration"),
        pytest.param("sys.exit(3)", "transform_fn failed: SystemExit", id="exit"),
        pytest.param("return {1}", "transform_fn returned set, which is not a body", id="no body"),
    ],
)
def test_a_failing_handler_costs_one_request(serving: Serving, body: str, told: str) -> None:
    """Its client gets 500 and one line of JSON, the log a line, stderr the traceback; no secret is in any; all others run."""
    code = f"""
import os, sys
def model_fn(model_dir):
    return None
def transform_fn(model, body, content_type, accept):
    if body == "good":
        return body
    {body}
"""
    server = serving.start(code, env={"DB_PASSWORD": PLANTED})
    answer = server.invoke(b"bad")
    assert (answer.status, answer.json) == (500, refusal(500, "InternalServerException", told))
    assert answer.body.count(b"\n") == 1
    assert (server.ping(), server.invoke(b"good").body) == (200, b"good")
    logs = server.logs()
    assert "lyftlearn: transform_fn " in logs
    assert ("Traceback" in logs) == ("failed" in told)
    assert PLANTED not in logs


def test_an_async_handler_may_fail_too(serving: Serving) -> None:
    """A coroutine that raises is answered with 500 like any other handler."""
    server = serving.start("async def model_fn(d): return 1\nasync def predict_fn(data, model): sys\n")
    assert server.invoke([1]).json == refusal(500, "InternalServerException", "predict_fn failed: NameError")
    assert server.ping() == 200


def test_a_handler_chooses_its_own_status(serving: Serving) -> None:
    """An exception with a status_code, such as an HTTPException, is the answer that the handler wants to give."""
    server = serving.start("""
        from starlette.exceptions import HTTPException

        def model_fn(model_dir):
            return None

        def input_fn(body, content_type):
            raise HTTPException(422, "no such customer")
    """)
    answer = server.invoke([1])
    assert (answer.status, answer.json) == (422, refusal(422, "BadRequestException", "no such customer"))
    assert "Traceback" not in server.logs()


def test_a_stream_that_fails_is_cut_off(serving: Serving) -> None:
    """A streamed answer that fails in its middle never looks whole to its client, and the log says why."""
    import http.client

    server = serving.start("""
        def model_fn(model_dir):
            return None

        def transform_fn(model, body, content_type, accept):
            yield "first"
            raise ValueError
    """)
    connection = server.connect()
    connection.request("POST", "/invocations", b"{}")
    with pytest.raises(http.client.IncompleteRead):
        connection.getresponse().read()
    connection.close()
    server.says("transform_fn failed: ValueError")
    assert server.ping() == 200
    assert server.logs().count("Traceback") == 1


def test_a_thread_of_the_team_does_not_hold_the_end_up(serving: Serving) -> None:
    """A thread that the module has started and left running ends with the server."""
    code = "import threading\nthreading.Thread(target=threading.Event().wait).start()\n"
    server = serving.start(code + SLOW)
    server.terminate()
    assert server.wait() == 0


@pytest.mark.parametrize("user", ["0", "1000530000:0"], ids=["root", "any UID"])
def test_a_stopped_server_ends_what_runs_and_takes_nothing_new(serving: Serving, user: str) -> None:
    """After SIGTERM /ping is 503, running requests get their answers, new ones are refused, and the exit code is 0."""
    server = serving.start(SLOW, env={"LYFTLEARN_SERVE_CONCURRENCY": "2"}, user=user)
    running = [server.later([number]) for number in range(3)]  # two run, one waits
    server.says("running", 2)
    terminated(server)
    answer = server.invoke([1])
    assert (answer.status, answer.json) == (503, refusal(503, "ServiceUnavailableException", "the server is ending"))
    assert (answer.headers["connection"], answer.headers["retry-after"]) == ("close", "1")
    server.go()
    assert [one.result().json for one in running] == [[0], [1], [2]]
    assert server.wait() == 0
    assert "Traceback" not in server.logs()


def test_an_idle_server_ends_at_once_with_connections_open(serving: Serving) -> None:
    """Idle connections that are kept alive do not hold the end up."""
    server = serving.start(SLOW)
    connection = server.connect()
    connection.request("GET", "/ping")
    assert connection.getresponse().read() == b""
    server.terminate()
    assert server.wait() == 0
    connection.close()


def test_what_does_not_end_is_cut_off_and_told(serving: Serving) -> None:
    """A request that outlasts LYFTLEARN_SERVE_DRAIN ends with the server, whose exit code is 1 then."""
    server = serving.start(SLOW, env={"LYFTLEARN_SERVE_DRAIN": "0.1"})
    running = server.later([1])
    server.says("running")
    server.terminate()
    assert server.wait() == 1
    assert isinstance(running.exception(), ConnectionError)
    assert server.logs().endswith("lyftlearn: serve: requests cut off that did not end within 0.1 seconds: 1\n")


def test_a_server_may_be_stopped_while_it_loads(serving: Serving) -> None:
    """SIGTERM during model_fn ends the server with 0: nothing was running."""
    server = serving.start(SLOW_MODEL, is_awaited=False)
    server.says("loading")
    server.terminate()
    assert server.wait() == 0
    assert "stopped while the model was being loaded" in server.logs()


@pytest.mark.parametrize("code", ["raise ImportError('broken by pip')", "raise AttributeError('broken by pip')"])
def test_a_broken_package_is_told_in_one_line(serving: Serving, code: str) -> None:
    """Where a team's pip has broken what serves, the exit code is 78 and one line says what it was."""
    server = serving.start(files={"code/uvicorn.py": code}, env={"PYTHONPATH": "/opt/ml/code"}, is_awaited=False)
    assert server.wait() == 78
    told = server.logs()
    assert told.startswith("lyftlearn: serve: uvicorn in /opt/venv is not as the image came with it: ")
    assert told.endswith("Error: broken by pip\n")
    assert told.count("\n") == 1


def test_a_server_may_be_stopped_before_it_listens(serving: Serving) -> None:
    """SIGTERM while the server's own packages are being imported is exit code 0, too."""
    slow = "import time\nprint('importing', flush=True)\nwhile True:\n    time.sleep(0.01)\n"
    server = serving.start(files={"code/uvicorn.py": slow}, env={"PYTHONPATH": "/opt/ml/code"}, is_awaited=False)
    server.says("importing")
    server.terminate()
    assert server.wait() == 0


def terminated(server: ModelServer) -> None:
    """SIGTERM, and the server has seen it."""
    from tests.runtime.serving.conftest import until

    server.terminate()
    until(lambda: server.ping() == 503, "/ping is 503 after SIGTERM")


def test_a_request_that_takes_too_long_is_given_up(serving: Serving) -> None:
    """Its client gets 500, and others their turn, though the handler is stuck: as often as there are threads, and once more."""
    env = {"SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS": "1", "LYFTLEARN_SERVE_CONCURRENCY": "1"}
    server = serving.start(SLOW.replace("until_go()\n    return", "body == 'stuck' and until_go()\n    return"), env=env)
    told = refusal(500, "InternalServerException", "the model did not answer within 1 seconds")
    for _ in range(2):
        answer = server.invoke(b"stuck")
        assert (answer.status, answer.json) == (500, told), server.logs()
    assert server.invoke(b"good").body == b"good"
