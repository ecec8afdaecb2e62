"""A started container: its output, its exit, signals, and commands in it."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from lyftlearn_image.emulation.docker.commands import Commands
from lyftlearn_image.emulation.docker.errors import engine_errors
from lyftlearn_image.errors import RunError

if TYPE_CHECKING:
    from docker.models.containers import Container

    from lyftlearn_image.emulation.docker.commands import ExecResult
    from lyftlearn_image.emulation.docker.output import OutputReader


@dataclass(frozen=True)
class ContainerExit:
    """How a container ended. Times are seconds of the host's clock (time.time())."""

    exit_code: int
    oom_killed: bool
    error: str
    started_at: float
    finished_at: float


class RunningContainer:
    """A started container whose output is written to two files."""

    def __init__(self, container: Container, reader: OutputReader, started_at: float) -> None:
        self._container = container
        self._reader = reader
        self._started_at = started_at
        self._commands = Commands(cast("Any", container.client).api, str(container.id))

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

    def pause(self) -> None:
        """Holds all of its processes still, until `unpause`. Raises RunError where it has ended, or the engine cannot."""
        with engine_errors("holding a container still"):
            self._container.pause()

    def unpause(self) -> None:
        """Lets its processes go on; one that was killed meanwhile, or is gone, is left as it is."""
        with contextlib.suppress(RunError), engine_errors("letting a container go on"):
            self._container.unpause()

    def writable_layer_bytes(self) -> int:
        """The size of the container's writable layer; 0 when the container is gone."""
        api: Any = cast("Any", self._container.client).api
        with engine_errors("measuring a container"):
            listed = api.containers(all=True, size=True, filters={"id": self.id})
        return int(listed[0].get("SizeRw") or 0) if listed else 0

    def execute(self, command: tuple[str, ...], timeout_s: float) -> ExecResult:
        """Runs a command in the container, as its user and in its working directory, and kills it after `timeout_s`.

        Of its output the first 10 KiB are kept. In a container without a shell one that takes too long ends with the
        container. RunError when the command cannot be started, or the container has ended.
        """
        with engine_errors("running a command in a container"):
            return self._commands.execute(command, timeout_s)
