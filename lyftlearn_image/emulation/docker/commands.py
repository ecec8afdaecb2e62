"""Commands in a running container (`docker exec`), and the end of one that takes too long."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# Of a command's output so much is looked at (kubernetes pkg/probe/exec, maxReadLength).
_OUTPUT_BYTES = 10 << 10
# The engine has no call that ends a command, and the PID that it tells is of its own host. Inside the container a command that
# the engine has started is a process without a parent (proc(5), /proc/pid/stat): of each, its PID and when it began, in
# hundredths of a second since the machine did; before them which start of which machine that is, and the time of now. Where a
# pod's containers share their processes, another container's are told by their control group. Nothing is put into the
# command's own environment.
_LIST = """read -r boot < /proc/sys/kernel/random/boot_id; echo "$boot"
read -r now rest < /proc/uptime; echo "$now"
read -r own < "/proc/$$/cgroup"
for process in /proc/[0-9]*; do
    read -r line < "$process/stat" && read -r group < "$process/cgroup" || continue
    set -- ${line##*) }
    if [ "$2" = 0 ] && [ "$group" = "$own" ]; then echo "${process#/proc/} ${20}"; fi
done 2>/dev/null"""
# A PID alone is used again by later processes.
_KILL = """read -r line < "/proc/$0/stat" || exit
pid=$0 began=$1
set -- ${line##*) }
if [ "${20}" = "$began" ]; then kill -9 "$pid"; fi"""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# The kernel cuts its times to hundredths, and does not round them.
_TICKS_PER_S = 100
_TICK_S = 1 / _TICKS_PER_S
_KILL_TIMEOUT_S = 10.0
_KILL_TRIES = 3
# A loaded engine takes seconds to start a command; one that takes longer is not waited for by the container's next ones.
_BEGIN_TIMEOUT_S = 60.0
# The engine's words (moby, daemon/exec.go, errExecPaused), and how long a start beside the container may take.
_PAUSED = "is paused"
_PAUSE_TIMEOUT_S = 60.0
_FIRST_LOOK_S = 0.002
_LONGEST_LOOK_S = 0.05


@dataclass(frozen=True)
class ExecResult:
    """How a command in a running container ended. `exit_code` is None when it was killed at its timeout."""

    exit_code: int | None
    output: bytes


@dataclass(frozen=True)
class _Process:
    """A process of a container that has no parent there. `began` is as /proc/pid/stat has it."""

    pid: int
    began: int


@dataclass(frozen=True)
class _Interval:
    """From one moment to another, in seconds since this machine was started."""

    first_s: float
    last_s: float


def _when_not_paused(ask: Callable[[], Any]) -> Any:
    """An answer of the engine, which runs nothing in a container while a start in its pod holds it still."""
    import docker.errors  # noqa: PLC0415 - see EngineAddress.client()

    until = time.monotonic() + _PAUSE_TIMEOUT_S
    while True:
        try:
            return ask()
        except docker.errors.APIError as error:
            if _PAUSED not in str(error.explanation) or time.monotonic() >= until:
                raise
        time.sleep(_LONGEST_LOOK_S)


class _Command:
    """A command that the engine is asked to run, from then on. `thread` reads its output, to the end of both."""

    def __init__(self, api: Any, container_id: str, command: tuple[str, ...]) -> None:
        self._api = api
        self._output = bytearray()
        self._errors: list[Exception] = []
        self._id = str(_when_not_paused(lambda: api.exec_create(container_id, list(command)))["Id"])
        self._asked_at_s = _uptime_s()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        try:
            for piece in _when_not_paused(lambda: self._api.exec_start(self._id, stream=True)):
                self._output.extend(piece[: _OUTPUT_BYTES - len(self._output)])
        except Exception as error:  # noqa: BLE001 - raised again by the caller's thread
            self._errors.append(error)

    def wait_until_begun(self) -> _Interval:
        """When its process began, after the command was asked for and before the engine told of it; or it has ended."""
        look_s = _FIRST_LOOK_S
        until = time.monotonic() + _BEGIN_TIMEOUT_S
        while self.thread.is_alive() and time.monotonic() < until and not self._api.exec_inspect(self._id)["Pid"]:
            self.thread.join(look_s)
            look_s = min(2 * look_s, _LONGEST_LOOK_S)
        return _Interval(self._asked_at_s, _uptime_s())

    def is_running(self) -> bool:
        """Whether the engine still sees its process."""
        return bool(self._api.exec_inspect(self._id)["Running"])

    def result(self) -> ExecResult:
        """How it ended: not yet, as long as its output is read. Raises the docker SDK's own errors."""
        if self.thread.is_alive():
            return ExecResult(None, b"")
        if self._errors:
            raise self._errors[0]
        return ExecResult(int(self._api.exec_inspect(self._id)["ExitCode"]), bytes(self._output))


class Commands:
    """The commands of one container."""

    def __init__(self, api: Any, container_id: str) -> None:
        self._api = api
        self._container_id = container_id
        self._beginning = threading.Lock()

    def execute(self, command: tuple[str, ...], timeout_s: float) -> ExecResult:
        """Runs a command, and kills it after `timeout_s`. Raises the docker SDK's own errors.

        It alone is killed: not where it cannot be told from what somebody else started in the container at the same moment.
        """
        started, began = self._begin(command)
        started.thread.join(max(0.0, began.first_s + timeout_s - _uptime_s()))
        result = started.result()
        if result.exit_code is None:
            self._kill(started, began)
        return result

    def _begin(self, command: tuple[str, ...]) -> tuple[_Command, _Interval]:
        """A command that has begun, and when: no other of these commands began meanwhile."""
        with self._beginning:
            started = _Command(self._api, self._container_id, command)
            return started, started.wait_until_begun()

    def _kill(self, late: _Command, began: _Interval) -> None:
        with contextlib.suppress(Exception):  # the container may end at this moment, or have no shell
            for _ in range(_KILL_TRIES):
                if not late.is_running():
                    return
                listing_at_s = _uptime_s()
                listed = self._run("sh", "-c", _LIST).decode()
                process = _find_process(listed, began, _Interval(listing_at_s, _uptime_s()))
                if process is not None:
                    self._run("sh", "-c", _KILL, str(process.pid), str(process.began))

    def _run(self, *command: str) -> bytes:
        """The output of a command of ours."""
        started, _ = self._begin(command)
        started.thread.join(_KILL_TIMEOUT_S)
        return started.result().output


def _uptime_s() -> float:
    """Seconds since this machine was started, as /proc/uptime has them; elsewhere seconds of some clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _find_process(listed: str, began: _Interval, listing: _Interval) -> _Process | None:
    """The process, in its container, of the one command that began then. PID 1 is never it.

    An engine on another machine has another clock, which is known as well as when the list was made. None where there is no
    such process, or more than one: somebody else may have started the other.
    """
    boot, now, *lines = listed.splitlines()
    is_here = _BOOT_ID.is_file() and _BOOT_ID.read_text(encoding="ascii").strip() == boot
    ahead = _Interval(listing.first_s - float(now) - _TICK_S, listing.last_s - float(now) + _TICK_S)
    if is_here:
        ahead = _Interval(0.0, 0.0)
    processes = [_Process(int(pid), int(ticks)) for pid, ticks in map(str.split, lines)]
    found = [one for one in processes if one.pid != 1 and _may_have_begun(one, began, ahead)]
    return found[0] if len(found) == 1 else None


def _may_have_begun(process: _Process, during: _Interval, ahead: _Interval) -> bool:
    """Whether a process may have begun then, by a clock that is that much behind."""
    first_s, last_s = process.began / _TICKS_PER_S + ahead.first_s, (process.began + 1) / _TICKS_PER_S + ahead.last_s
    return first_s <= during.last_s and last_s >= during.first_s
