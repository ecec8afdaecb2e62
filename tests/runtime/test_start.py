"""The shim in real containers: what a script finds, what ends it, what it leaves."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., "subprocess.CompletedProcess[str]"]

READY_WITHIN_S = 30


@pytest.fixture(scope="module")
def client(engine: None) -> str:
    """The docker client's path."""
    from lyftlearn_image.build.engine import build_client

    return str(build_client())


@pytest.fixture(scope="module")
def start(lyftlearn_image_tag: str, client: str) -> Start:
    """Runs a command through the shim of the built image: options of `docker run`, then the command."""

    def run(*command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        argv = [client, "run", "--rm", *options, lyftlearn_image_tag, *command]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)

    return run


@pytest.fixture
def started(lyftlearn_image_tag: str, client: str) -> Iterator[Callable[..., str]]:
    """Starts a Python program through the shim and waits until it prints `ready`; gives the container's name."""
    names = []

    def begin(program: str, *options: str) -> str:
        name = f"lyftlearn-test-{time.monotonic_ns()}"
        names.append(name)
        subprocess.run(
            [client, "run", "-d", "--name", name, *options, lyftlearn_image_tag, "python", "-c", program],
            check=True,
            capture_output=True,
        )
        deadline = time.monotonic() + READY_WITHIN_S
        while "ready" not in subprocess.run([client, "logs", name], capture_output=True, text=True, check=True).stdout:
            assert time.monotonic() < deadline, "the program did not get ready"
            time.sleep(0.05)
        return name

    yield begin
    for name in names:
        subprocess.run([client, "rm", "-f", "-v", name], capture_output=True, check=False)


def wait(client: str, name: str) -> int:
    """The exit code of a container that is about to end."""
    return int(subprocess.run([client, "wait", name], capture_output=True, text=True, check=True, timeout=60).stdout)


@pytest.mark.parametrize("code", [0, 1, 3, 42, 137, 255])
def test_the_exit_status_is_the_scripts_own(start: Start, code: int) -> None:
    """No status is translated, not even those that look like signals."""
    assert start("sh", "-c", f"exit {code}").returncode == code


@pytest.mark.parametrize(("signal", "code"), [("KILL", 137), ("SEGV", 139), ("ABRT", 134)])
def test_death_by_a_signal_is_128_and_its_number(start: Start, signal: str, code: int) -> None:
    """As a shell and both platforms tell it."""
    assert start("sh", "-c", f"kill -{signal} $$").returncode == code


@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        pytest.param((), 64, "nothing to run", id="nothing"),
        pytest.param(("train",), 64, "LYFTLEARN_PROGRAM", id="train without a program"),
        pytest.param(("serve",), 64, "serve is not in this version", id="serve"),
        pytest.param(("no-such-program",), 127, "No such file", id="not found"),
        pytest.param(("/etc/passwd",), 126, "Permission denied", id="not executable"),
    ],
)
def test_what_cannot_be_run_is_one_line_that_says_what_to_do(
    start: Start, command: tuple[str, ...], code: int, told: str
) -> None:
    """A usage error of the shim has its own code; what the kernel refuses has the shell's."""
    done = start(*command)
    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("user", ["0:0", "1000:100", "10001:0", "54321:0"])
def test_every_user_has_a_name_and_a_home_to_write_to(start: Start, user: str) -> None:
    """Root, Studio's user, ours, and any UID of group 0, also on a read-only root."""
    program = (
        "import getpass, os, pathlib; p = pathlib.Path.home() / 'x'; p.write_text('x'); print(getpass.getuser(), os.getuid())"
    )
    for options in ((), ("--read-only", "--tmpfs", "/tmp:mode=1777")):
        done = start("python", "-c", program, options=("--user", user, *options))
        assert done.returncode == 0, done.stderr
        name, uid = done.stdout.split()
        assert name
        assert uid == user.split(":", maxsplit=1)[0]


