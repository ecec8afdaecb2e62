"""Servers of the standard library that show no traceback when a handler fails."""

from __future__ import annotations

import sys
import threading


class ToldErrors:
    """Before any class of `socketserver`: a peer that went away is nothing, any other error goes where a thread's own would."""

    def handle_error(self, *_: object) -> None:
        """The standard library would write a traceback to stderr."""
        kind, error, trace = sys.exc_info()
        if kind is not None and not isinstance(error, ConnectionError | TimeoutError):
            threading.excepthook(threading.ExceptHookArgs((kind, error, trace, threading.current_thread())))
