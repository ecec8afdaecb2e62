"""The routes of SageMaker's inference convention as an ASGI application, without a framework: it is on every request's way.

Source: developer guide, "Use Your Own Inference Code with Hosting Services" (/ping, /invocations) and "... with Batch
Transform" (/execution-parameters).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_runtime.serving import reply as replies
from lyftlearn_runtime.serving.errors import RequestError
from lyftlearn_runtime.serving.invocation import InferenceRequest
from lyftlearn_runtime.serving.settings import JSON

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lyftlearn_runtime.serving.admission import Admission
    from lyftlearn_runtime.serving.batching import Batcher
    from lyftlearn_runtime.serving.invocation import Model
    from lyftlearn_runtime.serving.settings import Settings

    RawHeaders = list[tuple[bytes, bytes]]
    Route = Callable[[Any, Any, Any], Awaitable[None]]

_MIB = 1 << 20
# MaxPayloadInMB times MaxConcurrentTransforms (API reference, CreateTransformJob).
_MOST_MIB_AT_ONCE = 100


class Server:
    """What the routes share. `model` is None until model_fn is done."""

    def __init__(self, settings: Settings, admission: Admission) -> None:
        self.settings = settings
        self.admission = admission
        self.model: Model | None = None
        self.batcher: Batcher | None = None
        # The routes of several models, in place of `model`.
        self.models: Route | None = None
        self.is_draining = False
        # Of several processes one answers for all.
        self.are_all_ready: Callable[[], bool] = lambda: True

    def refusal(self) -> RequestError | None:
        """Why no request can be taken now."""
        if self.is_draining:
            return RequestError(503, "the server is ending")
        if self.model is None and self.models is None:
            return RequestError(503, "the model is being loaded")
        return None


def application(server: Server, invocations: Invocations) -> Any:
    """The ASGI application of a server."""
    routes: dict[str, tuple[tuple[str, ...], Route]] = {
        "/invocations": (("POST",), invocations),
        "/ping": (("GET", "HEAD"), _Ping(server)),
        "/execution-parameters": (("GET", "HEAD"), _ExecutionParameters(server)),
    }

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        found = routes.get(scope["path"])
        if server.models and (scope["path"] + "/").startswith("/models/"):
            await server.models(scope, receive, send)
        elif found is None:
            await replies.send_reply(_elsewhere(scope, routes), send)
        elif scope["method"] in found[0]:
            await found[1](scope, receive, send)
        else:
            allow = (b"allow", ", ".join(found[0]).encode())
            await replies.send_reply(replies.text_reply(405, "Method Not Allowed", allow), send)

    return answer


def _elsewhere(scope: Any, routes: Any) -> replies.Reply:
    """A path that is none of ours; with a slash too many at its end it is told where to go."""
    path = scope["path"].rstrip("/")
    if path not in routes:
        return replies.text_reply(404, "Not Found")
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    origin = scope["scheme"].encode() + b"://" + host if host else b""
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    location = (b"location", origin + path.encode() + query)
    return replies.Reply(307, [(b"content-length", b"0"), location], b"")


class _Ping:
    """200 when requests are taken. A full queue is no illness: a restart would only lose what waits in it."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        refusal = self._server.refusal()
        if not refusal and not self._server.are_all_ready():
            refusal = RequestError(503, "the model is being loaded")
        found = replies.error_reply(refusal) if refusal else replies.Reply(200, [(b"content-length", b"0")], b"")
        await replies.send_reply(found, send)


