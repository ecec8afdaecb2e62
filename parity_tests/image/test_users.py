"""The image as each kind of user meets it: root on SageMaker, 1000:100 in Studio, any UID of group 0 in a pod."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from parity_tests.image.conftest import Started, User

    Start = Callable[[User], AbstractContextManager[Started]]

SITE = "/opt/venv/lib/python3.11/site-packages"
ML_DIRECTORIES = ("input/config", "input/data", "model", "output/data", "checkpoints", "code", "processing", "config")
WHEEL = "/tmp/planted-1.0-py3-none-any.whl"  # noqa: S108 - in the container
# A wheel of one module, made where it is installed: the image has no index to ask.
MAKE_WHEEL = f"""
import sys, zipfile
with zipfile.ZipFile("{WHEEL}", "w") as wheel:
    wheel.writestr("planted.py", "ANSWER = 42\\n")
    wheel.writestr("planted-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: planted\\nVersion: 1.0\\n")
    wheel.writestr("planted-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr("planted-1.0.dist-info/RECORD", "")
"""
# On a loaded machine a thread that spins takes the time of the thread that it waits for.
NO_SPINNING = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_THREAD_TIMEOUT": "4"}


def test_the_script_runs_as_the_user_that_was_asked_for(started: Started) -> None:
    """The shim changes nobody's identity."""
    assert started.seen["uid"] == started.user.uid
    assert started.user.gid in started.seen["groups"]


def test_pid_1_is_the_shim(started: Started) -> None:
    """Signals and orphans come to PID 1; the script is its child."""
    command = started.host.file("/proc/1/cmdline").content_string.split("\0")
    assert "/opt/lyftlearn/bin/entrypoint" in command
    assert started.seen["parent"] == 1


def test_home_can_be_written(started: Started) -> None:
    """Caches, settings and downloads go below HOME, whoever runs the script."""
    home = started.seen["home"]
    assert home == started.seen["variables"]["HOME"]
    started.host.check_output("mkdir -p %s && touch %s", f"{home}/.cache/team", f"{home}/.cache/team/features")


def test_the_user_has_a_name(started: Started) -> None:
    """Whoever asks finds the same one, though /etc/passwd cannot know an arbitrary UID."""
    assert started.seen["user"]
    assert started.host.check_output("id -un") == started.seen["user"]
    program = "import pwd, os; print(pwd.getpwuid(os.getuid()).pw_dir)"
    assert started.host.check_output("python -c %s", program)
    assert started.seen["variables"]["USER"] == started.seen["variables"]["LOGNAME"] == started.seen["user"]


def test_python_is_the_venvs(started: Started) -> None:
    """`python` on PATH is the interpreter that has the packages."""
    assert started.seen["executable"] == "/opt/venv/bin/python"
    assert started.seen["variables"]["PATH"].split(":")[:2] == ["/opt/venv/bin", "/opt/lyftlearn/bin"]
    assert started.seen["cwd"] == "/opt/ml/code"


@pytest.mark.parametrize(
    "module", ["numpy", "pandas", "scipy", "sklearn", "pyarrow.parquet", "lightgbm", "joblib", "statsd", "boto3"]
)
def test_the_package_is_importable(started: Started, module: str) -> None:
    """Every package of the class imports as every user, without a warning."""
    done = started.host.run("python -W error::UserWarning -W error::RuntimeWarning -c %s", f"import {module}")
    assert (done.rc, done.stderr) == (0, "")


def test_the_packages_work_together(started: Started) -> None:
    """A model is trained, a table goes through Parquet, a booster predicts: pruning the image broke none of it."""
    program = """
import io, lightgbm, numpy, pandas, scipy.optimize
from sklearn.linear_model import LogisticRegression
X = numpy.arange(400.0).reshape(200, 2) % 7; y = (X[:, 0] > 3).astype(int)
assert LogisticRegression().fit(X, y).score(X, y) == 1.0
buffer = io.BytesIO(); pandas.DataFrame(X, columns=["a", "b"]).to_parquet(buffer); buffer.seek(0)
assert pandas.read_parquet(buffer).to_numpy().sum() == X.sum()
booster = lightgbm.train({"objective": "binary", "verbosity": -1}, lightgbm.Dataset(X, y), 5)
assert ((booster.predict(X) > 0.5) == y).all()
assert abs(scipy.optimize.brentq(lambda x: x * x - 2, 0, 2) - 2 ** 0.5) < 1e-9
"""
    variables = " ".join(f"{name}={value}" for name, value in NO_SPINNING.items())
    done = started.host.run(f"{variables} python -c %s", program)
    assert (done.rc, done.stderr) == (0, "")


@pytest.mark.parametrize("directory", ML_DIRECTORIES)
def test_the_opt_ml_tree_is_there(started: Started, directory: str) -> None:
    """Both platforms' directories exist, and root and group 0 can write them; in Studio /opt/ml is the service's."""
    path = f"/opt/ml/{directory}"
    assert started.host.file(path).is_directory
    writable = started.host.run("test -w %s", path).rc == 0
    assert writable == started.user.in_group_0


def test_a_package_can_be_installed(start: Start, user: User) -> None:
    """Installing works for every user: group 0 installs into the venv, Studio's user into a directory of its own."""
    with start(user) as started:
        home = started.seen["home"]
        target = SITE if user.in_group_0 else f"{home}/packages"
        started.host.check_output("python -c %s", MAKE_WHEEL)
        started.host.check_output("HOME=%s python -m pip install -q --no-index --target %s %s", home, target, WHEEL)
        place = started.host.check_output("PYTHONPATH=%s python -c %s", target, "import planted; print(planted.__file__)")
        assert place == f"{target}/planted.py"


def test_the_user_cannot_change_the_shim(started: Started) -> None:
    """What starts the script is not the script's to change; root alone could."""
    if started.user.uid == 0:
        assert started.host.run("test -w /opt/lyftlearn/bin/entrypoint").rc == 0
        return
    assert started.host.run("find /opt/lyftlearn -writable").stdout == ""


def test_a_teams_packages_cannot_break_the_start(start: Start, user: User) -> None:
    """Broken modules with the names of the standard library, in the venv or on PYTHONPATH, do not reach the shim."""
    with start(user) as started:
        place = SITE if user.in_group_0 else started.seen["home"]
        for name in ("json.py", "os.py", "signal.py", "sitecustomize.py", "usercustomize.py"):
            started.host.check_output("printf 'raise SystemExit(99)' > %s", f"{place}/{name}")
        assert started.host.run("PYTHONPATH=%s python -c pass", place).rc != 0
        done = started.host.run("PYTHONPATH=%s PYTHONHOME=/nowhere /opt/lyftlearn/bin/entrypoint /bin/echo started", place)
        assert (done.rc, done.stdout) == (0, "started\n"), done.stderr


RESTRICTED: dict[str, Any] = {
    "read_only": True,
    "tmpfs": {"/tmp": "rw,nosuid,nodev,size=64m"},  # noqa: S108 - the one place that may be written
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
}


def test_it_works_with_a_read_only_root(run_once: Callable[..., tuple[int, str, str]], user: User) -> None:
    """Restricted as a pod is, with /tmp alone to write: HOME still is writable, the user has a name, and a model trains."""
    program = """
import getpass, json, os, pathlib, pwd, tempfile, joblib
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
X, y = make_classification(random_state=0)
home = pathlib.Path.home(); (home / "settings").write_text("x")
joblib.dump(LogisticRegression().fit(X, y), pathlib.Path(tempfile.mkdtemp(), "model"))
print(json.dumps([getpass.getuser() == pwd.getpwuid(os.getuid()).pw_name, str(home)]))
"""
    status, stdout, stderr = run_once("python", "-c", program, user=str(user), environment=NO_SPINNING, **RESTRICTED)
    assert status == 0, stderr
    has_name, home = json.loads(stdout)
    assert has_name
    assert home.startswith("/tmp/")  # noqa: S108


def test_arguments_reach_the_script_as_they_are(run_once: Callable[..., tuple[int, str, str]], user: User) -> None:
    """No shell stands between the orchestrator and the script: quotes, spaces, newlines, dollars and unicode stay."""
    arguments = ["", "two words", "a\nb", "$HOME `id` \"quoted\" 'single' \\", "naïve 疾病 🩺", "-", "--", "*"]
    program = "import base64, json, sys; print(base64.b64encode(json.dumps(sys.argv[1:]).encode()).decode())"
    status, stdout, stderr = run_once("python", "-c", program, *arguments, user=str(user))
    assert status == 0, stderr
    assert json.loads(base64.b64decode(stdout)) == arguments


@pytest.mark.parametrize("status", [0, 1, 3, 77, 137, 255])
def test_the_exit_status_is_the_scripts(run_once: Callable[..., tuple[int, str, str]], status: int) -> None:
    """What the script says at its end is what the orchestrator gets."""
    assert run_once("sh", "-c", f"exit {status}")[0] == status


def test_nothing_to_run_is_told_with_the_ways_to_say_it(run_once: Callable[..., tuple[int, str, str]], user: User) -> None:
    """No command and no program: one clear error, status 64, no traceback."""
    status, stdout, stderr = run_once(user=str(user))
    assert (status, stdout) == (64, "")
    assert "LYFTLEARN_PROGRAM" in stderr
    assert "Traceback" not in stderr


def test_sigterm_reaches_the_script(start: Start, user: User) -> None:
    """A stop is the script's to handle, as every user; its own status comes back."""
    with start(user) as started:
        started.container.stop(timeout=60)
        assert started.container.wait(timeout=120)["StatusCode"] == 0
