"""The team's handlers in the SageMaker inference convention, and the defaults for those that it has not written.

Source of the convention: aws/sagemaker-inference-toolkit, default_inference_handler.py and transformer.py.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from lyftlearn_runtime.serving import codec, handler_service, prediction
from lyftlearn_runtime.serving.errors import StartError
from lyftlearn_runtime.serving.settings import CODE_DIRS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from lyftlearn_runtime.serving.request_context import RequestContext

_DEFAULT_PROGRAM = "inference.py"
_MODEL = "model.joblib"
_NAMES = ("model_fn", "transform_fn", "input_fn", "predict_fn", "output_fn")


class Handler(NamedTuple):
    """A function, whether its last argument is the context, and whether it is awaited."""

    name: str
    function: Callable[..., Any]
    takes_context: bool
    is_async: bool

    def arguments(self, given: tuple[Any, ...], context: RequestContext | None) -> tuple[Any, ...]:
        """What to call it with. Without a context only what takes none."""
        return (*given, context) if self.takes_context else given

    def call(self, arguments: tuple[Any, ...]) -> Any:
        """What it returns, of one that is not awaited."""
        try:
            return self.function(*arguments)
        except StopIteration as error:
            # A future cannot hold this one, and whoever awaits it would wait for ever.
            raise RuntimeError(f"{self.name} raised StopIteration") from error


class Handlers(NamedTuple):
    """`transform` stands for the last three where it is not None; `before` and `warm_up` are called around `model`.

    With `takes_bytes` no body is text.
    """

    before: Handler | None
    model: Handler
    warm_up: Handler | None
    input: Handler
    predict: Handler
    output: Handler
    transform: Handler | None
    takes_bytes: bool = False


def load(program: str, service: str = "", code_dirs: Sequence[str] = CODE_DIRS) -> Handlers:
    """The handlers of the module that `program` names, or of inference.py where there is one, or the defaults.

    A program is a file below one of `code_dirs`, an absolute path, or a module's name; `service`, where it is not empty, is
    one of these with a handler service, `:` and a function's name behind it where that is not `handle`. Raises StartError
    when it is not found or its handlers do not go together; what the module raises goes through.
    """
    if os.path.isdir(code_dirs[0]):
        # There the toolkit starts workers, so a handler may open a file of the model by its name alone.
        os.chdir(os.path.dirname(code_dirs[0]))
    # The first one wins in an import, too.
    sys.path[:0] = [one for one in code_dirs if os.path.isdir(one)]
    return _found(program, service, code_dirs)


def load_model(model_dir: str, program: str, service: str) -> Handlers:
    """As `load`, of one model of several: its own `code`, then what all have in common."""
    return _found(program, service, (os.path.join(model_dir, "code"), *CODE_DIRS[1:]))


def _found(program: str, service: str, code_dirs: Sequence[str]) -> Handlers:
    name, _, function = service.partition(":")
    if name and name != handler_service.DEFAULT:
        module = _module(name, code_dirs)
        assert module is not None  # noqa: S101 - it has a name
        return _of_service(handler_service.HandlerService(module, function))
    return module_handlers(_module(program, code_dirs))


def _of_service(service: handler_service.HandlerService) -> Handlers:
    transform = Handler("handle", service.transform, takes_context=True, is_async=False)
    return module_handlers(None)._replace(
        model=Handler("initialize", service.load, takes_context=True, is_async=False), transform=transform, takes_bytes=True
    )


def module_handlers(module: ModuleType | None) -> Handlers:
    """A module's handlers, and the defaults for the rest. StartError when transform_fn stands beside what it replaces."""
    if not any(hasattr(module, name) for name in _NAMES) and handler_service.has_service(module):
        assert module is not None  # noqa: S101 - it has a service
        return _of_service(handler_service.HandlerService(module))
    transform = _own(module, "transform_fn", 4)
    own = [name for name in ("input_fn", "predict_fn", "output_fn") if _own(module, name, 2)]
    if transform and own:
        raise StartError(
            f"{_file(module)} has transform_fn and {', '.join(own)}; transform_fn replaces them: keep one or the other"
        )
    # Of what a team's input_fn has made, nobody knows whether the client is to blame.
    predict = prediction.predict if "input_fn" in own else prediction.predict_body
    return Handlers(
        before=_own(module, "pre_model_fn", 1),
        warm_up=_own(module, "model_warmup_fn", 2),
        model=_own(module, "model_fn", 1) or Handler("model_fn", default_model, takes_context=False, is_async=False),
        input=_own(module, "input_fn", 2) or Handler("input_fn", codec.decode, takes_context=False, is_async=False),
        predict=_own(module, "predict_fn", 2) or Handler("predict_fn", predict, takes_context=False, is_async=False),
        output=_own(module, "output_fn", 2) or Handler("output_fn", codec.encode, takes_context=False, is_async=False),
        transform=transform,
    )