def test_term_reaches_every_process_of_the_scripts_group(started: Callable[..., str], client: str) -> None:
    """A grandchild gets SIGTERM too, the script's handler runs, and its exit code is kept."""
    program = (
        "import signal, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', "
        '\'import signal,sys,time; signal.signal(15, lambda *a: (print("child got TERM", flush=True), sys.exit(0)));'
        ' print("child up", flush=True); time.sleep(60)\'], stdout=subprocess.PIPE, text=True)\n'
        "child.stdout.readline()\n"
        "def stop(*_):\n    print(child.communicate()[0].strip(), flush=True); print('checkpointed', flush=True); sys.exit(5)\n"
        "signal.signal(signal.SIGTERM, stop)\nprint('ready', flush=True)\n"
        "while True: time.sleep(1)\n"
    )
    name = started(program)
    subprocess.run([client, "kill", "-s", "TERM", name], check=True, capture_output=True)
    assert wait(client, name) == 5
    said = subprocess.run([client, "logs", name], capture_output=True, text=True, check=True).stdout
    assert "child got TERM\ncheckpointed" in said


@pytest.mark.parametrize("signal", ["USR1", "USR2", "HUP", "INT", "QUIT"])
def test_other_signals_are_forwarded_too(started: Callable[..., str], client: str, signal: str) -> None:
    """Whatever can be caught reaches the script."""
    program = f"import signal, sys, time; signal.signal(signal.SIG{signal}, lambda *a: sys.exit(9)); print('ready', flush=True); time.sleep(60)"  # noqa: E501 - a program, line by line
    name = started(program)
    subprocess.run([client, "kill", "-s", signal, name], check=True, capture_output=True)
    assert wait(client, name) == 9


def test_orphans_are_reaped(started: Callable[..., str], client: str) -> None:
    """A process whose parent has gone does not stay a zombie under PID 1."""
    program = (
        "import os, time\n"
        "for _ in range(20):\n    if os.fork() == 0:\n        if os.fork() == 0: time.sleep(0.2); os._exit(0)\n        os._exit(0)\n    os.wait()\n"  # noqa: E501 - a program, line by line
        "deadline = time.monotonic() + 20\n"
        "def zombies(): return [p for p in os.listdir('/proc') if p.isdigit() and ' Z ' in open(f'/proc/{p}/stat').read()]\n"
        "time.sleep(0.5)\nwhile zombies() and time.monotonic() < deadline: time.sleep(0.05)\n"
        "print('ready', len(zombies()), flush=True)\n"
    )
    name = started(program)
    assert "ready 0" in subprocess.run([client, "logs", name], capture_output=True, text=True, check=True).stdout


def test_hyperparameters_have_every_shape(start: Start, tmp_path: Path) -> None:
    """Flags, both spellings of SM_HP_*, SM_HPS, the typed file: one set of values with their types."""
    values = {
        "learning-rate": 0.1,
        "name": 'it\'s $HOME "quoted"\nline',
        "layers": [1, 2],
        "flag": True,
        "code": '"5"',
        "é": "ü",
    }
    strings = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    program = (
        "import json, os, sys; print(json.dumps([sys.argv[1:], json.load(open(os.environ['LYFTLEARN_HYPERPARAMETERS'])),"
        " {k: v for k, v in os.environ.items() if k.startswith('SM_HP')}]))"
    )
    (tmp_path / "hyperparameters.json").write_text(json.dumps(strings))
    (tmp_path / "t.py").write_text(program)
    mounts = (
        "-v",
        f"{tmp_path}:/opt/ml/input/config",
        "-v",
        f"{tmp_path}/t.py:/opt/ml/code/t.py",
        "-e",
        "LYFTLEARN_PROGRAM=t.py",
    )
    done = start("train", options=mounts)
    assert done.returncode == 0, done.stderr
    argv, typed, variables = json.loads(done.stdout)
    expected = {**values, "code": "5"}
    assert typed == expected
    assert json.loads(variables["SM_HPS"]) == expected
    assert variables["SM_HP_LEARNING-RATE"] == variables["SM_HP_LEARNING_RATE"] == "0.1"
    assert variables["SM_HP_NAME"] == values["name"]
    assert variables["SM_HP_LAYERS"] == "[1,2]"
    assert argv[argv.index("--learning-rate") + 1] == "0.1"
    assert argv[argv.index("--name") + 1] == values["name"]
    assert argv[argv.index("--flag") + 1] == "True"


