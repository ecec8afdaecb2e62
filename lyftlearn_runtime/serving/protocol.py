"""uvicorn on the fastest loop and parser that the image has: uvloop and httptools, or asyncio and h11."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

# What h11 takes of a request's head; httptools has no bound of its own.
_MOST_HEAD_BYTES = 64 << 10


def run(main: Coroutine[Any, Any, int]) -> int:
    """What `main` returns."""
    try:
        import uvloop  # type: ignore[import-not-found]  # noqa: PLC0415 - where the image has it
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)  # type: ignore[no-any-return]


def http() -> Any:
    """The parser for uvicorn: a class or a name."""
    try:
        from uvicorn.protocols.http import httptools_impl  # type: ignore[import-not-found]  # noqa: PLC0415 - as above
    except ImportError:
        return "h11"
    return _bounded(httptools_impl)


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
                    self._refuse()

        def on_message_begin(self) -> None:
            self._head_bytes = 1
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._head_bytes = 0
            if self.parser.get_http_version() == "1.1" and not any(name == b"host" for name, _ in self.headers):
                raise parser_error
            super().on_headers_complete()

        def _refuse(self) -> None:
            message = "Invalid HTTP request received."
            self.logger.warning(message)
            self.send_400_response(message)

    return Bounded
