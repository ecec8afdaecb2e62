"""One request through the handlers: its body in, the answer's body and type out."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

from lyftlearn_runtime.log import log_line
from lyftlearn_runtime.serving import codec
from lyftlearn_runtime.serving.errors import RequestError, print_traceback
from lyftlearn_runtime.serving.request_context import ModelFacts, RequestContext
from lyftlearn_runtime.serving.settings import JSON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from concurrent.futures import Executor

    from lyftlearn_runtime.serving.handlers import Handler, Handlers

_END = object()


class InferenceResponse(NamedTuple):
    """`content` is bytes, or an iterator of pieces for a streamed answer."""

    content: bytes | AsyncIterator[bytes]
    content_type: str
    headers: Mapping[str, str]
    status: int = 200


class Model:
    """The loaded model with its handlers. Plain ones run in `executor`, async ones in the event loop."""

    def __init__(self, handlers: Handlers, executor: Executor, model_dir: str) -> None:
        self._handlers = handlers
        self._executor = executor
        self._model_dir = model_dir
        self._facts = ModelFacts(model_dir)
        self._model: Any = None

    async def load(self) -> None:
        """Calls pre_model_fn, model_fn and model_warmup_fn; what they raise goes through."""
        context, handlers = RequestContext(self._facts), self._handlers
        if handlers.before:
            await self._call(handlers.before, (self._model_dir,), context)
        self._model = await self._call(handlers.model, (self._model_dir,), context)
        if handlers.warm_up:
            await self._call(handlers.warm_up, (self._model_dir, self._model), context)

    async def invoke(self, content: bytes, content_type: str, accept: str, headers: Mapping[str, str]) -> InferenceResponse:
        """The answer to one request. RequestError where a handler fails: its own status if it has one, else 500."""
        context = RequestContext(self._facts, headers)
        try:
            return await self._answer(content, content_type, accept, headers, context)
        finally:
            context.write_metrics()

    async def _answer(
        self, content: bytes, content_type: str, accept: str, headers: Mapping[str, str], context: RequestContext
    ) -> InferenceResponse:
        self._refuse_encoding(headers)
        body = codec.text_or_bytes(content, content_type)
        handlers = self._handlers
        if handlers.transform:
            result = await self._try(handlers.transform, (self._model, body, content_type, accept), context)
            name = handlers.transform.name
        else:
            data = await self._try(handlers.input, (body, content_type), context)
            prediction = await self._try(handlers.predict, (data, self._model), context)
            result = await self._try(handlers.output, (prediction, accept), context)
            name = handlers.output.name
        # The inference toolkit takes a body, or a body with its type, and looks at nothing behind them.
        is_pair = isinstance(result, tuple) and len(result) >= 2 and isinstance(result[1], str)
        answer, kind = result[:2] if is_pair else (result, _type_of(accept))
        chosen = dict(context.get_response_headers(0))
        kind = chosen.pop("content-type", kind)
        status = _checked(name, context.get_response_status(0)[0])
        # Neither has a body (RFC 9110, 15.3.5 and 15.4.5).
        return InferenceResponse(b"" if status in {204, 304} else self._content(name, answer), kind, chosen, status)

    def _refuse_encoding(self, headers: Mapping[str, str]) -> None:
        """RequestError 415 for a compressed body, which a handler of the team may unpack and the default does not."""
        handlers, encoding = self._handlers, headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"", "identity"} and handlers.transform is None and handlers.input.function is codec.decode:
            raise RequestError(415, "the body has a Content-Encoding; expected it as it is")

    async def _call(self, handler: Handler, given: tuple[Any, ...], context: RequestContext) -> Any:
        arguments = handler.arguments(given, context)
        if handler.is_async:
            return await handler.function(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self._executor, _outcome, handler, arguments)

    async def _try(self, handler: Handler, given: tuple[Any, ...], context: RequestContext) -> Any:
        try:
            return await self._call(handler, given, context)
        except RequestError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - of the team's code; one request ends no server
            raise _answer_of(handler.name, error) from None

    def _content(self, name: str, answer: Any) -> bytes | AsyncIterator[bytes]:
        if isinstance(answer, str):
            return answer.encode()
        if isinstance(answer, (bytes, bytearray, memoryview)):
            return bytes(answer)
        if inspect.isasyncgen(answer):
            return _told(name, _encoded(answer))
        if inspect.isgenerator(answer):
            return _told(name, _encoded(self._pieces(answer)))
        try:
            return codec.to_json(answer)
        except (TypeError, ValueError, RecursionError):
            log_line(
                f"{name} returned {type(answer).__name__}; expected str, bytes, what JSON can hold, a generator, or a pair of"
                " body and type"
            )
        raise RequestError(500, f"{name} returned {type(answer).__name__}, which is not a body")

    async def _pieces(self, generator: Iterator[Any]) -> AsyncIterator[Any]:
        """What a plain generator gives, each piece made in the executor."""
        loop = asyncio.get_running_loop()
        while True:
            piece = await loop.run_in_executor(self._executor, next, generator, _END)
            if piece is _END:
                return
            yield piece


def _checked(name: str, status: Any) -> int:
    """The status of an answer that a handler may have set. RequestError 500 for what is none."""
    if isinstance(status, int) and 200 <= status < 600:
        return status
    log_line(f"{name} set the status {status!r}; expected a whole number from 200 to 599")
    raise RequestError(500, f"{name} set a status that is none")


def _type_of(accept: str) -> str:
    """The type of a bare body: the one that was asked for first. A range is no type, so it is JSON then."""
    first = codec.media_type(accept.partition(",")[0])
    return JSON if "*" in first else first


def _outcome(handler: Handler, arguments: tuple[Any, ...]) -> Any:
    """In the executor: what a handler returns."""
    try:
        return handler.function(*arguments)
    except StopIteration as error:
        # A future cannot hold this one, and whoever awaits it would wait for ever.
        raise RuntimeError(f"{handler.name} raised StopIteration") from error


async def _encoded(pieces: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        yield piece.encode() if isinstance(piece, str) else bytes(piece)


async def _told(name: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces; a failure among them is told before it cuts the answer off."""
    try:
        async for piece in pieces:
            yield piece
    except Exception as error:  # noqa: BLE001 - of the team's code; the answer has begun, so only its end can tell
        raise _answer_of(name, error) from None


def _answer_of(name: str, error: BaseException) -> RequestError:
    """What a client is told of a handler's failure. Its text goes to stderr only: it may hold a value or a secret.

    An exception with a status of its own is an answer that the handler has chosen (Starlette's HTTPException, the
    inference toolkit's GenericInferenceToolkitError), and so is its text.
    """
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and 400 <= status < 600:
        text = str(getattr(error, "detail", None) or getattr(error, "message", None) or type(error).__name__)
        return RequestError(status, text)
    kind = type(error).__name__
    if kind == "UnsupportedFormatError":  # the inference toolkit's, for a type that it cannot read or write
        return RequestError(406 if name == "output_fn" else 415, f"{name} does not support this type")
    log_line(f"{name} failed: {kind}")
    print_traceback(error)
    return RequestError(500, f"{name} failed: {kind}")
