"""Faults that a start survives or refuses cleanly; each is real. The table says where the others of them are tested."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.docker.network import Network
    from tests.runtime.conftest import Files, Shim

    Options = Callable[[dict[str, str]], tuple[str, ...]]

HERE = Path(__file__).parent
TABLE = {
    "a source that is down": "aws/test_retries.py::test_nobody_listening_ends_at_the_deadline",
    "a slow source, or an answer that never ends": "aws/test_retries.py::test_no_server_holds_a_start_beyond_its_deadline",
    "throttling of 300 containers": "aws/test_retries.py::test_three_hundred_containers_that_start_together_all_start",
    "a certificate of another name": "aws/test_connection.py::test_certificates_are_always_verified",
    "an expired token": "aws/test_credentials.py::test_an_expired_token_is_replaced_once",
    "a clock that is wrong": "aws/test_retries.py::test_a_clock_that_is_wrong_is_made_right_by_the_services_own",
    "500 then good, half a body": "aws/test_retries.py::test_what_a_moment_heals_is_tried_again",
    "malformed JSON, access denied": "aws/test_retries.py::test_a_refusal_is_told_at_once",
    "a missing key": "test_resolver.py::test_a_reference_that_fails_names_itself_and_shows_no_value",
    "a host without an address": "aws/test_retries.py::test_an_unknown_host_is_told",
    "a full disk": "test_start.py::test_a_full_disk_is_told_as_such",
    "a read-only root, an unknown UID": "test_start.py::test_every_user_has_a_name_and_a_home_to_write_to",
    "a NUL, a name with =": "test_hyperparameters.py::test_a_variable_of_the_workload_that_cannot_be_one_stops_the_start",
    "hyperparameters that are no UTF-8": "test_hyperparameters.py::test_a_malformed_file_names_itself",
    "missing config files": "test_hyperparameters.py::test_a_missing_file_is_an_empty_set",
    "SIGTERM during a fetch": "test_supervise.py::test_term_before_the_script_begins_ends_the_container",
    "a grandchild that ignores TERM": "test_supervise.py::test_the_container_ends_when_a_grandchild_ignores_term",
    "hundreds of orphans": "test_supervise.py::test_pid_1_reaps_orphans",
    "a broken connection in the middle of data": "test_transfer.py::test_a_connection_that_breaks_costs_a_try",
}
SECRET = "planted-line-one\nüñí \"quoted\" $(id) `id` ${HOME} 'x' \\n\ttab-0987654321"


@pytest.mark.parametrize("test", TABLE.values(), ids=TABLE.keys())
def test_the_table_names_tests_that_are_there(test: str) -> None:
    """A fault is not forgotten when its test is renamed."""
    file, _, name = test.partition("::")
    assert re.search(rf"^def {name}\(", (HERE / file).read_text(), re.MULTILINE)


def test_a_secret_of_any_characters_arrives_as_it_is(
    shim: Shim, files: Files, aws: AwsEndpoint, network: Network, variables_of: Options
) -> None:
    """Newlines, quotes, dollars and unicode, in a variable and in a file; no shell ever sees it."""
    aws.put_secrets({"odd": SECRET})
    options = (
        *files.bundle(files=[{"path": "/etc/keys/odd", "secret": "aws-sm://odd"}]),
        *variables_of({**aws.environment(), "ODD": "aws-sm://odd"}),
        *("--network", network.name),
    )
    done = shim.python("import os, json; print(json.dumps([os.environ['ODD'], open('/etc/keys/odd').read()]))", *options)
    assert json.loads(done.stdout) == [SECRET, SECRET], done.stderr


def test_megabytes_of_variables_are_refused_with_what_to_do(shim: Shim, files: Files) -> None:
    """More than the kernel takes stops the start before the script, and says by how much; a single one is named."""
    many = {f"V{number}": "x" * 100_000 for number in range(100)}
    done = shim.run("true", options=files.bundle(environment=many))
    assert done.returncode == 78
    assert re.search(
        r"the variables and arguments of the workload are \d+ bytes more than Linux takes; pass some as files", done.stderr
    )
    done = shim.run("true", options=files.bundle(environment={"HUGE": "x" * 200_000}))
    assert (done.returncode, "'HUGE' cannot be a variable" in done.stderr) == (78, True)


def test_a_container_without_tmp_and_home_starts(shim: Shim) -> None:
    """A read-only root on which nothing but /dev/shm can be written: there is no HOME to give, and the script runs."""
    program = "import os; print(os.environ.get('USER'), os.path.exists('/tmp/x'))"
    entry = ("--read-only", "--user", "4242:0", "-e", "HOME=")
    done = shim.python(program, *entry)
    assert done.stdout == "lyftlearn-4242 False\n", done.stderr
    gone = "import os, shutil, subprocess, sys; shutil.rmtree('/tmp'); os.environ.pop('HOME'); sys.stdout.flush()\n"
    again = "subprocess.run(['/opt/lyftlearn/bin/lyftlearn-exec', 'sh', '-c', 'echo $HOME'], check=True)"
    done = shim.python(gone + again)
    assert (done.returncode, done.stdout.strip()) == (0, "/root"), done.stderr


def test_a_script_whose_output_nobody_reads_ends_as_it_would_alone(shim: Shim) -> None:
    """A closed stdout is the script's own affair; the shim neither hangs nor hides its status."""
    program = (
        "import os, subprocess\n"
        "child = subprocess.Popen(['/opt/lyftlearn/bin/entrypoint', 'sh', '-c', 'yes; exit 3'],"
        " stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, 'LYFTLEARN_CONTEXT': 'kubernetes'})\n"
        "child.stdout.read(10); child.stdout.close()\n"
        "print(child.wait(20))\n"
    )
    assert shim.python(program).stdout == "3\n"


