"""Handler services: the lower of the two conventions that models come with, a function `handle` or a class that has one.

Source: awslabs/multi-model-server, docs/custom_service.md, mms/model_loader.py and mms/service.py. `handle` is called with a
batch, which is of one request here, and with a context; with None for the batch as the model is loaded. It is asked for by
SAGEMAKER_HANDLER, by `sagemaker_inference.model_server.start_model_server`, or is what the program has in place of handlers.
"""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING, Any

from lyftlearn_runtime.serving.errors import RequestError, StartError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from lyftlearn_runtime.serving.request_context import RequestContext

# The inference toolkit's own service, which does what the server does without any.
DEFAULT = "sagemaker_inference.default_handler_service"
_FUNCTION = "handle"


class SharedContext:
    """The one context that a service may keep from its start: to every thread it is that of the request there."""

    def __init__(self, first: RequestContext) -> None:
        self._first = first
        self._now = threading.local()

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(self._now, "context", self._first), name)

    def enter(self, context: RequestContext) -> None:
        """From now on, in this thread."""
        self._now.context = context


class HandlerService:
    """A service with the names that the server calls."""

    def __init__(self, module: ModuleType, function: str = "") -> None:
        """StartError for a module without a service."""
        self._entry = getattr(module, function or _FUNCTION, None)
        self._class = None if self._entry or function else _service_class(module)
        if self._entry is None and self._class is None:
            expected = f"a function {function or _FUNCTION}" + ("" if function else ", or one class that has it")
            raise StartError(f"{getattr(module, '__file__', module.__name__)} is no handler service; expected {expected}")
        self._handle: Callable[..., Any] | None = self._entry
        self._context: SharedContext | None = None

    def load(self, _model_dir: str, context: RequestContext) -> None:
        """Starts it; what it raises goes through."""
        shared = self._context = SharedContext(context)
        if self._class is None:
            assert self._entry is not None  # noqa: S101 - a service has one of the two
            self._entry(None, shared)
            return
        service = self._class()
        self._handle = service.handle
        if hasattr(service, "initialize"):
            service.initialize(shared)

    def transform(self, _model: Any, body: bytes, _content_type: str, _accept: str, context: RequestContext) -> Any:
        """The answer to a request. RequestError 503 where the service gives no list of one, as its own server has it."""
        assert self._handle is not None  # noqa: S101 - it has been started
        assert self._context is not None  # noqa: S101 - likewise
        self._context.enter(context)
        answers = self._handle([{"body": body}], self._context)
        if not isinstance(answers, list):
            raise RequestError(503, "Invalid model predict output")
        if len(answers) != 1:
            raise RequestError(503, "number of batch response mismatched")
        return answers[0]


def has_service(module: ModuleType | None) -> bool:
    """Whether a module without handlers has a service."""
    return module is not None and (callable(getattr(module, _FUNCTION, None)) or _service_class(module) is not None)


def _service_class(module: ModuleType) -> Any:
    """The one class that a module defines and that is a service; None where there is none, or more than one."""
    found = [
        one
        for _, one in inspect.getmembers(module, inspect.isclass)
        if one.__module__ == module.__name__ and callable(getattr(one, _FUNCTION, None))
    ]
    return found[0] if len(found) == 1 else None
