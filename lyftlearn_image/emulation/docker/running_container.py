"""A started container: its output, its exit, signals, and commands in it."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lyftlearn_image.emulation.docker.errors import engine_errors

if TYPE_CHECKING:
    from docker.models.containers import Container

    from lyftlearn_image.emulation.docker.output import OutputReader

# Of a command's output so much is looked at (kubernetes pkg/probe/exec, maxReadLength).
_OUTPUT_BYTES = 10 << 10
# The engine has no call that ends a command, and the PID that it tells is of its own host. Inside the container a command that
# the engine has started is a process without a parent (proc(5), /proc/pid/stat): of each, its PID and when it began, in
# hundredths of a second since the machine did; before them which start of which machine that is, and the time of now. Nothing
# is put into the command's own environment.
_LIST = """read -r boot < /proc/sys/kernel/random/boot_id; echo "$boot"
read -r now rest < /proc/uptime; echo "$now"
for process in /proc/[0-9]*; do
    read -r line < "$process/stat" || continue
    set -- ${line##*) }
    if [ "$2" = 0 ]; then echo "${process#/proc/} ${20}"; fi
done 2>/dev/null"""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TICKS_PER_S = 100
_CLOCK_SLACK_S = 0.05
_KILL_TIMEOUT_S = 10.0
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

        Of its output the first 10 KiB are kept. In a container without a shell one that takes too long ends with the
        container. RunError when the command cannot be started, or the container has ended.
        """
        with engine_errors("running a command in a container"):
            asked_at = _uptime_s()
            started, result = self._execute(command, timeout_s)
            if result.exit_code is None:
                self._kill_command(started, asked_at)
            return result

    def _execute(self, command: tuple[str, ...], timeout_s: float) -> tuple[str, ExecResult]:
        """The engine's id of a command that was started, and how it ended. Raises the docker SDK's own errors."""
        api: Any = cast("Any", self._container.client).api
        kept = bytearray()
        errors: list[Exception] = []
        created = str(api.exec_create(self._container.id, list(command))["Id"])

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

    def _kill_command(self, started: str, asked_at: float) -> None:
        api: Any = cast("Any", self._container.client).api
        with contextlib.suppress(Exception):  # the container may end at this moment, or have no shell
            for _ in range(_KILL_TRIES):
                _, listed = self._execute(("sh", "-c", _LIST), _KILL_TIMEOUT_S)
                pid = _find_command(listed.output.decode(), asked_at, _uptime_s())
                if pid is not None:
                    self._execute(("sh", "-c", 'kill -9 "$0"', str(pid)), _KILL_TIMEOUT_S)
                if not api.exec_inspect(started)["Running"]:
                    return


def _uptime_s() -> float:
    """Seconds since this machine was started, as /proc/uptime has them; elsewhere seconds of some clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _find_command(listed: str, asked_at_s: float, listed_at_s: float) -> int | None:
    """The PID, in its container, of the command that was asked for then: the first that began since. PID 1 is never it.

    Both times are of `_uptime_s`. An engine on another machine has another clock, which is set by when the list was here.
    None where there is no such process.
    """
    boot, now, *lines = listed.splitlines()
    is_here = _BOOT_ID.is_file() and _BOOT_ID.read_text(encoding="ascii").strip() == boot
    ahead_s = 0.0 if is_here else listed_at_s - float(now)
    began = {int(pid): int(ticks) / _TICKS_PER_S + ahead_s for pid, ticks in map(str.split, lines)}
    since = [(at, pid) for pid, at in began.items() if pid != 1 and at >= asked_at_s - _CLOCK_SLACK_S]
    return min(since, default=(0.0, None))[1]
