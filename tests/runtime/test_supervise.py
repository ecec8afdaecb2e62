"""PID 1's duties, with real processes and real signals."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from tests.runtime.conftest import Shim

    Start = Callable[..., "Supervised"]

ROOT = Path(__file__).resolve().parent.parent.parent
WITHIN_S = 120.0  # what hangs is ended; a loaded machine is not
# Supervises argv with a grace in seconds and ends as it ends; what it heard of stderr goes to the file of HEARD.
DRIVER = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from lyftlearn_runtime import supervise
heard = bytearray()
script = supervise.start(supervise.Command(sys.argv[2:], os.environ, None), float(sys.argv[1]))
code = script.watch(lambda _, data: heard.extend(data))
if os.environ.get("HEARD"):
    open(os.environ["HEARD"], "wb").write(heard)
os._exit(code)
"""
HANDLER = (
    "import signal, sys, time\n"
    "signal.signal(signal.{name}, lambda *_: sys.exit({code}))\n"
    "print('ready', flush=True)\n"
    "time.sleep(60)\n"
)


class Supervised:
    """A supervisor and its script as processes of this machine, without a container around them."""

    def __init__(self, *command: str, grace_s: float = 60, **how: Any) -> None:
        argv = [sys.executable, "-I", "-c", DRIVER, str(grace_s), *command]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, **how)

    def line(self) -> str:
        """The next line of stdout."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self, text: str | None = None) -> tuple[int, str, str]:
        """Its exit code, and the rest of its stdout and stderr."""
        out, err = self.process.communicate(text, timeout=WITHIN_S)
        return self.process.returncode, out, err


@pytest.fixture
def supervised() -> Iterator[Callable[..., Supervised]]:
    """Starts supervisors; none outlives the test."""
    made: list[Supervised] = []

    def start(*command: str, grace_s: float = 60, **how: Any) -> Supervised:
        made.append(Supervised(*command, grace_s=grace_s, **how))
        return made[-1]

    yield start
    for one in made:
        # The script leads a group of its own; one that is left without its supervisor would go on.
        with contextlib.suppress(OSError):  # it has ended, and nothing is left
            for child in Path(f"/proc/{one.process.pid}/task/{one.process.pid}/children").read_text().split():
                os.killpg(int(child), signal.SIGKILL)
        one.process.kill()
        one.process.wait()
        for stream in (one.process.stdin, one.process.stdout, one.process.stderr):
            if stream:
                stream.close()


@pytest.mark.parametrize("code", [0, 1, 3, 42, 137, 255])
def test_the_exit_status_is_the_scripts_own(supervised: Start, code: int) -> None:
    """No status is translated, not even those that look like signals."""
    assert supervised("sh", "-c", f"exit {code}").process.wait(WITHIN_S) == code


@pytest.mark.parametrize(("name", "code"), [("KILL", 137), ("SEGV", 139), ("ABRT", 134), ("TERM", 143)])
def test_death_by_a_signal_is_128_and_its_number(supervised: Start, name: str, code: int) -> None:
    """As a shell and both platforms tell it."""
    assert supervised("sh", "-c", f"kill -{name} $$").process.wait(WITHIN_S) == code


@pytest.mark.parametrize(("command", "code"), [(("no-such-program",), 127), (("/etc/passwd",), 126), (("/etc/passwd/x",), 127)])
def test_what_the_kernel_refuses_has_the_shells_code(supervised: Start, command: tuple[str, ...], code: int) -> None:
    """127 is not found, 126 is found but not to be run; one line says which."""
    started = supervised(*command, stderr=subprocess.PIPE)
    found, _, said = started.end()
    assert found == code
    assert said.startswith(f"lyftlearn: cannot run {command[0]}: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGWINCH", "SIGCONT", "SIGRTMIN"]
)
def test_every_signal_that_can_be_caught_reaches_the_script(supervised: Start, name: str) -> None:
    """Its own handler runs, and its own exit code comes out."""
    started = supervised(sys.executable, "-c", HANDLER.format(name=name, code=9))
    assert started.line() == "ready"
    started.process.send_signal(getattr(signal, name))
    assert started.process.wait(WITHIN_S) == 9


def test_a_signal_reaches_the_script_within_milliseconds(supervised: Start) -> None:
    """It is handed on by the handler itself, not by the next turn of a loop; on a loaded machine one of many shows it."""
    program = (
        "import signal, time\n"
        "def told(*_): print(time.monotonic(), flush=True)\n"
        "signal.signal(signal.SIGUSR1, told)\n"
        "print('ready', flush=True)\n"
        "while True: signal.pause()\n"
    )
    started = supervised(sys.executable, "-c", program)
    assert started.line() == "ready"

    def taken_s() -> float:
        sent = time.monotonic()
        started.process.send_signal(signal.SIGUSR1)
        return float(started.line()) - sent

    assert any(taken_s() < 0.02 for _ in range(200))


def test_the_group_is_waited_for_after_a_stop(supervised: Start, tmp_path: Path) -> None:
    """A shell dies at once of SIGTERM; the Python below it gets the time to write its checkpoint."""
    checkpoint = tmp_path / "checkpoint"
    program = (
        "import signal, sys, time, pathlib\n"
        f"def save(*_): time.sleep(0.7); pathlib.Path({str(checkpoint)!r}).write_text('saved'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    (tmp_path / "train.py").write_text(program)
    started = supervised("sh", "-c", f"{sys.executable} {tmp_path / 'train.py'}; echo never")
    assert started.line() == "ready"
    started.process.send_signal(signal.SIGTERM)
    assert started.process.wait(WITHIN_S) == 143
    assert checkpoint.read_text() == "saved"


def test_a_second_term_after_the_grace_kills(supervised: Start) -> None:
    """Who asks again when the time is up means it; before that, the script is asked again."""
    program = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('asked', flush=True))\n"
        "print('ready', flush=True)\n"
        "while True: time.sleep(1)\n"
    )
    started = supervised(sys.executable, "-c", program, grace_s=0.5)
    assert started.line() == "ready"
    first = time.monotonic()
    for _ in range(2):
        started.process.send_signal(signal.SIGTERM)
        assert started.line() == "asked"
    deadline = first + WITHIN_S
    while started.process.poll() is None:
        assert time.monotonic() < deadline
        started.process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
    assert started.process.returncode == 137
    assert time.monotonic() - first >= 0.5


def test_stdin_reaches_the_script(supervised: Start) -> None:
    """It is the script's own, to its end."""
    started = supervised("cat", stdin=subprocess.PIPE)
    assert started.end("one\ntwo\n")[1] == "one\ntwo\n"