class _ExecutionParameters:
    """What batch transform goes by where its caller has not said it."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        settings = self._server.settings
        payload = (settings.payload_bytes or 0) // _MIB
        found = {
            "MaxConcurrentTransforms": max(1, min(settings.concurrency, _MOST_MIB_AT_ONCE // max(1, payload))),
            "BatchStrategy": settings.batch_strategy,
            "MaxPayloadInMB": payload,
        }
        await replies.send_reply(replies.json_reply(found), send)


class Invocations:
    """One request: admitted or refused, read, run in its turn, answered."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._admission = server.admission
        self._limit = server.settings.payload_bytes
        self._accept = server.settings.accept

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """As the ASGI application of its path."""
        # C all the way; of several headers of one name the first counts.
        headers = dict(reversed(scope["headers"]))
        try:
            self._admit(headers)
            self._admission.enter()
            size = 0
            try:
                content = await replies.read_body(receive, self._limit, self._too_large)
                size = len(content)
                self._admission.held_bytes += size
                reply = self.at_once(scope["headers"], content)
                if reply is None:
                    await self._take(self._request(content, headers, scope["headers"]), scope, receive, send)
                elif isinstance(reply.body, bytes):
                    await replies.send_reply(reply, send)
                else:
                    await self._admission.slot()
                    await self._finish(reply, scope, receive, send)
            finally:
                self._admission.held_bytes -= size
                self._admission.leave()
        except RequestError as error:
            # Outside: what is thrown away holds no place.
            await replies.refuse(error, receive, send)
        except replies.ClientGoneError:
            return

    def at_once(self, raw_headers: RawHeaders, content: bytes) -> replies.Reply | None:
        """The answer to a request that is whole, where handlers run inline and it has not to wait; else None."""
        server, admission = self._server, self._admission
        model = server.model
        if model is None or not model.is_inline(len(content)) or not admission.has_slot or admission.is_full:
            return None
        if server.is_draining or (self._limit is not None and len(content) > self._limit):
            return None
        try:
            return replies.handler_reply(*model.inline(self._request(content, dict(reversed(raw_headers)), raw_headers)))
        except RequestError as error:
            return replies.error_reply(error)

    def sending(self, reply: replies.Reply) -> Route:
        """Sends an answer that was made at once, as one that is being worked on."""

        async def send_it(scope: Any, receive: Any, send: Any) -> None:
            self._admission.enter()
            try:
                await self._admission.slot()
                await self._finish(reply, scope, receive, send)
            finally:
                self._admission.leave()

        return send_it

    def _admit(self, headers: dict[bytes, bytes]) -> None:
        """RequestError for what is refused before its body is read."""
        refusal = self._server.refusal()
        if refusal:
            raise refusal
        if self._server.model is None:
            raise RequestError(404, "there are several models here: ask one at /models/NAME/invoke")
        declared = headers.get(b"content-length", b"")
        size = int(declared) if declared.isdigit() else 0
        if self._limit is not None and size > self._limit:
            raise self._too_large()
        if self._admission.refuses(size):
            raise RequestError(429, "too many requests wait already")

    def _too_large(self) -> RequestError:
        return RequestError(413, f"the body has more than {self._limit} bytes, which is the limit of this server")

    def _request(self, content: bytes, headers: dict[bytes, bytes], raw_headers: RawHeaders) -> InferenceRequest:
        kind = headers.get(b"content-type", b"").decode("latin-1") or JSON
        accept = headers.get(b"accept", b"").decode("latin-1").strip()
        encoding = headers.get(b"content-encoding", b"").decode("latin-1")
        return InferenceRequest(content, kind, self._accept if accept in {"", "*/*"} else accept, encoding, raw_headers)

    async def _take(self, request: InferenceRequest, scope: Any, receive: Any, send: Any) -> None:
        """Runs a request in its turn and answers it."""
        admission = self._admission
        if self._server.batcher:
            await self._take_together(self._server.batcher, request, scope, receive, send)
            return
        # Nobody waits for an answer whose client has gone.
        if await admission.slot() and replies.has_gone(receive):
            admission.free_slot()
            return
        try:
            reply = await self._run(request)
        except BaseException:
            admission.free_slot()
            raise
        await self._finish(reply, scope, receive, send)

    async def _take_together(self, batcher: Batcher, request: InferenceRequest, scope: Any, receive: Any, send: Any) -> None:
        try:
            answer = await batcher.answer(request, receive)
        except RequestError as error:
            await replies.send_reply(replies.error_reply(error), send)
            return
        if answer is not None:
            await self._admission.slot()
            await self._finish(replies.handler_reply(*answer), scope, receive, send)

    async def _finish(self, reply: replies.Reply, scope: Any, receive: Any, send: Any) -> None:
        """Sends an answer and frees the slot, which one in pieces keeps until its end."""
        if isinstance(reply.body, bytes):
            self._admission.free_slot()
            await replies.send_reply(reply, send)
            return
        try:
            # HTTP/1.0 has no chunks.
            await replies.send_stream(reply, receive, replies.gathered(send) if scope["http_version"] == "1.0" else send)
        except RequestError:
            # Told already. An answer that has begun and does not end makes the server close the connection.
            return
        finally:
            self._admission.free_slot()

    async def _run(self, request: InferenceRequest) -> replies.Reply:
        model = self._server.model
        assert model is not None  # noqa: S101 - a request is admitted with a model only, and it stays
        try:
            within_s = self._server.settings.timeout_s
            answer = await (model.invoke_within(request, within_s) if within_s else model.invoke(request))
            return replies.handler_reply(*answer)
        except RequestError as error:
            return replies.error_reply(error)