def test_two_starts_at_once_leave_whole_files(shim: Shim, files: Files) -> None:
    """Two shims in one container write the same files: both scripts see all of them, whole, and nothing is left over."""
    text = "x" * 300_000
    options = files.bundle(files=[{"path": f"/etc/app/{number}.conf", "content": text} for number in range(5)])
    program = (
        "import os, shutil, subprocess\n"
        "raw = next(one for one in open('/proc/1/environ').read().split('\\0') if one.startswith('LYFTLEARN_BUNDLE='))\n"
        "environ = {**os.environ, 'LYFTLEARN_BUNDLE': raw.split('=', 1)[1], 'LYFTLEARN_CONTEXT': 'kubernetes'}\n"
        "check = 'import glob; print(sorted(len(open(f).read()) for f in glob.glob(\"/etc/app/*.conf\")))'\n"
        "seen = set()\n"
        "for turn in range(10):\n"
        "    shutil.rmtree('/etc/app')\n"
        "    both = [subprocess.Popen(['/opt/lyftlearn/bin/entrypoint', 'python3', '-c', check], env=environ,"
        " stdout=subprocess.PIPE, text=True) for _ in range(2)]\n"
        "    seen |= {(one.communicate()[0], one.returncode) for one in both}\n"
        "    left = {n for n in os.listdir('/etc/app') if not n.startswith('..2')} - {'..data'}\n"
        "    assert left == {f'{n}.conf' for n in range(5)}, left\n"
        "print(seen)\n"
    )
    done = shim.python(program, *options)
    assert done.stdout == f"{{('[{', '.join(['300000'] * 5)}]\\n', 0)}}\n", done.stderr


class Held(ThreadingHTTPServer):
    """Stands before the endpoint, and keeps what it is told to keep waiting until it is released."""

    daemon_threads = True

    def __init__(self, host: str, to: str) -> None:
        self.asked = threading.Event()
        self.released = threading.Event()
        self.methods: tuple[str, ...] = ()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.command in server.methods and not server.released.is_set():
                    server.asked.set()
                    server.released.wait(60)
                    return
                server.carry(self, body, to)

            do_GET = do_POST = do_PUT = answer  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                """Nothing."""

        super().__init__((host, 0), Handler)

    @staticmethod
    def carry(handler: BaseHTTPRequestHandler, body: bytes, to: str) -> None:
        """Hands a request on, and its answer back."""
        import http.client

        connection = http.client.HTTPConnection(to.partition("://")[2])
        connection.request(handler.command, handler.path, body, dict(handler.headers))
        reply = connection.getresponse()
        content = reply.read()
        handler.send_response(reply.status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)
        connection.close()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"


