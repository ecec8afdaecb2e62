"""The way of a request through the handlers."""

from __future__ import annotations

import importlib
import traceback
from importlib.util import find_spec
from inspect import signature
from typing import TYPE_CHECKING, Any

from . import content_types, environment, logging, utils
from .default_inference_handler import DefaultInferenceHandler
from .errors import BaseInferenceToolkitError, GenericInferenceToolkitError

if TYPE_CHECKING:
    from collections.abc import Callable

_NAMES = ("model_fn", "transform_fn", "input_fn", "predict_fn", "output_fn", "pre_model_fn", "model_warmup_fn")


class Transformer:
    """Finds the handlers of the team's module, and those of `default_inference_handler` for the rest."""

    def __init__(self, default_inference_handler: Any = None) -> None:
        self._default_inference_handler = default_inference_handler or DefaultInferenceHandler()
        self._initialized = False
        self._environment: Any = None
        self._model: Any = None
        self._context: Any = None
        self._pre_model_fn: Callable[..., Any] | None = None
        self._model_warmup_fn: Callable[..., Any] | None = None
        self._model_fn: Any = None
        self._transform_fn: Any = None
        self._input_fn: Any = None
        self._predict_fn: Any = None
        self._output_fn: Any = None

    @staticmethod
    def handle_error(context: Any, inference_exception: Any, trace: str) -> list[str]:
        """Sets the status; gives the message alone: the traceback, which the original adds, goes to the log."""
        logging.get_logger().error("%s", trace)
        phrase = utils.remove_crlf(str(inference_exception.phrase))
        context.set_response_status(code=inference_exception.status_code, phrase=phrase)
        return [str(inference_exception.message)]

    def transform(self, data: Any, context: Any) -> list[Any]:
        """The answers to a batch; where one fails, its message, with the status in the context."""
        try:
            self.validate_and_initialize(model_dir=context.system_properties.get("model_dir"), context=context)
            return [self._answer(one.get("body"), context) for one in data]
        except BaseInferenceToolkitError as error:
            return self.handle_error(context, error, traceback.format_exc())
        except Exception as error:  # noqa: BLE001 - of the team's code
            failure = GenericInferenceToolkitError(500, str(error))
            return self.handle_error(context, failure, traceback.format_exc())

    def validate_and_initialize(self, model_dir: str = environment.model_dir, context: Any = None) -> None:
        """Loads the team's module and the model, once."""
        if self._initialized:
            return
        self._context = context
        self._environment = environment.Environment()
        self._validate_user_module_and_set_functions()
        if self._pre_model_fn is not None:
            self._run_handler_function(self._pre_model_fn, model_dir)
        self._model = self._run_handler_function(self._model_fn, model_dir)
        if self._model_warmup_fn is not None:
            self._run_handler_function(self._model_warmup_fn, model_dir, self._model)
        self._initialized = True

    def _answer(self, body: Any, context: Any) -> Any:
        properties = context.request_processor[0].get_request_properties()
        content_type = utils.retrieve_content_type_header(properties)
        accept = properties.get("Accept") or properties.get("accept")
        if not accept or accept == content_types.ANY:
            accept = self._environment.default_accept
        if content_type in content_types.UTF8_TYPES:
            body = body.decode("utf-8")
        result = self._run_handler_function(self._transform_fn, self._model, body, content_type, accept)
        answer, kind = (result[0], result[1]) if isinstance(result, tuple) else (result, accept)
        context.set_response_content_type(0, kind)
        return answer

    def _validate_user_module_and_set_functions(self) -> None:
        name, default = self._environment.module_name, self._default_inference_handler
        module = importlib.import_module(name) if find_spec(name) is not None else None
        own = {one: getattr(module, one, None) for one in _NAMES}
        if own["transform_fn"] and (own["input_fn"] or own["predict_fn"] or own["output_fn"]):
            raise ValueError(
                "Cannot use transform_fn implementation in conjunction with input_fn, predict_fn, and/or output_fn"
                " implementation"
            )
        self._transform_fn = own["transform_fn"] or self._default_transform_fn
        self._model_fn = own["model_fn"] or default.default_model_fn
        self._input_fn = own["input_fn"] or default.default_input_fn
        self._predict_fn = own["predict_fn"] or default.default_predict_fn
        self._output_fn = own["output_fn"] or default.default_output_fn
        self._pre_model_fn = own["pre_model_fn"] or getattr(default, "default_pre_model_fn", None)
        self._model_warmup_fn = own["model_warmup_fn"] or getattr(default, "default_model_warmup_fn", None)

    def _default_transform_fn(self, model: Any, input_data: Any, content_type: Any, accept: Any, context: Any = None) -> Any:  # noqa: ARG002
        data = self._run_handler_function(self._input_fn, input_data, content_type)
        prediction = self._run_handler_function(self._predict_fn, data, model)
        return self._run_handler_function(self._output_fn, prediction, accept)

    def _run_handler_function(self, func: Callable[..., Any], *argv: Any) -> Any:
        """What a handler returns: one that takes an argument more gets the context."""
        count = len(signature(func).parameters)
        if count == len(argv):
            return func(*argv)
        if count == len(argv) + 1:
            return func(*argv, self._context)
        raise TypeError(f"{func.__name__} takes {count} arguments but {len(argv)} were given.")
