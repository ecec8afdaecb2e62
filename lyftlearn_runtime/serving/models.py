"""Several models behind one server: loaded, listed, asked and unloaded by their names.

Source: developer guide, "Custom Containers Contract for Multi-Model Endpoints" (mms-container-apis) for the routes and their
409, 404 and 507; awslabs/multi-model-server for `limit` and for what else the answers hold.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from lyftlearn_runtime.cgroup import free_memory
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.log import log_line
from lyftlearn_runtime.serving import handlers, reply as replies
from lyftlearn_runtime.serving.application import Invocations, Server
from lyftlearn_runtime.serving.errors import RequestError, StartError, print_traceback
from lyftlearn_runtime.serving.invocation import Model
from lyftlearn_runtime.serving.pace import Pace
from lyftlearn_runtime.serving.settings import MODELS_DIRS
from lyftlearn_runtime.submitted_code import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_runtime.serving.lane import Lane

ROUTE = "/models"
_INVOKE = "/invoke"
_ARCHIVE = ".tar.gz"
_PAGE = 100
_REQUEST_BYTES = 64 << 10
_NAME_LENGTH = 1024


class _Loaded(Server):
    """One model as the routes of a request know it; what is common is that of the server it is in."""

    def __init__(self, server: Server, url: str, directory: str, model: Model) -> None:
        Server.__init__(self, server.settings, server.admission)
        self._server = server
        self.url = url
        self.directory = directory
        self.model = model
        self.invocations = Invocations(self)

    def refusal(self) -> RequestError | None:
        """Only the server itself refuses."""
        return self._server.refusal()


class Models:
    """The ASGI application of everything below /models."""

    def __init__(self, server: Server, lane: Lane) -> None:
        self._server = server
        self._lane = lane
        # None while it is being loaded.
        self._models: dict[str, _Loaded | None] = {}
        # One after the other: modules of two models may have one name.
        self._loading = asyncio.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers one request. What fails is the multi-model server's `code`, `type` and `message`."""
        name, method = scope["path"][len(ROUTE) :].strip("/"), scope["method"]
        try:
            if name.endswith(_INVOKE) and method == "POST":
                await self._loaded(name[: -len(_INVOKE)]).invocations(scope, receive, send)
                return
            found = await self._answer(method, name, scope, receive)
        except RequestError as error:
            await replies.refuse(error, receive, send)
            return
        except replies.ClientGoneError:
            return
        await replies.send_reply(replies.json_reply(found), send)

    async def _answer(self, method: str, name: str, scope: Any, receive: Any) -> dict[str, Any]:
        if not name and method == "GET":
            return self._page(parse_qs(scope["query_string"].decode("latin-1")))
        if not name and method == "POST":
            content = await replies.read_body(receive, _REQUEST_BYTES, lambda: RequestError(413, "the body is too large"))
            return await self._load(*_order(content))
        if name and method == "GET":
            return {"modelName": name, "modelUrl": self._loaded(name).url}
        if name and method == "DELETE":
            found = self._loaded(name)
            del self._models[name]
            _forget(found.url, found.directory)
            log_line(f"serve: model {name} unloaded")
            return {"status": f'Model "{name}" unregistered'}
        raise RequestError(405, f"{method} is not for this path")

    def _loaded(self, name: str) -> _Loaded:
        found = self._models.get(name)
        if found is None:
            raise RequestError(404, f"Model not found: {name}")
        return found

    def _page(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """As many as `limit` says, from where `next_page_token` of the page before has left off."""
        first, count = _number(query, "next_page_token", 0), _number(query, "limit", _PAGE)
        loaded = [(name, one.url) for name, one in self._models.items() if one]
        page: dict[str, Any] = {"models": [{"modelName": name, "modelUrl": url} for name, url in loaded[first : first + count]]}
        if first + count < len(loaded):
            page["nextPageToken"] = str(first + count)
        return page

    async def _load(self, name: str, url: str) -> dict[str, Any]:
        refusal = self._server.refusal()
        if refusal:
            raise refusal
        if name in self._models:
            raise RequestError(409, f"Model {name} is already registered.")
        self._models[name] = None
        try:
            async with self._loading:
                directory = await self._lane.call(_files, url)
                try:
                    model = await self._model(name, directory)
                except BaseException:
                    _forget(url, directory)
                    raise
                self._models[name] = _Loaded(self._server, url, directory, model)
        finally:
            if self._models[name] is None:
                del self._models[name]
        log_line(f"serve: model {name} loaded")
        return {"status": f'Model "{name}" registered'}

    async def _model(self, name: str, directory: str) -> Model:
        settings = self._server.settings
        _check_memory(directory)
        try:
            with _own_imports(os.path.join(directory, "code")):
                found = await self._lane.call(handlers.load_model, directory, settings.program, settings.service)
                pace = Pace(is_inline_allowed=settings.is_inline_allowed)
                model = Model(found, self._lane, directory, pace, name)
                await model.load()
        except StartError as error:
            raise RequestError(400, str(error)) from None
        except MemoryError:
            raise RequestError(507, "Out of memory: the model does not fit beside those that are loaded") from None
        except (Exception, SystemExit) as error:  # noqa: BLE001 - of the team's code
            print_traceback(error)
            raise RequestError(500, f"the model could not be loaded: {type(error).__name__}") from None
        return model


def _order(content: bytes) -> tuple[str, str]:
    """Name and place of a model that is to be loaded. RequestError 400 for what is none, 404 where nothing is."""
    with contextlib.suppress(ValueError):
        order = json.loads(content)
        name, url = (order.get("model_name"), order.get("url")) if isinstance(order, dict) else (None, None)
        if isinstance(name, str) and isinstance(url, str) and 0 < len(name) <= _NAME_LENGTH and name == name.strip("/"):
            return name, _place(url)
    raise RequestError(400, 'expected a JSON document with "model_name" and "url"')


def _place(url: str) -> str:
    """A directory or archive below one of those where models are put: its code is run, and its files are unpickled."""
    path = os.path.realpath(url)
    if not any(path.startswith(place + os.sep) for place in MODELS_DIRS):
        raise RequestError(400, f"the url is in none of {', '.join(MODELS_DIRS)}")
    if not (os.path.isdir(path) or (os.path.isfile(path) and path.endswith(_ARCHIVE))):
        raise RequestError(404, f"there is no directory at the url, and no {_ARCHIVE}")
    return path


def _files(place: str) -> str:
    """The directory with a model's files: an archive, as it comes from S3 on Kubernetes, is unpacked for it."""
    if os.path.isdir(place):
        return place
    directory = tempfile.mkdtemp(prefix="model-")
    try:
        with open(place, "rb") as file:
            unpack(file, directory, os.path.basename(place))
    except (ShimError, OSError) as error:
        shutil.rmtree(directory, ignore_errors=True)
        is_full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        raise RequestError(507 if is_full else 400, f"the archive cannot be unpacked: {type(error).__name__}") from None
    return directory


def _forget(place: str, directory: str) -> None:
    """Takes away what was unpacked."""
    if directory != place:
        shutil.rmtree(directory, ignore_errors=True)


def _number(query: dict[str, list[str]], name: str, default: int) -> int:
    text = query.get(name, [""])[0]
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise RequestError(400, f"{name} is no number")
    return int(text)


def _check_memory(directory: str) -> None:
    """RequestError 507 where the files of a model alone are more than what is left. Where there is no limit, nobody knows."""
    free = free_memory()
    if free is None:
        return
    size = sum(os.path.getsize(os.path.join(top, name)) for top, _, names in os.walk(directory) for name in names)
    if size > free:
        raise RequestError(507, f"Out of memory: the model has {size} bytes, and {free} are left")


@contextlib.contextmanager
def _own_imports(code: str) -> Iterator[None]:
    """While a model is being loaded its modules are found first; afterwards they are its alone, whatever others' are called."""
    before = set(sys.modules)
    sys.path.insert(0, code)
    try:
        yield
    finally:
        sys.path[:] = [one for one in sys.path if one != code]
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", None) or "").startswith(code + os.sep):
                del sys.modules[name]
