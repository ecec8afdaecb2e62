"""One request through the handlers: its body in, the answer's body and type out."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

from lyftlearn_runtime.log import log_line
from lyftlearn_runtime.serving import codec, together
from lyftlearn_runtime.serving.errors import RequestError, answer_of
from lyftlearn_runtime.serving.pace import Spent
from lyftlearn_runtime.serving.request_context import ModelFacts, RequestContext
from lyftlearn_runtime.serving.settings import JSON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence

    from lyftlearn_runtime.serving.handlers import Handler, Handlers
    from lyftlearn_runtime.serving.lane import Lane
    from lyftlearn_runtime.serving.pace import Pace

    # A handler and its arguments out, its outcome in.
    Steps = Generator[tuple[Handler, tuple[Any, ...]], Any, "InferenceResponse"]

_END = object()
_NO_HEADERS: Mapping[str, str] = {}


class InferenceRequest(NamedTuple):
    """A request that has been read. `raw_headers` are as ASGI has them, their names in lower case."""

    content: bytes
    content_type: str
    accept: str
    encoding: str
    raw_headers: Sequence[tuple[bytes, bytes]]

    def headers(self) -> dict[str, str]:
        """By their names; of several of one name the first counts."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in dict(reversed(self.raw_headers)).items()}


class InferenceResponse(NamedTuple):
    """`content` is bytes, or an iterator of pieces for a streamed answer."""

    content: bytes | AsyncIterator[bytes]
    content_type: str
    headers: Mapping[str, str]
    status: int = 200


