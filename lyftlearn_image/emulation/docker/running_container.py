"""A started container: its output, its exit, signals, and commands in it."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from lyftlearn_image.emulation.docker.errors import engine_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker.models.containers import Container

    from lyftlearn_image.emulation.docker.output import OutputReader

# Of a command's output so much is looked at (kubernetes pkg/probe/exec, maxReadLength).
_OUTPUT_BYTES = 10 << 10
# A variable that tells a command's processes from all others of its container.
_EXEC_VARIABLE = "LYFTLEARN_EXEC_ID"
# The engine has no call that ends a command, and the PID that it tells is of its own host: so a second command looks for the
# first one's processes, inside the container and as the same user.
_KILL = """for process in /proc/[0-9]*; do
    if grep -qF "$0" "$process/environ" 2>/dev/null; then kill -9 "${process#/proc/}" 2>/dev/null; fi
done"""
_KILL_TIMEOUT_S = 10.0
# One that is just being forked is not seen.
_KILL_TRIES = 3


@dataclass(frozen=True)
class ContainerExit:
    """How a container ended. Times are seconds of the host's clock (time.time())."""

    exit_code: int
    oom_killed: bool
    error: str
    started_at: float
    finished_at: float


@dataclass(frozen=True)
class ExecResult:
    """How a command in a running container ended. `exit_code` is None when it was killed at its timeout."""

    exit_code: int | None
    output: bytes


class RunningContainer:
    """A started container whose output is written to two files."""

    def __init__(self, container: Container, reader: OutputReader, started_at: float) -> None:
        self._container = container
        self._reader = reader
        self._started_at = started_at

    @property
    def id(self) -> str:
        """The full container id."""
        return str(self._container.id)

    def wait(self, timeout_s: float | None = None) -> ContainerExit | None:
        """Its exit, or None when it still runs after `timeout_s`.

        Raises RunError when its output cannot be written, UnavailableError when the engine goes away.
        """
        if not self._reader.finished.wait(timeout_s):
            return None
        self._reader.raise_error()
        with engine_errors("waiting for a container"):
            self._container.wait()
            finished_at = time.time()
            self._container.reload()
        state = self._container.attrs["State"]
        return ContainerExit(
            exit_code=int(state["ExitCode"]),
            oom_killed=bool(state["OOMKilled"]),
            error=str(state["Error"]),
            started_at=self._started_at,
            finished_at=finished_at,
        )

    def stop(self, grace_s: int) -> None:
        """Sends SIGTERM (or the image's STOPSIGNAL) to PID 1, and SIGKILL after `grace_s`. Returns when it has exited."""
        with engine_errors("stopping a container"):
            self._container.stop(timeout=grace_s)

    def signal(self, name: str) -> None:
        """Sends one signal, such as `SIGTERM`, to PID 1."""
        with engine_errors("signalling a container"):
            self._container.kill(name)

    def writable_layer_bytes(self) -> int:
        """The size of the container's writable layer; 0 when the container is gone."""
        api: Any = cast("Any", self._container.client).api
        with engine_errors("measuring a container"):
            listed = api.containers(all=True, size=True, filters={"id": self.id})
        return int(listed[0].get("SizeRw") or 0) if listed else 0

    def execute(self, command: tuple[str, ...], timeout_s: float) -> ExecResult:
        """Runs a command in the container, as its user and in its working directory, and kills it after `timeout_s`.

        Of its output the first 10 KiB are kept. In a container without a shell and grep, one that takes too long ends with the
        container. RunError when the command cannot be started, or the container has ended.
        """
        exec_id = uuid.uuid4().hex
        with engine_errors("running a command in a container"):
            started, result = self._execute(command, timeout_s, {_EXEC_VARIABLE: exec_id})
            if result.exit_code is None:
                self._kill_command(started, exec_id)
            return result

    def _execute(self, command: tuple[str, ...], timeout_s: float, environment: Mapping[str, str]) -> tuple[str, ExecResult]:
        """The engine's id of a command that was started, and how it ended. Raises the docker SDK's own errors."""
        api: Any = cast("Any", self._container.client).api
        kept = bytearray()
        errors: list[Exception] = []
        created = str(api.exec_create(self._container.id, list(command), environment=dict(environment))["Id"])

        def read() -> None:
            try:
                for piece in api.exec_start(created, stream=True):
                    kept.extend(piece[: _OUTPUT_BYTES - len(kept)])
            except Exception as error:  # noqa: BLE001 - raised again by the caller's thread
                errors.append(error)

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        thread.join(timeout_s)
        if thread.is_alive():
            return created, ExecResult(None, b"")
        if errors:
            raise errors[0]
        return created, ExecResult(int(api.exec_inspect(created)["ExitCode"]), bytes(kept))

    def _kill_command(self, started: str, exec_id: str) -> None:
        api: Any = cast("Any", self._container.client).api
        with contextlib.suppress(Exception):  # the container may end at this moment, or have no shell
            for _ in range(_KILL_TRIES):
                self._execute(("sh", "-c", _KILL, f"{_EXEC_VARIABLE}={exec_id}"), _KILL_TIMEOUT_S, {})
                if not api.exec_inspect(started)["Running"]:
                    return
