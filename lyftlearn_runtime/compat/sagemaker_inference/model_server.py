"""`start_model_server`, which starts the server that the image came with in place of the one in Java."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from . import default_handler_service

if TYPE_CHECKING:
    from typing import NoReturn

DEFAULT_HANDLER_SERVICE = default_handler_service.__name__
_SERVER = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "serving", "__main__.py"))


def start_model_server(handler_service: str = DEFAULT_HANDLER_SERVICE) -> NoReturn:
    """Serves until it is stopped. `handler_service` is a module, or `module:function`, or the path of a file of either."""
    environ = dict(os.environ)
    if handler_service != DEFAULT_HANDLER_SERVICE or not environ.get("SAGEMAKER_HANDLER"):
        environ["SAGEMAKER_HANDLER"] = handler_service
    # It named the script that calls this.
    environ.pop("LYFTLEARN_PROGRAM", None)
    sys.stdout.flush()
    sys.stderr.flush()
    # PID, signals and exit code are the server's from here on.
    os.execve(sys.executable, [sys.executable, _SERVER], environ)  # noqa: S606 - no shell
