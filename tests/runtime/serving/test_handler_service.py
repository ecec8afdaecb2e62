"""Handler services and what imports `sagemaker_inference`, in containers of the image."""

# ruff: noqa: ARG005 - a service takes both, whatever it looks at

from __future__ import annotations

import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_runtime.serving import handlers
from lyftlearn_runtime.serving.errors import RequestError, StartError
from lyftlearn_runtime.serving.handler_service import HandlerService, SharedContext
from lyftlearn_runtime.serving.request_context import ModelFacts, RequestContext
from tests.runtime.serving.conftest import refusal

if TYPE_CHECKING:
    from tests.runtime.serving.conftest import Serving

# As the developer guide's container for several models has it.
MODEL_HANDLER = """
class ModelHandler(object):
    def __init__(self):
        self.initialized = False

    def initialize(self, context):
        self.initialized = True
        self.model_dir = context.system_properties.get("model_dir")

    def handle(self, data, context):
        body = data[0].get("body")
        context.set_response_content_type(0, "text/mine")
        return [type(body).__name__.encode() + b" " + body + self.model_dir.encode()]

_service = ModelHandler()

def handle(data, context):
    if not _service.initialized:
        _service.initialize(context)
    if data is None:
        return None
    return _service.handle(data, context)
"""
# As the framework containers of AWS have it.
FRAMEWORK = """
from sagemaker_inference import content_types, decoder, encoder, errors
from sagemaker_inference.default_handler_service import DefaultHandlerService
from sagemaker_inference.default_inference_handler import DefaultInferenceHandler
from sagemaker_inference.transformer import Transformer

class Handler(DefaultInferenceHandler):
    def default_model_fn(self, model_dir, context=None):
        return 2

    def default_predict_fn(self, data, model, context=None):
        if not data.size:
            raise errors.GenericInferenceToolkitError(422, "no rows")
        context.set_response_status(201, "Made")
        return data * model

class HandlerService(DefaultHandlerService):
    def __init__(self):
        DefaultHandlerService.__init__(self, transformer=Transformer(default_inference_handler=Handler()))
"""


def test_a_service_is_what_the_variable_names(serving: Serving) -> None:
    """SAGEMAKER_HANDLER names a file and its function, as start_model_server is told it; bodies are bytes."""
    server = serving.start(files={"code/model_handler.py": MODEL_HANDLER}, env={"SAGEMAKER_HANDLER": "model_handler.py:handle"})
    answer = server.invoke(b"\xff", "application/json")
    assert (answer.status, answer.body) == (200, b"bytes \xff/opt/ml/model")
    assert answer.headers["content-type"] == "text/mine"


def test_a_framework_s_service_works_with_the_module_of_the_image(serving: Serving) -> None:
    """A subclass of DefaultHandlerService with its own default handlers, from a script that calls start_model_server."""
    start = """#!/bin/sh
exec python -c "import sys; sys.path.insert(0, '/opt/ml/code'); from sagemaker_inference import model_server
model_server.start_model_server(handler_service='handler_service')"
"""
    files = {"code/handler_service.py": FRAMEWORK, "code/entry.sh": start}
    server = serving.start(files=files, env={"LYFTLEARN_PROGRAM": "entry.sh"}, user="1000530000:0")
    answer = server.invoke([[1, 2]])
    assert (answer.status, answer.json, answer.headers["content-type"]) == (201, [[2, 4]], "application/json"), server.logs()
    answer = server.invoke([[1.5]], Accept="text/csv")
    assert (answer.body, answer.headers["content-type"]) == (b"3.0\n", "text/csv")
    answer = server.invoke([])
    assert (answer.status, answer.body) == (422, b"no rows")
    assert "Traceback" in server.logs()
    server.terminate()
    assert server.wait() == 0


def test_handlers_import_the_module_and_the_real_one_wins(serving: Serving) -> None:
    """`sagemaker_inference` is there for handlers; one that is installed, or a team's own, is never shadowed."""
    code = """
        from sagemaker_inference import content_types, errors
        import sagemaker_inference

        def model_fn(model_dir):
            return None

        def transform_fn(model, body, content_type, accept):
            if content_type == content_types.CSV:
                raise errors.GenericInferenceToolkitError(418, "short and stout")
            return sagemaker_inference.__file__
    """
    server = serving.start(code)
    assert server.invoke([]).body == b"/opt/lyftlearn/lyftlearn_runtime/compat/sagemaker_inference/__init__.py"
    answer = server.invoke(b"", "text/csv")
    assert (answer.status, answer.json) == (418, refusal(418, "BadRequestException", "short and stout"))
    files = {"code/sagemaker_inference/__init__.py": "content_types = errors = None"}
    assert (
        serving.start(code.replace("== content_types.CSV", "is None"), files=files).invoke([]).body.startswith(b"/opt/ml/code/")
    )


def module(**names: Any) -> ModuleType:
    """A module with these names."""
    found = ModuleType("mine")
    vars(found).update(names)
    return found


def called(service: HandlerService) -> Any:
    """The answer of a service that has been started to one request."""
    facts = ModelFacts("/nowhere")
    service.load("/nowhere", RequestContext(facts))
    return service.transform(None, b"x", "", "", RequestContext(facts, {}))


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (None, "Invalid model predict output"),
        ([1, 2], "number of batch response mismatched"),
        ([], "number of batch response mismatched"),
    ],
)
def test_a_service_that_gives_no_list_of_one_is_503(answers: Any, told: str) -> None:
    """In the words of the multi-model server."""
    with pytest.raises(RequestError, match=told) as caught:
        called(HandlerService(module(handle=lambda data, context: answers)))
    assert caught.value.status == 503


def test_a_module_without_handlers_may_be_a_service() -> None:
    """With a function or one class of its own; handlers come first, and what is none stops the start."""
    found = handlers.module_handlers(module(handle=lambda data, context: ["yes"]))
    assert found.transform is not None
    assert found.transform.name == "handle"
    found = handlers.module_handlers(module(handle=None, model_fn=lambda model_dir: None))
    assert found.transform is None
    with pytest.raises(StartError, match="expected a function handle, or one class that has it"):
        HandlerService(module())
    with pytest.raises(StartError, match=r"expected a function other$"):
        HandlerService(module(handle=print), "other")


def test_the_shared_context_is_each_thread_s_own_request() -> None:
    """Two requests at the same time do not see each other, and before any it is the start's."""
    facts = ModelFacts("/nowhere")
    shared = SharedContext(RequestContext(facts))
    assert shared.request_processor is None
    both, seen = threading.Barrier(2), {}

    def request(name: str) -> None:
        shared.enter(RequestContext(facts, {"name": name}))
        both.wait()
        seen[name] = shared.get_request_header(0, "Name")
        both.wait()

    threads = [threading.Thread(target=request, args=(name,)) for name in "ab"]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert seen == {"a": "a", "b": "b"}
