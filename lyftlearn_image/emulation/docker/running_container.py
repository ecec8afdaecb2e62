"""A started container: its output, its exit, signals, and commands in it."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from lyftlearn_image.emulation.docker.errors import engine_errors
from lyftlearn_image.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

    from docker.models.containers import Container


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

        RunError when the command cannot be started, or the container has ended.
        """
        api: Any = cast("Any", self._container.client).api
        output: list[bytes] = []
        errors: list[Exception] = []

        def start() -> None:
            try:
                output.append(api.exec_start(created["Id"]))
            except Exception as error:  # noqa: BLE001 - raised again by the caller's thread
                errors.append(error)

        with engine_errors("running a command in a container"):
            created = api.exec_create(self._container.id, list(command))
            thread = threading.Thread(target=start, daemon=True)
            thread.start()
            thread.join(timeout_s)
            if thread.is_alive():
                _kill_process(int(api.exec_inspect(created["Id"]).get("Pid") or 0))
                return ExecResult(None, b"")
            if errors:
                raise errors[0]
            return ExecResult(int(api.exec_inspect(created["Id"])["ExitCode"]), b"".join(output))


class OutputReader(threading.Thread):
    """Copies the output of an attached container to its files as it comes.

    `finished` is set at the end of the output, or at an error. The rest is read even then: an engine that cannot deliver the
    output of a container can neither inspect nor remove it.
    """

    def __init__(
        self,
        stream: Any,
        stdout: Path,
        stderr: Path,
        on_line: Callable[[str], None] | None,
        on_chunk: Callable[[str, bytes], None] | None,
    ) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._stdout = stdout
        self._stderr = stderr
        self._on_line = on_line
        self._on_chunk = on_chunk
        self.finished = threading.Event()
        self._error: Exception | None = None

    def run(self) -> None:
        """Appends to the files until the stream ends: an earlier container of the same job may have written there."""
        try:
            with self._stdout.open("ab") as out, self._stderr.open("ab") as err:
                self._copy(out, err)
        except Exception as error:  # noqa: BLE001 - raised again in `raise_error`
            self._error = error
        self.finished.set()
        with contextlib.suppress(Exception):
            for _ in self._stream:
                pass

    def raise_error(self) -> None:
        """Raises what stopped the reader, if anything did."""
        if isinstance(self._error, OSError) and self._error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG):
            raise RunError(
                f"the output of a container cannot be written: {os.strerror(self._error.errno)}",
                where=str(self._stdout),
                hint="Free some space there, or give another directory.",
            )
        if self._error is not None:
            with engine_errors("reading the output of a container"):
                raise self._error

    def _copy(self, out: BinaryIO, err: BinaryIO) -> None:
        pending = b""
        for item in self._stream:
            to_out, to_err = item if isinstance(item, tuple) else (item, None)
            _write(err, to_err)
            _write(out, to_out)
            for name, data in (("stderr", to_err), ("stdout", to_out)):
                if self._on_chunk and data:
                    self._on_chunk(name, data)
            if self._on_line and to_out:
                *lines, pending = (pending + to_out).split(b"\n")
                for line in lines:
                    self._on_line(line.decode("utf-8", "replace"))
        if self._on_line and pending:
            self._on_line(pending.decode("utf-8", "replace"))


def _write(file: BinaryIO, data: bytes | None) -> None:
    if data:
        file.write(data)
        file.flush()


def _kill_process(pid: int) -> None:
    """Kills a process where the engine runs on this machine; elsewhere it ends with its container."""
    if pid:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
