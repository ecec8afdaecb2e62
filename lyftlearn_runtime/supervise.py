"""Runs the script as PID 1 must: every signal reaches its whole process group, orphans are reaped, the status is exact.

stdin and stdout are the script's own, untouched. stderr goes through a pipe, byte for byte, so that its end is at hand
for the failure message; on a terminal it is left alone too. The price: a script that asks finds a pipe at its stderr, and
one that writes to both streams of one file may see their lines change places. Where the end of the log is to be left in S3,
stdout goes the same way; both platforms have a pipe there by themselves.
"""

from __future__ import annotations

import errno
import os
import select
import time

from lyftlearn_runtime import contract
from lyftlearn_runtime.frozen import namedtuple
from lyftlearn_runtime.log import log_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn
else:
    # The same functions and plain numbers: `signal` gives them names by `enum`, a tenth of what a start takes.
    import _signal as signal

# `cwd` is None where the script stays in this process's directory.
Command = namedtuple("Command", ["argv", "variables", "cwd"])

# 128 + n is how a shell and both platforms tell death by signal n.
SIGNALLED = 128
NOT_FOUND, NOT_EXECUTABLE = 127, 126
_CHUNK_BYTES = 65536
# Not forwarded: what cannot be caught, our own children's end, our own faults and broken pipes, and what the kernel tells
# a background process that touches the terminal.
_OWN = (
    signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL,
    signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTTIN, signal.SIGTTOU,
)  # fmt: skip
# What CPython ignores from its start and a program expects to find as it is by default.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
# What an orphan that holds stderr open still writes is not waited for longer than this.
_DRAIN_S = 0.2
# Of the platform's grace, this much stays for what the shim does last: carry metrics, upload, tell.
_MARGIN_S = 5.0
# Where orphans are somebody else's children, nothing tells us of their end.
_ASK_S = 0.05


def start(command: Command, grace_s: float, *, takes_stdout: bool = False) -> Script:
    """Starts the command in a process group of its own; from now on that group gets every signal that comes.

    A second SIGTERM or SIGINT that comes `grace_s` after the first kills.
    """
    script = Script(grace_s, (1, 2) if takes_stdout else (2,))
    # Blocked until the child exists, so that a signal that comes now is not lost.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, script.forwarded)
    script.fork(command, mask)
    _catch(script)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return script


class Script:
    """The script's process group, what has been asked of it, and the pipes that its `streams` go through."""

    def __init__(self, grace_s: float, streams: Sequence[int]) -> None:
        self.pid = 0
        self.forwarded = {one for one in signal.valid_signals() if one not in _OWN}
        self._grace_s = grace_s
        self._asked_at: float | None = None
        self._streams = streams
        # The reading end of each pipe, and the stream that it is for.
        self._readers: dict[int, int] = {}
        self._wake = _wake_pipe()

    def fork(self, command: Command, mask: Any) -> None:
        """Begins it. `mask` are the signals that it is to find blocked."""
        writers: dict[int, int] = {}
        for stream in self._streams:
            if not os.isatty(stream):
                reader, writers[stream] = os.pipe()
                self._readers[reader] = stream
        self.pid = os.fork()
        if self.pid == 0:
            _become_child(command, writers, mask)
        for writer in writers.values():
            os.close(writer)

    def watch(self, on_output: Callable[[int, bytes], None]) -> int:
        """Waits for its end: its exit code, 128 + n for signal n. `on_output` gets its streams piece by piece.

        After a SIGTERM or SIGINT the whole group is waited for, for as long as the grace: a shell is gone at once, and what
        it has started may still be writing a checkpoint.
        """
        code = self._copy_until_end(on_output)
        self._wait_for_group()
        return code

    def forward(self, number: int, _: Any = None) -> None:
        """A handler of signals: hands one on at once, also while something else is being done."""
        if number in _ENDING:
            now = time.monotonic()
            if self._asked_at is None:
                self._asked_at = now
            elif now - self._asked_at >= self._grace_s:
                number = signal.SIGKILL
        self.send(number)

    def send(self, number: int) -> bool:
        """Sends a signal to all of the group; False when nobody is left."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return self._send_to_child(number)
        except PermissionError:
            pass  # members that have changed their user
        return True

    def _send_to_child(self, number: int) -> bool:
        """To a leader that has not made its group yet: it has the signal when it unblocks them, just before the script."""
        try:
            # A child that has been waited for is none any more, and its ID may be another's.
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            os.kill(self.pid, number)
        except (ChildProcessError, ProcessLookupError):
            return False
        return True

    def _wait_for_group(self) -> None:
        """After the leader's end: waits for the others if they were asked to end, else asks them to."""
        if self._asked_at is None:
            self.send(signal.SIGTERM)
            return
        until = self._asked_at + self._grace_s - _MARGIN_S
        while self.send(0) and time.monotonic() < until:
            time.sleep(_ASK_S)
            _reap(self.pid)

    def _copy_until_end(self, on_output: Callable[[int, bytes], None]) -> int:
        """Copies what the script writes and reaps until it has ended."""
        readers = [self._wake, *self._readers]
        code = None
        while code is None:
            ready = select.select(readers, [], [])[0]
            if self._wake in ready:
                _empty(self._wake)
            self._copy(ready, readers, on_output)
            code = _reap(self.pid)
        # What the script wrote is in the pipes by now.
        deadline = time.monotonic() + _DRAIN_S
        readers.remove(self._wake)
        while readers and time.monotonic() < deadline:
            ready = select.select(readers, [], [], 0)[0]
            if not ready:
                break
            self._copy(ready, readers, on_output)
        return code

    def _copy(self, ready: Sequence[int], readers: list[int], on_output: Callable[[int, bytes], None]) -> None:
        """Hands one piece of every stream on that has one; those that have ended are read no more."""
        for reader in ready:
            stream = self._readers.get(reader)
            if stream is None:
                continue
            data = os.read(reader, _CHUNK_BYTES)
            on_output(stream, data)
            _write(stream, data)
            if not data:
                readers.remove(reader)


