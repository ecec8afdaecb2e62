"""From the start to the end: listen, load the model, serve, drain."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING

import uvicorn  # type: ignore[import-not-found]

from lyftlearn_runtime import contract
from lyftlearn_runtime.log import log_line
from lyftlearn_runtime.serving import handlers, processes, protocol, settings
from lyftlearn_runtime.serving.admission import Admission
from lyftlearn_runtime.serving.application import Invocations, Server, application
from lyftlearn_runtime.serving.batching import Batcher
from lyftlearn_runtime.serving.errors import StartError, print_traceback
from lyftlearn_runtime.serving.invocation import Model
from lyftlearn_runtime.serving.lane import Lane
from lyftlearn_runtime.serving.models import Models
from lyftlearn_runtime.serving.pace import Pace
from lyftlearn_runtime.serving.processes import Readiness

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import NoReturn

# Longer than a load balancer keeps a connection that it may use again (AWS: 60), or it would meet one that is closing.
_KEEP_ALIVE_S = 75
_BACKLOG = 2048
_LEAVE_S = 1.0


class _Http(uvicorn.Server):  # type: ignore[misc]
    """uvicorn, but the signals are ours: its own handling ends with the signal as the exit status, not with 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def main(environ: Mapping[str, str]) -> int:
    """Serves until SIGTERM or SIGINT: 0, or 1 when a request did not end in time or the model could not be loaded.

    78 for a setting or handlers that cannot be.
    """
    try:
        found = settings.read(environ)
        listener = _listen(found.port)
    except StartError as error:
        log_line(f"serve: {error}")
        return contract.EXIT_CONFIG
    _Lines.take_over()
    ready = Readiness(found.processes)

    def serve(number: int) -> int:
        return protocol.run(_Serve(found, ready, number).run(listener))

    code = serve(0) if found.processes == 1 else processes.run(found.processes, serve)
    # A thread that the team has left running would hold the end up until SIGKILL.
    leave = threading.Timer(_LEAVE_S, _leave, (code,))
    leave.daemon = True
    leave.start()
    return code


def _leave(code: int) -> NoReturn:
    """Ends at once: a thread cannot be stopped, and an ordinary end waits for it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _listen(port: int) -> socket.socket:
    """A socket on all addresses, of IPv6 too where there is that. StartError when the port cannot be had."""
    try:
        listener = _bound(port)
    except OSError as error:
        raise StartError(f"cannot listen on port {port}: {os.strerror(error.errno or 0)}") from None
    # asyncio sets it only for sockets whose protocol number is given. Without it the body of an answer waits 40 ms for the
    # client's delayed acknowledgement of the header. Linux hands it on to the connections.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _bound(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):  # compiled in, and switched off in this container
            return socket.create_server(("::", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True)
    return socket.create_server(("0.0.0.0", port), backlog=_BACKLOG)  # noqa: S104 - the platform asks from outside


class _Serve:
    """One server's life."""

    def __init__(self, found: settings.Settings, ready: Readiness, number: int) -> None:
        self._ready = ready
        self._number = number
        self._settings = found
        self._lane = Lane(found.concurrency)
        self._admission = Admission(found.concurrency, found.queue, found.wait_s)
        self._server = Server(found, self._admission)
        self._server.are_all_ready = ready.all_are
        self._stop = asyncio.Event()

    async def run(self, listener: socket.socket) -> int:
        """The exit code; does not return where requests or the model's load are cut off."""
        loop = asyncio.get_running_loop()
        # What runs inline finds no loop of its thread either, as in the lane.
        asyncio.set_event_loop(None)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        invocations = Invocations(self._server)
        config = uvicorn.Config(
            application(self._server, invocations),
            log_config=None,
            access_log=False,
            lifespan="off",
            http=protocol.http(invocations.at_once, invocations.sending),
            ws="none",
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
        http = _Http(config)
        serving = asyncio.ensure_future(http.serve([listener]))
        code = await self._until_stopped()
        http.should_exit = True
        await serving
        # Both the whole group and a process's parent may be told to stop: a second signal changes nothing any more.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        return code

    async def _until_stopped(self) -> int:
        stopped = asyncio.ensure_future(self._stop.wait())
        loading = asyncio.ensure_future(self._load())
        await asyncio.wait({stopped, loading}, return_when=asyncio.FIRST_COMPLETED)
        if not loading.done():
            log_line("serve: stopped while the model was being loaded")
            _leave(0)
        if loading.result():
            return loading.result()
        await stopped
        return await self._drain()

    async def _load(self) -> int:
        """Loads the handlers and the model: 0, or the exit code when that failed, which is told then."""
        if self._settings.has_many_models:
            return self._begin_with_none()
        try:
            found = await self._lane.call(handlers.load, self._settings.program, self._settings.service)
            model = self._model(found)
            await model.load()
        except StartError as error:
            log_line(f"serve: {error}")
            return contract.EXIT_CONFIG
        except (Exception, SystemExit) as error:  # noqa: BLE001 - of the team's code
            print_traceback(error)
            log_line(f"serve: the model could not be loaded: {type(error).__name__}")
            return 1
        self._server.model, self._server.batcher = model, self._batcher(model)
        self._ready.tell(self._number)
        if self._ready.all_are():
            log_line(f"serve: ready on port {self._settings.port}")
        return 0

    def _begin_with_none(self) -> int:
        """Ready for models, which come by themselves."""
        self._server.models = Models(self._server, self._lane)
        self._ready.tell(self._number)
        log_line(f"serve: ready on port {self._settings.port} for several models")
        return 0

    def _model(self, found: handlers.Handlers) -> Model:
        # What runs inline never waits, and so never together.
        is_inline_allowed = self._settings.is_inline_allowed and self._settings.batch_size == 1
        return Model(found, self._lane, settings.MODEL_DIR, Pace(is_inline_allowed=is_inline_allowed))

    def _batcher(self, model: Model) -> Batcher | None:
        most, wait_s = self._settings.batch_size, self._settings.batch_wait_s
        if most == 1:
            return None
        if model.can_batch:
            return Batcher(model, self._lane, self._admission, most, wait_s)
        log_line("serve: no batches are made: that takes plain handlers, and a predict_fn without a context")
        return None

    async def _drain(self) -> int:
        """Refuses what is new and waits for what runs."""
        self._server.is_draining = True
        if await self._admission.empty(self._settings.drain_s):
            return 0
        log_line(
            f"serve: requests cut off that did not end within {self._settings.drain_s:g} seconds: {self._admission.inside}"
        )
        _leave(1)


class _Lines(logging.Handler):
    """uvicorn's own warnings as lines of ours."""

    @staticmethod
    def take_over() -> None:
        """From now on."""
        logger = logging.getLogger("uvicorn")
        logger.addHandler(_Lines(logging.WARNING))
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        log_line(f"serve: {record.getMessage()}")
        if record.exc_info and record.exc_info[1]:
            print_traceback(record.exc_info[1])
