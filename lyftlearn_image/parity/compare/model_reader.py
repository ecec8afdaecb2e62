"""Opens models where they can be opened: inside the image that made them, never on this machine."""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
import threading
import time
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lyftlearn_image.emulation.docker.container_spec import ContainerSpec, Mount
from lyftlearn_image.errors import RunError

if TYPE_CHECKING:
    from lyftlearn_image.emulation.docker.containers import Containers
    from lyftlearn_image.emulation.docker.running_container import RunningContainer

_PROGRAM = "describe_model.py"
_PROGRAM_MOUNT, _SOCKET_MOUNT = "/describe/program.py", "/describe/socket"
# nobody: a pickle runs whatever its author put into it.
_USER = "65534:65534"
_TIMEOUT_S = 120
_POLL_S = 0.5
_CHUNK_BYTES = 1 << 20


class ModelReader:
    """One container of an image, in which models are opened: no network, no privileges, another user, read-only.

    It starts with the first pair, since most of what opening a model takes is importing its libraries, and gets models
    as open files, so that it sees nothing but them. Safe to use from several threads. `directory` gets its output.
    """

    def __init__(self, containers: Containers, image: str, directory: Path) -> None:
        self._containers = containers
        self._image = image
        self._directory = directory
        self._open = contextlib.ExitStack()
        self._listener: socket.socket | None = None
        self._container: RunningContainer | None = None
        self._starting = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def describe(self, pair: tuple[Path, Path], inputs: tuple[Path, Path] | None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Both models as JSON: class, parameters, fitted attributes, predictions on their inputs.

        Raises RunError with the reason when one cannot be opened.
        """
        paths = [pair[0], inputs[0], pair[1], inputs[1]] if inputs else list(pair)
        request = {"timeout_s": _TIMEOUT_S, "suffix": inputs[0].suffix if inputs else ""}
        try:
            reply = json.loads(self._ask(paths, request))
        except (OSError, ValueError):
            reply = {}
        if "models" not in reply:
            why = reply.get("error") or "the process that opened it died"
            raise RunError(f"{pair[0].name} could not be opened in {self._image}", where=why)
        return reply["models"][0], reply["models"][1]

    def _ask(self, paths: list[Path], request: dict[str, Any]) -> bytes:
        """The raw answer; empty when the process died of what it opened."""
        with contextlib.ExitStack() as stack:
            opened = [stack.enter_context(path.open("rb")).fileno() for path in paths]
            with self._starting:
                listener = self._listener or self._start()
                # Inside the lock, so that a container that does not come up is waited for once.
                connection = stack.enter_context(self._accept(listener))
            connection.settimeout(_TIMEOUT_S + 5)
            socket.send_fds(connection, [json.dumps(request).encode()], opened)
            return b"".join(iter(lambda: connection.recv(_CHUNK_BYTES), b""))

    def _accept(self, listener: socket.socket) -> socket.socket:
        """The container's next connection; RunError when it has ended instead."""
        deadline = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                return listener.accept()[0]
            if self._container is None or self._container.wait(0):
                break
        raise RunError(f"no models can be opened in {self._image}", where=self._last_line() or "it does not answer")

    def _start(self) -> socket.socket:
        # A path of its own: that of a socket has at most 107 bytes.
        path = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="lyftlearn-"))) / "socket"
        listener = self._open.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(path))
        path.chmod(0o666)
        listener.settimeout(_POLL_S)
        listener.listen()
        spec = ContainerSpec(
            image=self._image,
            name=f"{self._containers.run_id}-models",
            entrypoint=("python", _PROGRAM_MOUNT),
            command=(_SOCKET_MOUNT,),
            user=_USER,
            mounts=(
                Mount(_PROGRAM_MOUNT, Path(str(files("lyftlearn_image.parity.compare"))) / _PROGRAM, read_only=True),
                Mount(_SOCKET_MOUNT, path, read_only=True),
            ),
            network="none",
            read_only=True,
            cap_drop=("ALL",),
            security_opt=("no-new-privileges",),
        )
        out, err = self._directory / "models.out", self._directory / "models.err"
        self._container = self._open.enter_context(self._containers.start(spec, stdout=out, stderr=err))
        self._listener = listener
        return listener

    def _last_line(self) -> str:
        path = self._directory / "models.err"
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines() if path.exists() else []
        return lines[-1] if lines else ""