def test_stderr_is_copied_byte_for_byte_and_its_end_is_heard(supervised: Start, tmp_path: Path) -> None:
    """Also bytes that are no text, and more of them than a pipe holds."""
    heard, data = tmp_path / "heard", tmp_path / "data"
    data.write_bytes(os.urandom(3_000_000))
    with (tmp_path / "stderr").open("wb") as stderr:
        started = supervised("sh", "-c", f"cat {data} >&2", stderr=stderr, env={**os.environ, "HEARD": str(heard)})
        assert started.process.wait(WITHIN_S) == 0
    assert (tmp_path / "stderr").read_bytes() == heard.read_bytes() == data.read_bytes()


def test_a_script_outlives_a_reader_of_its_stderr(supervised: Start) -> None:
    """A closed stderr ends no job."""
    reader, writer = os.pipe()
    program = "read go; for i in 1 2 3; do echo $i >&2; done; echo done"
    started = supervised("sh", "-c", program, stdin=subprocess.PIPE, stderr=writer)
    os.close(writer)
    os.close(reader)
    assert started.end("go\n")[:2] == (0, "done\n")


def test_an_orphan_that_holds_stderr_does_not_hold_the_end(supervised: Start) -> None:
    """The job is over when the script is, also while a daemon of its writes on and on."""
    program = "import subprocess\nprint(subprocess.Popen(['yes'], stdout=2, start_new_session=True).pid, flush=True)\n"
    started = supervised(sys.executable, "-W", "ignore", "-c", program, stderr=subprocess.DEVNULL)
    pid = int(started.line())
    try:
        assert started.process.wait(WITHIN_S) == 0
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_script_finds_default_signal_dispositions(supervised: Start) -> None:
    """CPython ignores SIGPIPE, and blocked signals are inherited; a script starts with neither.

    What was ignored before there was a shim stays ignored, as for a job in a shell's background.
    """
    own = Path("/proc/self/status").read_text(encoding="utf-8")
    before = next(int(line.split()[1], 16) for line in own.splitlines() if line.startswith("SigIgn"))
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        before &= ~(1 << (number - 1))
    started = supervised("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status")
    _, out, _ = started.end()
    assert [int(line.split()[1], 16) for line in out.splitlines()] == [0, before]


def test_a_script_inherits_no_file_of_the_shim(supervised: Start) -> None:
    """Nothing but the three streams."""
    started = supervised("sh", "-c", "ls /proc/$$/fd")
    _, out, _ = started.end()
    assert out.split() == ["0", "1", "2"]


def test_a_terminal_stays_a_terminal(supervised: Start) -> None:
    """All three streams are it, the script is in its foreground, and Ctrl-C reaches the script."""
    program = (
        "import os, signal, sys\n"
        "print([os.isatty(n) for n in (0, 1, 2)], os.tcgetpgrp(0) == os.getpgrp(), 'ready', flush=True)\n"
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(7))\n"
        "print('typed', input(), flush=True)\n"
        "signal.pause()\n"
    )
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-I", "-c", DRIVER, "60", sys.executable, "-c", program])  # noqa: S606 - a list
    said = b""

    def read_until(text: bytes) -> None:
        nonlocal said
        deadline = time.monotonic() + WITHIN_S
        while text not in said:
            assert select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0], said
            said += os.read(terminal, 4096)

    read_until(b"ready")
    assert b"[True, True, True] True" in said
    os.write(terminal, b"hello\n")
    read_until(b"typed hello")
    os.write(terminal, b"\x03")
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.WEXITSTATUS(status) == 7


