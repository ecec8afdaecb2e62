"""What a script finds, end to end: sets of variables, files that change together, renewals, and explanations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.docker.network import Network
    from tests.runtime.conftest import Files, Shim

    Options = Callable[[dict[str, str]], tuple[str, ...]]

PLANTED = "planted-9c1f77-secret"


@pytest.fixture
def connected(aws: AwsEndpoint, network: Network, variables_of: Options) -> tuple[str, ...]:
    """The options by which a container reaches the endpoint."""
    return (*variables_of(aws.environment()), "--network", network.name)


def test_a_set_becomes_variables_and_overwrites_none(
    shim: Shim, aws: AwsEndpoint, connected: tuple[str, ...], variables_of: Options
) -> None:
    """Names as they are spelt, with an underscore for what no shell takes; what is set stays; of two sets the later wins."""
    aws.put_secrets({"set/one": '{"user": "a", "pass-word": "b", "both": "1"}', "set/two": '{"both": "2", "given": "no"}'})
    variables = {"LYFTLEARN_ENV_FROM": "aws-sm://set/one aws-sm://set/two", "given": "yes"}
    program = "import os; e = os.environ; print(e['user'], e['pass_word'], e['both'], e['given'], 'LYFTLEARN_ENV_FROM' in e)"
    done = shim.python(program, *connected, *variables_of(variables))
    assert done.stdout == "a b 2 yes False\n", done.stderr
    assert "AWS identity: environment variables, access key AKIA" in done.stderr


def test_two_keys_that_are_one_variable_are_told(
    shim: Shim, aws: AwsEndpoint, connected: tuple[str, ...], variables_of: Options
) -> None:
    """Both by name, and none by value; the key that is spelt as the variable is the one that stays."""
    aws.put_secrets({"set/lost": json.dumps({"a_b": "planted-kept", "a-b": "planted-lost", "a.b": "planted-also", "c": "x"})})
    options = (*connected, *variables_of({"LYFTLEARN_ENV_FROM": "aws-sm://set/lost"}))
    done = shim.run("sh", "-c", "echo $a_b $c", options=options)
    assert (done.returncode, done.stdout) == (0, "planted-kept x\n"), done.stderr
    assert "aws-sm://set/lost: 'a-b' and 'a.b' would be the variable a_b, as 'a_b' is" in done.stderr
    assert "planted" not in done.stderr


def test_an_ambiguous_reference_is_resolved_where_it_is_named(
    shim: Shim, aws: AwsEndpoint, connected: tuple[str, ...], variables_of: Options
) -> None:
    """The same text is data in one variable, and a reference in another one."""
    aws.s3().put_object(Bucket="bucket", Key="word", Body=b"content")
    variables = {"DATA": "s3://bucket/word", "WORD": "s3://bucket/word", "LYFTLEARN_REFERENCES": "WORD"}
    done = shim.python("import os; print(os.environ['DATA'], os.environ['WORD'])", *connected, *variables_of(variables))
    assert done.stdout == "s3://bucket/word content\n", done.stderr


LOOK = (
    "import os, stat\n"
    "d = '/etc/app'\n"
    "print(sorted(n for n in os.listdir(d) if not n.startswith('..2')))\n"
    "print(os.readlink(d + '/one.conf'), os.readlink(d + '/..data').startswith('..2'))\n"
    "print([(open(d + '/' + n).read(), oct(stat.S_IMODE(os.stat(d + '/' + n).st_mode))) for n in ('one.conf', 'two.conf')])\n"
)


def test_files_lie_as_in_a_projected_volume(shim: Shim, files: Files) -> None:
    """Links into a directory with a timestamp, as a ConfigMap is mounted; a restart leaves the same."""
    given = [
        {"path": "/etc/app/one.conf", "content": "1"},
        {"path": "/etc/app/two.conf", "content": "2", "mode": "0640", "owner": "1000:100"},
    ]
    options = files.bundle(files=given)
    again = (
        "import os, subprocess\n"
        "bundle = next(one for one in open('/proc/1/environ').read().split('\\0') if one.startswith('LYFTLEARN_BUNDLE='))\n"
        "exact = dict([bundle.split('=', 1)], PATH=os.environ['PATH'])\n"
        "before = os.readlink('/etc/app/..data')\n"
        "subprocess.run(['/opt/lyftlearn/bin/lyftlearn-exec', 'true'], check=True, env=exact)\n"
        "assert os.readlink('/etc/app/..data') == before\n"
    )
    done = shim.python(again + LOOK + "print(os.stat('/etc/app/two.conf').st_uid)", *options)
    assert done.stdout.splitlines() == [
        "['..data', 'one.conf', 'two.conf']",
        "..data/one.conf True",
        "[('1', '0o644'), ('2', '0o640')]",
        "1000",
    ], done.stderr


def test_files_beside_others_are_put_one_by_one(shim: Shim, files: Files) -> None:
    """A directory of the image keeps its look."""
    options = files.bundle(files=[{"path": "/etc/own.conf", "content": "mine"}])
    program = "import os; print(open('/etc/own.conf').read(), os.path.islink('/etc/own.conf'), os.path.exists('/etc/..data'))"
    assert shim.python(program, *options).stdout == "mine False False\n"


def test_a_secret_file_is_in_memory_wherever_its_path_is(
    shim: Shim, files: Files, aws: AwsEndpoint, connected: tuple[str, ...]
) -> None:
    """Its path is on the container's disk, and its bytes are not."""
    aws.put_secrets({"file/key": PLANTED})
    options = (*files.bundle(files=[{"path": "/etc/keys/key", "secret": "aws-sm://file/key"}]), *connected)
    program = (
        "import os; path = os.path.realpath('/etc/keys/key')\n"
        "print(open(path).read(), path.startswith('/dev/shm/lyftlearn/files/'), oct(os.stat(path).st_mode & 0o777))\n"
    )
    done = shim.python(program, *options)
    assert done.stdout == f"{PLANTED} True 0o400\n", done.stderr