class Model:
    """The loaded model with its handlers. Async ones run in the event loop, plain ones in `lane`, or inline while short."""

    def __init__(self, handlers: Handlers, lane: Lane, model_dir: str, pace: Pace, name: str = "model") -> None:
        self._handlers = handlers
        self._lane = lane
        self._model_dir = model_dir
        self._facts = ModelFacts(model_dir, name)
        self._pace = pace
        self._model: Any = None
        used = [handlers.transform] if handlers.transform else [handlers.input, handlers.predict, handlers.output]
        self._is_plain = not any(one.is_async for one in used)
        self.can_batch = self._is_plain and not (handlers.transform or handlers.predict.takes_context)
        self._takes_context = any(one.takes_context for one in used)

    async def load(self) -> None:
        """Calls pre_model_fn, model_fn and model_warmup_fn; what they raise goes through."""
        context, handlers, place = RequestContext(self._facts), self._handlers, (self._model_dir,)
        if handlers.before:
            await self._call(handlers.before, handlers.before.arguments(place, context))
        self._model = await self._call(handlers.model, handlers.model.arguments(place, context))
        if handlers.warm_up:
            await self._call(handlers.warm_up, handlers.warm_up.arguments((*place, self._model), context))

    async def invoke_within(self, request: InferenceRequest, seconds: float) -> InferenceResponse:
        """As `invoke`, but RequestError 500 once it takes longer. A stuck thread stays, and another takes its place."""
        try:
            return await asyncio.wait_for(self.invoke(request), seconds)
        except asyncio.TimeoutError:
            log_line(f"a request was not answered within {seconds:g} seconds")
            if self._is_plain:
                self._lane.add_thread()
            raise RequestError(500, f"the model did not answer within {seconds:g} seconds") from None

    async def invoke(self, request: InferenceRequest) -> InferenceResponse:
        """The answer to one request. RequestError where a handler fails: its own status if it has one, else 500."""
        if not self._is_plain:
            return await self._awaited(request)
        size = len(request.content)
        if self.is_inline(size):
            return self.inline(request)
        seconds, answer = await self._lane.call(_timed, self._plain, request)
        self._pace.ran_in_lane(size, seconds)
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[no-any-return]

    def is_inline(self, size: int) -> bool:
        """Whether a request with a body of so many bytes is answered by `inline`."""
        return self._is_plain and self._pace.is_inline(size)

    def inline(self, request: InferenceRequest) -> InferenceResponse:
        """As `invoke`, in the loop's thread. The team's code finds what it would in any other: it may say asyncio.run()."""
        loop = asyncio.get_running_loop()
        spent = Spent()
        asyncio._set_running_loop(None)  # noqa: SLF001 - "intended to be used by event loops", in asyncio's __all__
        try:
            return self._plain(request)
        finally:
            asyncio._set_running_loop(loop)  # noqa: SLF001 - as above
            self._pace.ran_inline(spent.seconds())

    def _plain(self, request: InferenceRequest) -> InferenceResponse:
        """All handlers of a request, one after the other, in this thread."""
        steps = self._steps(request) if self._takes_context else self._calls(request, None)
        return _driven(steps, None)  # type: ignore[no-any-return]

    def batch(self, requests: Sequence[InferenceRequest]) -> list[InferenceResponse | RequestError]:
        """The answers to several requests that go through predict_fn at once; in the lane."""
        predict = self._handlers.predict
        steps = [self._steps(one) for one in requests]
        answers = [_caught(one, None, predict) for one in steps]
        places = [place for place, one in enumerate(answers) if type(one) is tuple]
        outcomes = together.predict_together(predict, self._model, [answers[place][0] for place in places])
        for place, outcome in zip(places, outcomes):  # noqa: B905 - 3.10 has it first
            if isinstance(outcome, BaseException):
                steps[place].close()
                answers[place] = outcome if isinstance(outcome, RequestError) else answer_of(predict.name, outcome)
            else:
                answers[place] = _caught(steps[place], outcome)
        return answers

    async def _awaited(self, request: InferenceRequest) -> InferenceResponse:
        """The same where one of them is a coroutine."""
        steps = self._steps(request)
        outcome = None
        while True:
            try:
                handler, arguments = steps.send(outcome)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            try:
                outcome = await self._call(handler, arguments)
            except RequestError:
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - as above
                raise answer_of(handler.name, error) from None

    def _steps(self, request: InferenceRequest) -> Steps:
        """Which handlers are called with what: each is yielded with its arguments, and its outcome is sent back."""
        context = RequestContext(self._facts, request.headers()) if self._takes_context else None
        try:
            return (yield from self._calls(request, context))
        finally:
            if context:
                context.write_metrics()

    def _calls(self, request: InferenceRequest, context: RequestContext | None) -> Steps:
        if request.encoding:
            self._refuse_encoding(request.encoding)
        handlers = self._handlers
        body: str | bytes = request.content
        if not handlers.takes_bytes:
            body = codec.text_or_bytes(request.content, request.content_type)
        last = handlers.transform
        if last:
            given: tuple[Any, ...] = (self._model, body, request.content_type, request.accept)
            result = yield last, last.arguments(given, context)
        else:
            data = yield handlers.input, handlers.input.arguments((body, request.content_type), context)
            prediction = yield handlers.predict, handlers.predict.arguments((data, self._model), context)
            last = handlers.output
            result = yield last, last.arguments((prediction, request.accept), context)
        # The inference toolkit takes a body, or a body with its type, and looks at nothing behind them.
        is_pair = isinstance(result, tuple) and len(result) >= 2 and isinstance(result[1], str)
        answer, kind = result[:2] if is_pair else (result, _type_of(request.accept))
        if context is None:
            return InferenceResponse(self._content(last.name, answer), kind, _NO_HEADERS)
        chosen = dict(context.get_response_headers(0))
        kind = chosen.pop("content-type", kind)
        status = _checked(last.name, context.get_response_status(0)[0])
        # Neither has a body (RFC 9110, 15.3.5 and 15.4.5).
        return InferenceResponse(b"" if status in {204, 304} else self._content(last.name, answer), kind, chosen, status)

    def _refuse_encoding(self, given: str) -> None:
        """RequestError 415 for a compressed body, which a handler of the team may unpack and the default does not."""
        handlers, encoding = self._handlers, given.strip().lower()
        if encoding not in {"", "identity"} and handlers.transform is None and handlers.input.function is codec.decode:
            raise RequestError(415, "the body has a Content-Encoding; expected it as it is")

    async def _call(self, handler: Handler, arguments: tuple[Any, ...]) -> Any:
        if handler.is_async:
            return await handler.function(*arguments)
        return await self._lane.call(handler.call, arguments)

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
        """What a plain generator gives, each piece made in the lane."""
        while True:
            piece = await self._lane.call(next, generator, _END)
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
    if accept == JSON:
        return JSON
    first = codec.media_type(accept.partition(",")[0])
    return JSON if "*" in first else first


def _timed(function: Callable[[Any], Any], argument: Any) -> tuple[float, Any]:
    """In the lane: how many seconds a call took, and what it returned or raised."""
    spent = Spent()
    try:
        answer = function(argument)
    except Exception as error:  # noqa: BLE001 - raised again where it is waited for
        answer = error
    return spent.seconds(), answer


def _driven(steps: Steps, outcome: Any, until: Handler | None = None) -> Any:
    """A request's answer, or the arguments of `until` where it would be called next. RequestError where a handler fails."""
    while True:
        try:
            handler, arguments = steps.send(outcome)
        except StopIteration as end:
            return end.value
        if handler is until:
            return arguments
        try:
            outcome = handler.call(arguments)
        except RequestError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - of the team's code; one request ends no server
            raise answer_of(handler.name, error) from None


def _caught(steps: Steps, outcome: Any, until: Handler | None = None) -> Any:
    """As `_driven`, with what it raises as its answer."""
    try:
        return _driven(steps, outcome, until)
    except Exception as error:  # noqa: BLE001 - raised again where it is waited for
        return error


async def _encoded(pieces: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        yield piece.encode() if isinstance(piece, str) else bytes(piece)


async def _told(name: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces; a failure among them is told before it cuts the answer off."""
    try:
        async for piece in pieces:
            yield piece
    except Exception as error:  # noqa: BLE001 - of the team's code; the answer has begun, so only its end can tell
        raise answer_of(name, error) from None