def test_a_variable_of_the_workload_is_never_overwritten(start: Start) -> None:
    """What somebody set stays, also where the shim has a value of its own."""
    options = ("-e", "OMP_NUM_THREADS=7", "-e", "SM_MODEL_DIR=/mine", "-e", "STATSD_HOST=gateway", "-e", "USER=me")
    done = start("sh", "-c", 'echo "$OMP_NUM_THREADS $SM_MODEL_DIR $STATSD_HOST $USER"', options=options)
    assert done.stdout == "7 /mine gateway me\n"


def test_threads_and_cpus_follow_the_cgroup(start: Start) -> None:
    """Numerical libraries would take the node's cores."""
    done = start("sh", "-c", 'echo "$OMP_NUM_THREADS $SM_NUM_CPUS"', options=("--cpus", "1"))
    assert done.stdout == "1 1\n"


def test_a_failure_leaves_its_reason(start: Start) -> None:
    """The end of stderr is in the failure file, cut to what SageMaker shows; the script's own stderr is complete."""
    check = "import subprocess; p = subprocess.run(['/opt/lyftlearn/bin/entrypoint', 'python', '-c', PROGRAM]); "
    program = "import sys; sys.stderr.write('x' * 5000); sys.exit('the data is bad')"
    check = (
        check.replace("PROGRAM", repr(program))
        + "t = open('/opt/ml/output/failure').read(); print(p.returncode, len(t), t[-15:])"
    )
    done = start("python", "-c", check)
    assert done.stdout == "1 1024 the data is bad\n"
    assert done.stderr == "x" * 5000 + "the data is bad\n"


def test_a_failure_file_of_the_script_is_kept(start: Start) -> None:
    """What the script says of its failure is better than what the shim can say."""
    inner = "echo mine > /opt/ml/output/failure; exit 3"
    done = start("sh", "-c", f"/opt/lyftlearn/bin/entrypoint sh -c '{inner}'; cat /opt/ml/output/failure")
    assert done.stdout == "mine\n"


def test_output_is_not_touched(start: Start) -> None:
    """Every byte of stdout and stderr arrives, in order."""
    program = "import os\nfor i in range(2000): os.write(1, b'%d\\n' % i); os.write(2, b'%d\\n' % i)"
    done = start("python", "-c", program)
    assert done.stdout == done.stderr == "".join(f"{number}\n" for number in range(2000))


def test_a_bundle_that_is_not_the_one_that_was_launched_stops_the_start(start: Start) -> None:
    """The digest is checked before a byte of the bundle is used."""
    done = start("true", options=("-e", "LYFTLEARN_BUNDLE=/etc/hostname#sha256=" + "0" * 64))
    assert done.returncode == 78
    assert "is not the one that was launched" in done.stderr


def test_no_credentials_is_told_without_a_value(start: Start) -> None:
    """A reference that cannot be resolved stops the start, names itself, and has the code of its kind."""
    done = start("true", options=("-e", "PASSWORD=aws-sm://prod/db#password"))
    assert done.returncode == 77
    assert "no AWS credentials" in done.stderr


def test_packages_of_a_team_cannot_break_the_shim(start: Start) -> None:
    """A json.py or a .pth file of a team is not run by the shim: it starts isolated, without site."""
    setup = (
        "for d in ('/opt/ml/code', '/opt/venv/lib/python3.11/site-packages'):\n"
        "  open(d + '/json.py','w').write('raise SystemExit(99)')\n"
        "open('/opt/venv/lib/python3.11/site-packages/evil.pth','w').write('import os; os._exit(98)')\n"
        "import os; os.environ['PYTHONPATH']='/opt/ml/code'; os.execv('/opt/lyftlearn/bin/entrypoint', ['entrypoint', 'echo', 'fine'])"  # noqa: E501 - a program, line by line
    )
    done = start("/usr/bin/python3", "-c", setup)
    assert (done.returncode, done.stdout) == (0, "fine\n")
