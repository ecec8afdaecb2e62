"""The routes of SageMaker's inference convention as an ASGI application.

Source: developer guide, "Use Your Own Inference Code with Hosting Services" (/ping, /invocations) and "... with Batch
Transform" (/execution-parameters).
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette  # type: ignore[import-not-found]
from starlette.requests import ClientDisconnect, Request  # type: ignore[import-not-found]
from starlette.responses import Response, StreamingResponse  # type: ignore[import-not-found]
from starlette.routing import Route  # type: ignore[import-not-found]

from lyftlearn_runtime.serving.errors import RequestError
from lyftlearn_runtime.serving.settings import JSON

if TYPE_CHECKING:
    from lyftlearn_runtime.serving.admission import Admission
    from lyftlearn_runtime.serving.invocation import InferenceResponse, Model
    from lyftlearn_runtime.serving.settings import Settings

# A client that is refused in the middle of its body reads the answer only once it may write on: so much is thrown away,
# for so long at most.
_DISCARD_BYTES = 8 << 20
_DISCARD_S = 2.0
_RETRY_AFTER_S = "1"
_MIB = 1 << 20
# MaxPayloadInMB times MaxConcurrentTransforms (API reference, CreateTransformJob).
_MOST_MIB_AT_ONCE = 100


class Server:
    """What the routes share. `model` is None until model_fn is done."""

    def __init__(self, settings: Settings, admission: Admission) -> None:
        self.settings = settings
        self.admission = admission
        self.model: Model | None = None
        self.is_draining = False

    def refusal(self) -> RequestError | None:
        """Why no request can be taken now."""
        if self.is_draining:
            return RequestError(503, "the server is ending")
        if self.model is None:
            return RequestError(503, "the model is being loaded")
        return None


def application(server: Server) -> Any:
    """The ASGI application of a server."""
    return Starlette(
        routes=[
            Route("/ping", _Ping(server), methods=["GET"]),
            Route("/execution-parameters", _ExecutionParameters(server), methods=["GET"]),
            Route("/invocations", _Invocations(server), methods=["POST"]),
        ]
    )


class _Ping:
    """200 when requests are taken. A full queue is no illness: a restart would only lose what waits in it."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        refusal = self._server.refusal()
        response = _error(refusal) if refusal else Response()
        await response(scope, receive, send)


class _ExecutionParameters:
    """What batch transform goes by where its caller has not said it."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        settings = self._server.settings
        payload = (settings.payload_bytes or 0) // _MIB
        found = {
            "MaxConcurrentTransforms": max(1, min(settings.concurrency, _MOST_MIB_AT_ONCE // max(1, payload))),
            "BatchStrategy": settings.batch_strategy,
            "MaxPayloadInMB": payload,
        }
        await Response(json.dumps(found), media_type=JSON)(scope, receive, send)


class _Invocations:
    """One request: admitted or refused, read, run in its turn, answered."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        try:
            self._admit(request)
            with self._server.admission:
                await self._take(request, send)
        except RequestError as error:
            # Outside: what is thrown away holds no place.
            await _refuse(error, request, send)
        except ClientDisconnect:
            return

    async def _take(self, request: Request, send: Any) -> None:
        """Reads and runs a request that has been admitted. RequestError where its body is not taken."""
        content = await self._read(request)
        async with self._server.admission.slots:
            # Nobody waits for an answer whose client has gone.
            if not await request.is_disconnected():
                await self._run(content, request, send)

    def _admit(self, request: Request) -> None:
        """RequestError for what is refused before its body is read."""
        server = self._server
        refusal = server.refusal()
        if refusal:
            raise refusal
        declared = request.headers.get("content-length", "")
        limit = server.settings.payload_bytes
        if limit is not None and declared.isdigit() and int(declared) > limit:
            raise _too_large(limit)
        if server.admission.is_full:
            raise RequestError(429, "too many requests wait already")

    async def _read(self, request: Request) -> bytes:
        """The body. RequestError 413 as soon as more has come than may: a chunked one does not say how long it is."""
        limit = self._server.settings.payload_bytes
        pieces, size = [], 0
        async for piece in request.stream():
            size += len(piece)
            if limit is not None and size > limit:
                raise _too_large(limit)
            pieces.append(piece)
        return b"".join(pieces)

    async def _run(self, content: bytes, request: Request, send: Any) -> None:
        model = self._server.model
        assert model is not None  # noqa: S101 - a request is admitted with a model only, and it stays
        headers = dict(request.headers)
        accept = headers.get("accept", "").strip()
        accept = self._server.settings.accept if accept in {"", "*/*"} else accept
        try:
            answer = await model.invoke(content, headers.get("content-type") or JSON, accept, headers)
            response = _response(answer)
        except RequestError as error:
            response = _error(error)
        try:
            await response(request.scope, request.receive, send)
        except (RequestError, ClientDisconnect):
            # Told already. An answer that has begun and does not end makes the server close the connection.
            return


def _response(answer: InferenceResponse) -> Any:
    headers = {**answer.headers, "content-type": answer.content_type}
    if isinstance(answer.content, bytes):
        return Response(answer.content, answer.status, headers=headers)
    return StreamingResponse(answer.content, answer.status, headers=headers)


def _too_large(limit: int) -> RequestError:
    return RequestError(413, f"the body has more than {limit} bytes, which is the limit of this server")


def _error(error: RequestError) -> Any:
    """An error as one line of JSON."""
    headers = {"retry-after": _RETRY_AFTER_S} if error.status in {429, 503} else {}
    return Response(error.document(), error.status, headers, media_type=JSON)


async def _refuse(error: RequestError, request: Request, send: Any) -> None:
    """Answers at once, throws a little of the body away, and closes the connection."""
    response = _error(error)
    response.headers["connection"] = "close"
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    try:
        await asyncio.wait_for(_discard(request), _DISCARD_S)
    except asyncio.TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b""})


async def _discard(request: Request) -> None:
    left = _DISCARD_BYTES
    while left > 0:
        message = await request.receive()
        left -= len(message.get("body", b""))
        if not message.get("more_body"):
            return
