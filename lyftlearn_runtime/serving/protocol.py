"""uvicorn on the fastest loop and parser that the image has: uvloop and httptools, or asyncio and h11."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from lyftlearn_runtime.serving.reply import Reply

    # Raw headers and the body of a POST to /invocations: the answer, None where it takes more than a moment.
    AtOnce = Callable[[list[tuple[bytes, bytes]], bytes], Reply | None]
    # An ASGI application that sends an answer which is there already.
    Sending = Callable[[Reply], Any]

# What h11 takes of a request's head; httptools has no bound of its own.
_MOST_HEAD_BYTES = 64 << 10
_INVALID = "Invalid HTTP request received."


def run(main: Coroutine[Any, Any, int]) -> int:
    """What `main` returns."""
    try:
        import uvloop  # type: ignore[import-not-found]  # noqa: PLC0415 - where the image has it
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)  # type: ignore[no-any-return]


def http(at_once: AtOnce, sending: Sending) -> Any:
    """The parser for uvicorn: a class or a name."""
    try:
        from uvicorn.protocols.http import httptools_impl  # type: ignore[import-not-found]  # noqa: PLC0415 - as above
    except ImportError:
        return "h11"
    return _quick(_bounded(httptools_impl), httptools_impl, at_once, sending)


def _bounded(httptools_impl: Any) -> Any:
    """The protocol on httptools, with the bounds that h11 has: the head's length, and a Host in HTTP/1.1."""
    parser_error = httptools_impl.httptools.HttpParserError

    class Bounded(httptools_impl.HttpToolsProtocol):  # type: ignore[misc]
        _head_bytes = 0

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._head_bytes:
                self._head_bytes += len(data)
                if self._head_bytes > _MOST_HEAD_BYTES and not self.transport.is_closing():
                    self.logger.warning(_INVALID)
                    self.send_400_response(_INVALID)

        def on_message_begin(self) -> None:
            self._head_bytes = 1
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._head_bytes = 0
            headers = self.headers
            has_host = bool(headers) and (headers[0][0] == b"host" or any(name == b"host" for name, _ in headers))
            if not has_host and self.parser.get_http_version() == "1.1":
                raise parser_error(_INVALID)
            self.head_is_complete()

        def head_is_complete(self) -> None:
            super().on_headers_complete()

    return Bounded


def _quick(bounded: Any, httptools_impl: Any, at_once: AtOnce, sending: Sending) -> Any:  # noqa: C901 - a class is made
    """The same with a short way for what is there in one piece and answered in a moment: no task, no events, one write.

    Everything else goes uvicorn's way, as if it had come there first.
    """
    status_lines, is_odd = httptools_impl.STATUS_LINE, httptools_impl.HEADER_VALUE_RE.search

    class Quick(bounded):  # type: ignore[misc]
        # The body of a request that may go the short way, until it is whole.
        _held: list[bytes] | None = None
        # Since when the connection is quiet. A timer a request would cost more than to look again when one ends.
        _quiet_since: float | None = None

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            held = self._held
            if held is not None and not self.transport.is_closing():
                self._begin(held)

        def head_is_complete(self) -> None:
            if self.url == b"/invocations" and self._may_be_quick():
                self._held = []
            else:
                super().head_is_complete()

        def _may_be_quick(self) -> bool:
            parser, cycle = self.parser, self.cycle
            return (
                (cycle is None or cycle.response_complete)
                and not self.expect_100_continue
                and not self.flow.write_paused
                and parser.get_method() == b"POST"
                and parser.get_http_version() == "1.1"
                and parser.should_keep_alive()
                and not parser.should_upgrade()
            )

        def on_body(self, body: bytes) -> None:
            if self._held is None:
                super().on_body(body)
            else:
                self._held.append(body)

        def on_message_complete(self) -> None:
            held = self._held
            if held is None:
                super().on_message_complete()
                return
            body = held[0] if len(held) == 1 else b"".join(held)
            try:
                reply = at_once(self.headers, body)
            except Exception as error:  # noqa: BLE001 - told and answered where such an error is on the other way
                self._begin(held, _raising(error))
            else:
                if reply is None:
                    self._begin(held)
                elif isinstance(reply.body, bytes) and not is_odd(b"".join([value for _, value in reply.headers])):
                    self._held = None
                    self._write(reply.status, reply.headers, reply.body)
                    return
                else:
                    self._begin(held, sending(reply))
            super().on_message_complete()

        def _write(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
            lines = [name + b": " + value for name, value in (*self.server_state.default_headers, *headers)]
            self.transport.write(status_lines[status] + b"\r\n".join((*lines, b"", body)))
            self.on_response_complete()

        def on_response_complete(self) -> None:
            if self.timeout_keep_alive_task is None or self.pipeline or self.transport.is_closing():
                super().on_response_complete()
            else:
                self.server_state.total_requests += 1
                self.flow.resume_reading()
            self._quiet_since = self.loop.time()

        def _unset_keepalive_if_required(self) -> None:
            self._quiet_since = None

        def timeout_keep_alive_handler(self) -> None:
            self.timeout_keep_alive_task = None
            if self._quiet_since is None:
                return  # the answer's end sets it again
            left = self._quiet_since + self.timeout_keep_alive - self.loop.time()
            if left <= 0:
                super().timeout_keep_alive_handler()
            else:
                self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            if self.timeout_keep_alive_task is not None:
                self.timeout_keep_alive_task.cancel()

        def _begin(self, held: list[bytes], app: Any = None) -> None:
            """Goes on as uvicorn does; what has come of the body is there already."""
            self._held = None
            self.app = app or self.config.loaded_app
            super().head_is_complete()
            self.app = self.config.loaded_app
            for piece in held:
                super().on_body(piece)

    return Quick


def _raising(error: Exception) -> Any:
    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        raise error

    return app