def _wake_pipe() -> int:
    """A pipe that gets a byte with every signal, so that none falls between a look and a wait."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def _catch(script: Script) -> None:
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in script.forwarded:
        try:
            signal.signal(number, script.forward)
        except (OSError, ValueError):
            continue  # not catchable
    for number in (signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)  # a background process writes to its terminal all the same


def exec_script(command: Command) -> NoReturn:
    """Puts the script in this process's place; nothing of the shim is left."""
    _exec(command, signal.pthread_sigmask(signal.SIG_BLOCK, []))


def _become_child(command: Command, writers: dict[int, int], mask: Any) -> NoReturn:
    """In the child: a group of its own and its streams, then the script."""
    try:
        _lead_group()
        for stream, writer in writers.items():
            os.dup2(writer, stream)
        signal.set_wakeup_fd(-1)
    except OSError as error:
        log_line(f"cannot run {command.argv[0]}: {error.strerror}")
        os._exit(contract.EXIT_CONFIG)
    _exec(command, mask)


def _exec(command: Command, mask: Any) -> NoReturn:
    """The script with default dispositions of signals, or the shell's code for why it cannot be run."""
    try:
        for number in (*_IGNORED_BY_PYTHON, signal.SIGTERM, signal.SIGINT):
            if number in _IGNORED_BY_PYTHON or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if command.cwd:
            os.chdir(command.cwd)
        os.execvpe(command.argv[0], list(command.argv), dict(command.variables))  # noqa: S606 - the script itself
    except OSError as error:
        log_line(f"cannot run {command.argv[0]}: {error.strerror}")
        # As a shell tells it: 127 not found, 126 found but not to be run.
        os._exit(NOT_FOUND if error.errno in (errno.ENOENT, errno.ENOTDIR) else NOT_EXECUTABLE)
    except BaseException as error:  # noqa: BLE001 - nothing of the parent may run on in the child
        log_line(f"cannot run {command.argv[0]}: {type(error).__name__}")
        os._exit(contract.EXIT_CONFIG)


def _lead_group() -> None:
    """A session of its own, or with a terminal a group that the terminal talks to."""
    if not os.isatty(0):
        os.setsid()
        return
    os.setpgid(0, 0)
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        # Without it the script would be stopped at its first read.
        os.tcsetpgrp(0, os.getpgrp())
    except OSError:
        pass  # a terminal that controls another session
    signal.signal(signal.SIGTTOU, before)


def _empty(wake: int) -> None:
    try:
        while os.read(wake, 512):
            pass
    except BlockingIOError:
        pass


def _write(stream: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(stream, rest) :]
        except OSError:
            break  # nobody reads it any more; the script runs on


def _reap(leader: int) -> int | None:
    """Takes every process that has ended; the script's exit code when it is among them."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid != leader:
            continue
        if os.WIFSTOPPED(status):
            _stopped(leader, os.WSTOPSIG(status))
        else:
            code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else SIGNALLED + os.WTERMSIG(status)


def _stopped(leader: int, number: int) -> None:
    """The script was stopped from its terminal: so are we, for the shell above us to see; alone it has to go on."""
    if number != signal.SIGTSTP:
        return
    if os.getpid() == 1:
        os.killpg(leader, signal.SIGCONT)
    else:
        os.kill(os.getpid(), signal.SIGSTOP)
