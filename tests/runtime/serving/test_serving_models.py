"""Several models behind one server, by the routes of the service's contract for such containers."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from tests.archives import tar_gz
from tests.runtime.serving.conftest import refusal

if TYPE_CHECKING:
    from tests.runtime.serving.conftest import Answer, ModelServer, Serving

ENV = {"SAGEMAKER_MULTI_MODEL": "true"}
CODE = """
    import names

    def model_fn(model_dir, context):
        return context.model_name

    def transform_fn(model, body, content_type, accept, context):
        return [names.NAME, model, body, context.get_request_header(0, "X-Amzn-SageMaker-Target-Model")]
"""


def place(name: str) -> str:
    """Where the service puts a model."""
    return f"/opt/ml/models/{name}/model"


def load(server: ModelServer, name: str, url: str = "") -> Answer:
    """The service's request for one more model."""
    order = json.dumps({"model_name": name, "url": url or place(name)}).encode()
    return server.ask("POST", "/models", order, {"Content-Type": "application/json"})


def names(answer: Answer) -> list[Any]:
    """Of a page of models."""
    return [one["modelName"] for one in answer.json["models"]]


@pytest.mark.parametrize("user", ["0", "1000530000:0"], ids=["root", "any UID"])
def test_models_are_loaded_listed_asked_and_unloaded(serving: Serving, linear_model: bytes, user: str) -> None:
    """Each has its own code, also where modules have one name; one that has none is model.joblib with the defaults."""
    files: dict[str, str | bytes] = {"models/plain/model/model.joblib": linear_model}
    for name in "ab":
        files[f"models/{name}/model/code/inference.py"] = CODE
        files[f"models/{name}/model/code/names.py"] = f"NAME = 'names of {name}'"
    server = serving.start(files=files, env=ENV, user=user)
    assert server.ask("GET", "/models").json == {"models": []}
    for name in ("a", "b", "plain"):
        answer = load(server, name)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), server.logs()
    assert load(server, "a").json == refusal(409, "ConflictStatusException", "Model a is already registered.")
    headers = {"Content-Type": "text/csv", "X-Amzn-SageMaker-Target-Model": "a.tar.gz"}
    for name in "ab":
        answer = server.ask("POST", f"/models/{name}/invoke", b"1", headers)
        assert answer.json == [f"names of {name}", name, "1", "a.tar.gz"]
    assert server.ask("POST", "/models/plain/invoke", b"1,1", {"Content-Type": "text/csv"}).json == pytest.approx([6])
    assert server.ask("GET", "/models/b").json == {"modelName": "b", "modelUrl": place("b")}

    page = server.ask("GET", "/models?limit=2")
    assert (names(page), page.json["nextPageToken"]) == (["a", "b"], "2")
    page = server.ask("GET", "/models?limit=2&next_page_token=2")
    assert (names(page), "nextPageToken" in page.json) == (["plain"], False)

    assert server.ask("DELETE", "/models/b").status == 200
    gone = refusal(404, "ResourceNotFoundException", "Model not found: b")
    for method, path in (("DELETE", "/models/b"), ("GET", "/models/b"), ("POST", "/models/b/invoke")):
        answer = server.ask(method, path, b"1" if method == "POST" else None)
        assert (answer.status, answer.json) == (404, gone)
    assert names(server.ask("GET", "/models")) == ["a", "plain"]
    assert load(server, "b").status == 200
    assert server.invoke([1]).status == 404


@pytest.mark.parametrize("user", ["0", "1000530000:0"], ids=["root", "any UID"])
def test_an_archive_is_unpacked_for_its_model(serving: Serving, user: str) -> None:
    """On Kubernetes a prefix comes as it is in S3; what was unpacked goes with the model, and nothing leads out of it."""
    files = {"code/inference.py": textwrap.dedent(CODE), "code/names.py": "NAME = 'packed'", "../../etc/out": "x"}
    given: dict[str, str | bytes] = {"model/a.tar.gz": tar_gz(files), "model/bad.tar.gz": b"no archive", "model/c.zip": b""}
    server = serving.start(files=given, env=ENV, user=user, options=("--read-only", "--tmpfs", "/tmp"))
    answer = load(server, "a", "/opt/ml/model/a.tar.gz")
    assert answer.status == 200, server.logs()
    answer = server.ask("POST", "/models/a/invoke", b"1", {"Content-Type": "text/csv"})
    assert answer.json == ["packed", "a", "1", None]
    assert server.ask("GET", "/models/a").json["modelUrl"] == "/opt/ml/model/a.tar.gz"
    assert load(server, "bad", "/opt/ml/model/bad.tar.gz").status == 400
    assert load(server, "c", "/opt/ml/model/c.zip").status == 404
    assert server.ask("DELETE", "/models/a").status == 200
    assert "model-" not in server.inside("ls", "/tmp")


def test_what_cannot_be_loaded_is_told_apart(serving: Serving) -> None:
    """400 for no order and a directory elsewhere, 404 for none, 500 for code that fails, 507 where memory does not suffice."""
    files: dict[str, str | bytes] = {
        "models/fails/model/code/inference.py": "def model_fn(model_dir): raise ValueError('planted')\n",
        "models/full/model/code/inference.py": "def model_fn(model_dir): raise MemoryError\n",
        "models/large/model/weights": b"\0" * (145 << 20),
    }
    server = serving.start(files=files, env=ENV, options=("--memory", "150m"))
    cases = [
        (server.ask("POST", "/models", b"{"), 400),
        (server.ask("POST", "/models", b'{"model_name": "x"}'), 400),
        (load(server, "x", "/etc"), 400),
        (load(server, "x", "/opt/ml/models/../../../etc"), 400),
        (load(server, "x"), 404),
        (load(server, "fails"), 500),
        (load(server, "full"), 507),
        (load(server, "large"), 507),
        (server.ask("GET", "/models?limit=x"), 400),
        (server.ask("PUT", "/models/x"), 405),
    ]
    assert [answer.status for answer, _ in cases] == [status for _, status in cases], server.logs()
    for answer, status in cases:
        assert (set(answer.json), answer.json["code"]) == ({"code", "type", "message"}, status)
        assert "planted" not in answer.body.decode()
    assert server.ask("GET", "/models").json == {"models": []}
    assert server.ping() == 200


def test_a_server_of_one_model_has_no_such_routes(serving: Serving) -> None:
    """They are there where SAGEMAKER_MULTI_MODEL is true."""
    server = serving.start(CODE.replace("import names", ""))
    assert server.ask("GET", "/models").status == 404
    assert load(server, "a").status == 404
