"""A WSGI application at a port of loopback, for the clients on this machine."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from lyftlearn_image.emulation.aws.connections import Limits
from lyftlearn_image.emulation.aws.wsgi_server import WsgiServer, open_listener

if TYPE_CHECKING:
    from collections.abc import Iterator
    from wsgiref.types import WSGIApplication

_LOOPBACK = "127.0.0.1"
# All its clients have one address.
_LIMITS = Limits(connections=512, connections_per_peer=512)


@contextlib.contextmanager
def serve_at_loopback(application: WSGIApplication) -> Iterator[str]:
    """The URL at which it answers while the block runs. Raises OSError where no port is free."""
    server = WsgiServer(open_listener(_LOOPBACK), application, _LIMITS)
    thread = threading.Thread(target=server.serve_forever, name="http-loopback", daemon=True)
    thread.start()
    try:
        yield f"http://{_LOOPBACK}:{server.port}"
    finally:
        server.close()
        thread.join()
