"""Runs the script as PID 1 must: every signal reaches its whole process group, orphans are reaped, the status is exact.

stdin and stdout are the script's own, untouched. stderr goes through a pipe, byte for byte, so that its end is at hand
for the failure message; on a terminal it is left alone too.
"""

from __future__ import annotations

import os
import select
import signal

from lyftlearn_runtime import contract
from lyftlearn_runtime.log import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

# 128 + n is how a shell and both platforms tell death by signal n.
_SIGNALLED = 128
_TAIL_BYTES = 16384
_CHUNK_BYTES = 65536
# What the kernel or the job control of a terminal sends to us alone.
_OWN = {signal.SIGCHLD, signal.SIGKILL, signal.SIGSTOP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGTSTP, signal.SIGCONT}
# After the script's end its orphans may hold stderr open; what they write later is not waited for longer than this.
_DRAIN_S = 0.2


def run(argv: list[str], variables: Mapping[str, str]) -> tuple[int, bytes]:
    """Runs argv to its end: its exit code (128 + n for signal n) and the last bytes of its stderr."""
    keep_terminal = os.isatty(2)
    reader, writer = (-1, -1) if keep_terminal else os.pipe()
    # Blocked until the child exists, so that a signal that comes now is not lost; the child unblocks its own.
    watched = {one for one in signal.valid_signals() if one not in _OWN}
    wake_reader, wake_writer = os.pipe()
    os.set_blocking(wake_writer, False)
    os.set_blocking(wake_reader, False)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    old = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    child = os.fork()
    if child == 0:
        _become(argv, variables, writer, old)
    if not keep_terminal:
        os.close(writer)
    pending: list[int] = []
    for one in watched | {signal.SIGCHLD}:
        try:
            signal.signal(one, lambda number, _: pending.append(number))
        except (OSError, ValueError):
            continue  # not catchable
    signal.pthread_sigmask(signal.SIG_SETMASK, old)
    return _watch(child, reader, wake_reader, pending)


def _become(argv: list[str], variables: Mapping[str, str], writer: int, mask: Any) -> NoReturn:
    """In the child: its own process group, the parent's signal mask, default dispositions, then the script."""
    try:
        if os.isatty(0):
            os.setpgid(0, 0)
            # The group that the terminal talks to; without it the script stops at its first read.
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            os.tcsetpgrp(0, os.getpgrp())
        else:
            os.setsid()
        if writer >= 0:
            os.dup2(writer, 2)
        signal.set_wakeup_fd(-1)
        for one in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTTOU):
            signal.signal(one, signal.SIG_DFL)  # CPython ignores the first two; a program expects the defaults
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.execvpe(argv[0], argv, dict(variables))  # noqa: S606 - the script itself
    except OSError as error:
        say("cannot run %s: %s" % (argv[0], error.strerror))
        # As a shell tells it: 127 not found, 126 found but not to be run.
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)
    except BaseException as error:  # noqa: BLE001 - nothing of the parent may run on in the child
        say("cannot run %s: %s" % (argv[0], error))
        os._exit(contract.EXIT_CONFIG)


def _watch(child: int, reader: int, wake: int, pending: list[int]) -> tuple[int, bytes]:
    """Forwards, copies and reaps until the script has ended."""
    tail = bytearray()
    code: int | None = None
    readers = [wake] + ([reader] if reader >= 0 else [])
    while code is None:
        ready = select.select(readers, [], [])[0]
        if wake in ready:
            _empty(wake)
        if reader in ready and not _copy(reader, tail):
            readers.remove(reader)
        while pending:
            number = pending.pop(0)
            if number != signal.SIGCHLD:
                _forward(child, number)
        code = _reap(child)
    if reader in readers:
        while select.select([reader], [], [], _DRAIN_S)[0] and _copy(reader, tail):
            pass
    _forward(child, signal.SIGTERM)  # whatever of its group is left behind
    return code, bytes(tail)


def _empty(wake: int) -> None:
    try:
        while os.read(wake, 512):
            pass
    except BlockingIOError:
        pass


def _copy(reader: int, tail: bytearray) -> bool:
    """Hands one chunk of stderr on and keeps its end; False when there is no more."""
    data = os.read(reader, _CHUNK_BYTES)
    tail += data
    del tail[:-_TAIL_BYTES]
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(2, rest) :]
        except OSError:
            break  # nobody reads our stderr any more; the script runs on
    return bool(data)


def _forward(child: int, number: int) -> None:
    try:
        os.killpg(child, number)
    except ProcessLookupError:
        pass


def _reap(child: int) -> int | None:
    """Takes every process that has ended; the script's exit code when it is among them."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == child:
            code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else _SIGNALLED + os.WTERMSIG(status)
