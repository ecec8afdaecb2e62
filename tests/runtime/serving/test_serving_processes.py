"""Several processes behind one port: ready, stopped and lost together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.runtime.serving.conftest import until

if TYPE_CHECKING:
    from tests.runtime.serving.conftest import Serving

# The first process that comes is ready at once, the other one when it is let go.
CODE = """
import os, time

def until_go(name):
    while not os.path.exists(name):
        time.sleep(0.01)

def model_fn(model_dir):
    try:
        os.mkdir("/tmp/first")
    except FileExistsError:
        until_go("/tmp/loaded")
    print("loaded", flush=True)

def transform_fn(model, body, content_type, accept):
    if body == "wait":
        print("running", flush=True)
        until_go("/tmp/go")
    return str(os.getpid())
"""
TWO = {"MODEL_SERVER_WORKERS": "2"}


def test_two_processes_share_the_requests_and_are_ready_together(serving: Serving) -> None:
    """/ping is 200 once both have loaded the model; both answer; SIGTERM ends both, with what runs, and the exit code is 0."""
    server = serving.start(CODE, env=TWO, is_awaited=False)
    server.says("loaded")
    assert [server.ping() for _ in range(8)] == [503] * 8
    server.inside("touch", "/tmp/loaded")
    server.says("ready on port 8080")
    until(lambda: server.ping() == 200, "/ping is 200")
    seen: set[bytes] = set()

    def are_both_seen() -> bool:
        seen.add(server.invoke(b"x").body)
        return len(seen) == 2

    until(are_both_seen, "both processes answer")
    running = server.later(b"wait")
    server.says("running")
    server.terminate()
    server.go()
    assert running.result().body in seen
    assert server.wait() == 0
    assert "Traceback" not in server.logs()


def test_a_process_that_is_lost_ends_the_server(serving: Serving) -> None:
    """One that is killed is told by its signal, and the exit code is 1: the orchestrator starts another container."""
    server = serving.start(CODE, env=TWO, is_awaited=False)
    server.inside("touch", "/tmp/loaded")
    until(lambda: server.ping() == 200, "/ping is 200")
    server.inside("sh", "-c", f"kill -9 {server.invoke(b'x').body.decode()}")
    assert server.wait() == 1
    assert " of 2 was ended by signal 9\n" in server.logs()


def test_a_mistake_of_all_is_the_exit_code(serving: Serving) -> None:
    """Handlers that no process can take end all of them with the code of the mistake."""
    server = serving.start("model_fn = 1\n", env=TWO, is_awaited=False)
    assert server.wait() == 78