def test_pid_1_hands_term_on_to_every_process_of_the_group(shim: Shim) -> None:
    """In a container: a grandchild gets SIGTERM too, the script's handler runs, and its exit code is kept."""
    child = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('child got TERM', flush=True), sys.exit(0)))\n"
        "print('up', flush=True)\n"
        "time.sleep(60)\n"
    )
    program = (
        "import signal, subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE, text=True)\n"
        "child.stdout.readline()\n"
        "def stop(*_): print(child.communicate()[0].strip(), 'checkpointed', flush=True); sys.exit(5)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "print('ready', flush=True)\n"
        "while True: time.sleep(1)\n"
    )
    name = shim.start("python3", "-c", program)
    shim.signal(name, "TERM")
    assert shim.wait(name) == 5
    assert "child got TERM checkpointed" in shim.logs(name)


def test_pid_1_reaps_orphans(shim: Shim) -> None:
    """Two hundred processes whose parents have gone: none stays a zombie."""
    program = (
        "import os, time\n"
        "reader, writer = os.pipe()\n"
        "for _ in range(200):\n"
        "    if os.fork() == 0:\n"
        "        if os.fork() == 0: os.close(writer); os.read(reader, 1); os._exit(0)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
        "def others(): return [p for p in os.listdir('/proc') if p.isdigit() and int(p) not in (1, os.getpid())]\n"
        "most = len(others())\n"
        "os.close(writer)\n"  # now they end
        "deadline = time.monotonic() + 100\n"
        "while others() and time.monotonic() < deadline: time.sleep(0.02)\n"
        "print(most, len(others()))\n"
    )
    assert shim.python(program).stdout == "200 0\n"


@pytest.mark.parametrize(("grace", "least_s"), [((), 4), (("-e", "LYFTLEARN_GRACE=12"), 6)])
def test_the_container_ends_when_a_grandchild_ignores_term(shim: Shim, grace: tuple[str, ...], least_s: float) -> None:
    """It is waited for as long as the grace allows, and then left: nobody waits for SIGKILL of the platform."""
    deaf = "trap '' TERM; echo ready; while :; do sleep 1; done"
    name = shim.start("sh", "-c", f'sh -c "{deaf}" & wait', options=grace)
    begun = time.monotonic()
    shim.signal(name, "TERM")
    assert shim.wait(name) == 143
    # Docker's grace of ten seconds, or the one that is said, less the margin for what comes last.
    assert time.monotonic() - begun > least_s


def test_term_before_the_script_begins_ends_the_container(shim: Shim) -> None:
    """PID 1 has no default action for SIGTERM: a start that hangs on a slow source would wait for SIGKILL."""
    options = (
        "-e", "AWS_ACCESS_KEY_ID=a", "-e", "AWS_SECRET_ACCESS_KEY=b", "-e", "AWS_ENDPOINT_URL=http://127.0.0.1:9",
        "-e", "PASSWORD=aws-sm://prod/db", "-e", "LYFTLEARN_FETCH_TIMEOUT=60",
    )  # fmt: skip
    name = shim.start("echo", "never", options=options, until="")
    deadline = time.monotonic() + WITHIN_S
    while not _catches_term(shim.inside(name, "cat", "/proc/1/status")):
        assert time.monotonic() < deadline
    shim.signal(name, "TERM")
    assert shim.wait(name) == 143
    assert shim.logs(name) == "lyftlearn: stopped by SIGTERM before the script began\n"


def _catches_term(status: str) -> bool:
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def _is_shim_that_catches(status: str) -> bool:
    """Not the engine's own program, which becomes the container's first and catches signals, too."""
    return not status.startswith("Name:\trunc") and _catches_term(status)


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 0.05, 0.1, 0.2, 0.4])
def test_a_signal_during_the_start_is_never_lost(shim: Shim, docker_cli: Callable[..., str], delay_s: float) -> None:
    """Whenever SIGTERM comes, once the shim catches it: before the script, at its start, or later. It ends the container.

    What comes before any program has a handler the kernel drops for PID 1 (pid_namespaces(7)).
    """
    # A tenth of a CPU stretches the moments of a start; its first is waited for on the host, without a word to the engine.
    name = shim.start("sleep", "60", options=("--cpus", "0.1"), until="")
    pid = docker_cli("inspect", "--format", "{{.State.Pid}}", name).strip()
    deadline = time.monotonic() + WITHIN_S
    while not _is_shim_that_catches(Path(f"/proc/{pid}/status").read_text(encoding="utf-8")):
        assert time.monotonic() < deadline
    time.sleep(delay_s)  # there is nothing to await: every moment of a start is meant
    os.kill(int(pid), signal.SIGTERM)
    assert shim.wait(name) == 143