def default_model(model_dir: str) -> Any:
    """The model of model.joblib. StartError when there is none."""
    path = os.path.join(model_dir, _MODEL)
    if not os.path.isfile(path):
        places = ", ".join(os.path.join(one, _DEFAULT_PROGRAM) for one in CODE_DIRS)
        raise StartError(f"there is no {path}, and no model_fn in {places}; one of them has to load the model")
    import joblib  # type: ignore[import-untyped]  # noqa: PLC0415 - a server of own handlers may do without

    return joblib.load(path)


def _own(module: ModuleType | None, name: str, arguments: int) -> Handler | None:
    """A handler of the team's; StartError when it cannot take its arguments."""
    function = getattr(module, name, None)
    if function is None:
        return None
    if not callable(function):
        raise StartError(f"{name} in {_file(module)} is not a function")
    takes_context = _takes_context(function, arguments)
    if takes_context is None:
        raise StartError(
            f"{name} in {_file(module)} takes other than {arguments} arguments, or {arguments + 1} with the context"
        )
    # An object may be a handler, too.
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
    return Handler(name, function, takes_context, is_async)


def _takes_context(function: Callable[..., Any], arguments: int) -> bool | None:
    """Whether it takes one argument more than `arguments`, None when it takes neither number.

    An option of its own is not the context, as the inference toolkit has it, unless it is called so or None by default.
    """
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[arguments : arguments + 1]
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    found = any(one.kind in positional and _may_be_context(one) for one in parameters)
    try:
        signature.bind(*[None] * (arguments + found))
    except TypeError:
        return None
    return found


def _may_be_context(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty or parameter.default is None or parameter.name == "context"


def _module(program: str, code_dirs: Sequence[str]) -> ModuleType | None:
    """The module with the handlers; None when nobody named one and there is none of the usual name."""
    for directory in code_dirs:
        path = os.path.join(directory, program or _DEFAULT_PROGRAM)
        if os.path.isfile(path):
            return _from_file(path)
    if not program:
        return None
    if not program.endswith(".py") and all(part.isidentifier() for part in program.split(".")):
        if importlib.util.find_spec(program.partition(".")[0]):
            return importlib.import_module(program)
        raise StartError(f"there is no module {program}; expected it in {' or '.join(code_dirs)}, or installed")
    raise StartError(f"there is no program {program}; expected it in {' or '.join(code_dirs)}")


def _from_file(path: str) -> ModuleType:
    """The module of a file, with its folder in reach of its imports."""
    folder, name = os.path.split(path)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = os.path.splitext(name)[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StartError(f"the program {path} is not a Python file; expected one with handlers")
    module = importlib.util.module_from_spec(spec)
    # Pickles of classes that the file defines look for it here.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _file(module: ModuleType | None) -> str:
    return str(getattr(module, "__file__", None) or getattr(module, "__name__", "the program"))