RENEWED = (
    "import signal, sys, time\n"
    "signal.signal(signal.SIGHUP, lambda *_: (print('told', open('/etc/keys/key').read(), flush=True), sys.exit(0)))\n"
    "print(open('/etc/keys/key').read(), 'ready', flush=True)\n"
    "while True: time.sleep(60)\n"
)


def test_secrets_are_renewed_and_the_script_is_told(
    shim: Shim, files: Files, aws: AwsEndpoint, connected: tuple[str, ...]
) -> None:
    """In place, within the asked time, by the signal of its choice; what a source cannot give any more stays as it was."""
    aws.put_secrets({"renew/key": "before-0001"})
    bundle = files.bundle(files=[{"path": "/etc/keys/key", "secret": "aws-sm://renew/key"}])
    wish = ("-e", "LYFTLEARN_REFRESH=1:HUP", "-e", "LYFTLEARN_FETCH_TIMEOUT=5")
    name = shim.start("python3", "-c", RENEWED, options=(*bundle, *connected, *wish))
    aws.put_secrets({"renew/key": "after-00002"})
    assert shim.wait(name) == 0
    said = shim.logs(name)
    assert "told after-00002" in said
    assert "lyftlearn: renewed: /etc/keys/key; the script was sent SIGHUP" in said


@pytest.mark.parametrize("value", ["soon", "0", "300:NOSUCH", "300:"])
def test_a_wrong_wish_for_renewals_is_told(shim: Shim, value: str) -> None:
    """`300:` has no signal, and means nobody is told; the others stop the start."""
    done = shim.run("true", options=("-e", f"LYFTLEARN_REFRESH={value}"))
    if value == "300:":
        assert done.returncode == 0
    else:
        assert (done.returncode, "expected seconds" in done.stderr) == (78, True)


def test_a_start_inside_a_container_needs_no_supervisor(shim: Shim) -> None:
    """Where nothing is left to do afterwards, the script takes the shim's place, with default dispositions of signals."""
    program = (
        "import os, subprocess\n"
        "child = subprocess.Popen(['/opt/lyftlearn/bin/lyftlearn-exec', 'sh', '-c', "
        "'echo $$; grep SigIgn /proc/self/status; exit 7'], stdout=subprocess.PIPE, text=True)\n"
        "out = child.communicate()[0].split()\n"
        "print(int(out[0]) == child.pid, int(out[2], 16) & (1 << 12 | 1 << 24), child.returncode)\n"
    )
    assert shim.python(program).stdout == "True 0 7\n"
    reported = shim.python(program, "-e", "LYFTLEARN_CONTEXT=sagemaker-training").stdout
    assert reported == "False 0 7\n"


def explained(shim: Shim, *argv: str, options: tuple[str, ...]) -> tuple[int, str]:
    """The exit code and the output of an explanation."""
    entry = ("--entrypoint", "/opt/lyftlearn/bin/lyftlearn-runtime")
    done = shim.run("explain", *argv, options=(*entry, *options))
    return done.returncode, done.stdout


def test_an_explanation_tells_why_and_shows_no_secret(
    shim: Shim, files: Files, aws: AwsEndpoint, connected: tuple[str, ...], variables_of: Options
) -> None:
    """The context with its signals, each variable's origin, each source's time; nothing is written."""
    aws.put_secrets({"explain/db": json.dumps({"password": PLANTED})})
    options = (
        *files.bundle(environment={"BIG": "x"}, files=[{"path": "/etc/app/one.conf", "content": "1"}]),
        *variables_of({"PASSWORD": "aws-sm://explain/db#password", "LYFTLEARN_ENV_FROM": "aws-sm://explain/db", "OWN": "1"}),
        *connected,
    )
    code, out = explained(shim, "--json", "python3", "-c", PLANTED, options=options)
    assert (code, PLANTED in out) == (0, False)
    found = json.loads(out)
    assert found["context"] == {"name": "docker", "because": "no signal of a platform"}
    assert found["program"]["argv"] == ["python3", "-c", "[secret]"]
    assert {"context": "kubernetes", "signal": "KUBERNETES_SERVICE_HOST", "found": False} in found["signals"]
    origins = found["variables"]
    assert (origins["BIG"], origins["OWN"], origins["OMP_NUM_THREADS"]) == ("bundle", "given", "derived")
    assert origins["PASSWORD"] == "aws-sm://explain/db#password"
    assert origins["password"] == "aws-sm://explain/db (password)"
    assert list(found["sources"]) == ["aws-sm"]
    assert found["files"] == {"/etc/app/one.conf": "bundle"}
    assert (found["metrics"], found["supervised"], found["problem"]) == ("drop", True, None)
    code, text = explained(shim, "python3", "-c", PLANTED, options=options)
    assert (code, PLANTED in text) == (0, False)
    assert "context   docker, by no signal of a platform" in text
    assert "variable  PASSWORD  aws-sm://explain/db#password" in text


def test_an_explanation_of_what_cannot_start_says_so(shim: Shim) -> None:
    """With the exit code that the start would have."""
    code, out = explained(shim, "train", options=("-e", "TRAINING_JOB_NAME=job"))
    assert code == 64
    assert "`train` has no program" in out
    assert "+ TRAINING_JOB_NAME → sagemaker-training" in out