@pytest.fixture
def held(aws: AwsEndpoint, network: Network) -> Iterator[Held]:
    """A server before the endpoint; nobody waits for it at the end."""
    with Held(network.gateway, aws.url) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.released.set()
        server.shutdown()


@pytest.mark.parametrize(
    ("phase", "methods"),
    [("fetch", ("POST",)), ("run", ()), ("upload", ("PUT",))],
)
def test_a_container_that_is_killed_in_any_phase_starts_again_as_new(  # noqa: PLR0913, PLR0917 - fixtures
    shim: Shim, files: Files, aws: AwsEndpoint, held: Held, network: Network, variables_of: Options, bucket_prefix: str,
    phase: str, methods: tuple[str, ...],
) -> None:  # fmt: skip
    """SIGKILL while secrets are fetched, while the script runs, while its model goes up: nothing half is seen, nothing lost."""
    aws.put_secrets({"killed/key": "the-secret-value"})
    held.methods = methods
    script = (
        "import os, pathlib, time\n"
        "print(open('/etc/keys/key').read(), flush=True)\n"
        "mark = pathlib.Path('/var/tmp/begun')\n"
        "first = not mark.exists(); mark.write_text('x')\n"
        f"if first and {phase == 'run'}: time.sleep(60)\n"
        "os.makedirs('/opt/ml/model', exist_ok=True); open('/opt/ml/model/m', 'w').write('model')\n"
    )
    options = (
        *files.bundle(
            job={"name": "job", "kind": "training", "instance_type": "ml.m5.large"},
            files=[{"path": "/etc/keys/key", "secret": "aws-sm://killed/key"}],
            uploads=[{"path": "/opt/ml/model", "uri": f"{bucket_prefix}/model.tar.gz"}],
        ),
        *variables_of({**aws.environment(), "AWS_ENDPOINT_URL": held.url, "LYFTLEARN_CONTEXT": "kubernetes"}),
        *("--network", network.name),
    )
    name = shim.start("python3", "-c", script, options=options, until="the-secret-value" if phase == "run" else "")
    if methods:
        assert held.asked.wait(30)
    shim.signal(name, "KILL")
    assert shim.wait(name) == 137
    prefix = bucket_prefix.removeprefix("s3://bucket/")
    assert aws.s3().list_objects_v2(Bucket="bucket", Prefix=prefix)["KeyCount"] == 0
    held.released.set()
    subprocess.run([shim.client, "start", name], check=True, capture_output=True)
    assert shim.wait(name) == 0, shim.logs(name)
    assert aws.s3().list_objects_v2(Bucket="bucket", Prefix=prefix)["KeyCount"] == 1


def test_a_renewal_that_fails_leaves_what_was_there(  # noqa: PLR0913, PLR0917 - fixtures
    shim: Shim, files: Files, aws: AwsEndpoint, held: Held, network: Network, variables_of: Options
) -> None:
    """The source goes away while the script runs: the file stays, a line says so, and the job ends as it would."""
    aws.put_secrets({"stays/key": "first-value"})
    options = (
        *files.bundle(files=[{"path": "/etc/keys/key", "secret": "aws-sm://stays/key"}]),
        *variables_of({**aws.environment(), "AWS_ENDPOINT_URL": held.url}),
        *variables_of({"LYFTLEARN_REFRESH": "1", "LYFTLEARN_FETCH_TIMEOUT": "5"}),
        *("--network", network.name),
    )
    script = (
        "import os, time\nprint('ready', flush=True)\n"
        "while not os.path.exists('/var/tmp/end'): time.sleep(0.05)\n"
        "print(open('/etc/keys/key').read())\n"
    )
    name = shim.start("python3", "-c", script, options=options)
    held.methods = ("POST",)
    deadline = time.monotonic() + 120
    while "secrets are not renewed" not in shim.logs(name):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    shim.inside(name, "touch", "/var/tmp/end")
    assert shim.wait(name) == 0
    assert "first-value" in shim.logs(name)
