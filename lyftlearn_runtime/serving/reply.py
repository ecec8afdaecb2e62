"""An answer, and how it goes out through ASGI: whole, in pieces, or as a refusal in the middle of a body."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from lyftlearn_runtime.serving.settings import JSON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from lyftlearn_runtime.serving.errors import RequestError

# A client that is refused in the middle of its body reads the answer only once it may write on: so much is thrown away,
# for so long at most.
_DISCARD_BYTES = 8 << 20
_DISCARD_S = 2.0
_RETRY_AFTER_S = b"1"
_JSON_TYPE = (b"content-type", JSON.encode())
_TEXT_TYPE = (b"content-type", b"text/plain; charset=utf-8")


class ClientGoneError(Exception):
    """The client has hung up before its request was whole."""


class Reply(NamedTuple):
    """`body` is bytes, or an iterator of pieces, which goes out chunked."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes | AsyncIterator[bytes]


def text_reply(status: int, text: str, *headers: tuple[bytes, bytes]) -> Reply:
    """A line for people."""
    body = text.encode()
    return Reply(status, [*headers, _length(body), _TEXT_TYPE], body)


def json_reply(value: Any) -> Reply:
    """A value that a platform asks for."""
    body = json.dumps(value).encode()
    return Reply(200, [_length(body), _JSON_TYPE], body)


def error_reply(error: RequestError) -> Reply:
    """An error as one line of JSON."""
    body = error.document()
    retry = [(b"retry-after", _RETRY_AFTER_S)] if error.status in {429, 503} else []
    return Reply(error.status, [*retry, _length(body), _JSON_TYPE], body)


def handler_reply(content: bytes | AsyncIterator[bytes], content_type: str, headers: Mapping[str, str], status: int) -> Reply:
    """What the handlers have made, with the headers that they have set."""
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()] if headers else []
    raw.append((b"content-type", content_type.encode("latin-1")))
    if isinstance(content, bytes) and "content-length" not in headers and status not in {204, 304}:
        raw.append(_length(content))
    return Reply(status, raw, content)


def _length(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % len(body)


async def send_reply(reply: Reply, send: Any) -> None:
    """A whole answer."""
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": reply.body})


async def send_stream(reply: Reply, receive: Any, send: Any) -> None:
    """An answer in pieces, until it ends or its client has gone. What making the pieces raises goes through."""
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    sending = asyncio.ensure_future(_send_pieces(reply, send))
    leaving = asyncio.ensure_future(_until_gone(receive))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        sending.cancel()
        await asyncio.wait({sending, leaving})
    if not sending.cancelled():
        sending.result()


def gathered(send: Any) -> Any:
    """Sends an answer in pieces as a whole, at its end."""
    messages: list[Any] = []

    async def gather(message: Any) -> None:
        messages.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            body = b"".join(one["body"] for one in messages[1:])
            await send({**messages[0], "headers": [*messages[0]["headers"], _length(body)]})
            await send({"type": "http.response.body", "body": body})

    return gather


async def _send_pieces(reply: Reply, send: Any) -> None:
    assert not isinstance(reply.body, bytes)  # noqa: S101 - the caller has looked
    async for piece in reply.body:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _until_gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def refuse(error: RequestError, receive: Any, send: Any) -> None:
    """Answers at once, throws a little of the body away, and closes the connection."""
    reply = error_reply(error)
    headers = [*reply.headers, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body, "more_body": True})
    try:
        await asyncio.wait_for(_discard(receive), _DISCARD_S)
    except asyncio.TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b""})


async def _discard(receive: Any) -> None:
    left = _DISCARD_BYTES
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if not message.get("more_body"):
            return


async def read_body(receive: Any, limit: int | None, too_large: Callable[[], RequestError]) -> bytes:
    """A request's body. `too_large` as soon as more than `limit` bytes have come; ClientGoneError when no more will.

    A chunked body does not say how long it is.
    """
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        piece = message["body"]
        size += len(piece)
        if limit is not None and size > limit:
            raise too_large()
        if not message["more_body"]:
            return b"".join((*pieces, piece)) if pieces else piece
        pieces.append(piece)


def has_gone(receive: Any) -> bool:
    """Whether the client of a request that has been read has hung up.

    Asks for the server's next message and takes it only if it is there already: one step of a coroutine, where a task with
    a timeout would cost more than all else that is done for a request.
    """
    step = receive()
    try:
        step.send(None)
    except StopIteration as found:
        return bool(found.value["type"] == "http.disconnect")
    step.close()
    return False
