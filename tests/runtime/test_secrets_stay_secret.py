"""Secrets reach the script and nothing else: logs, layers, metadata, other processes, reasons of failures, reports.

Everything is searched by one grep, and the first tests show that it finds what is planted openly in the same places.
Files with secrets are in /dev/shm, a tmpfs of the container: memory, gone with it, and part of no layer.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import yaml

from tests.runtime.secret_search import BYTES, Docker, forms_of, grep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.docker.network import Network

    Options = Callable[[dict[str, str]], tuple[str, ...]]
    Search = Callable[[bytes], list[bytes]]

VARIABLE = "planted-variable-1\nsecond line 8c21 \"quoted\" $(id) `id` ${HOME} 'x' \\n\tüñí/+?"
FILE = '-----BEGIN PLANTED-----\nMIIplantedfile/77aa+==\n$(cat /etc/passwd) "ключ"\n-----END PLANTED-----\n'
IN_SET = "planted in a set: 5b10 'a' \"b\" & <c>"
NESTED = "planted-nested-e90f"
SET = {"PASSWORD": IN_SET, "DATABASE": {"users": [{"key": NESTED}]}}
SECRETS = {"stay/variable": VARIABLE, "stay/file": FILE, "stay/set": json.dumps(SET)}
REFERENCES = {
    "ODD": "aws-sm://stay/variable",
    "PICKED": "aws-sm://stay/set#PASSWORD",
    "LYFTLEARN_ENV_FROM": "aws-sm://stay/set",
}
BUNDLE = {"version": 1, "files": [{"path": "/etc/keys/key", "secret": "aws-sm://stay/file?last-known-good"}]}
# Uses every secret and shows none of them; its digest proves that it had them.
USES = """
import hashlib, os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
values = [os.environ["ODD"], os.environ["PICKED"], os.environ["PASSWORD"], open("/etc/keys/key").read()]
print("ready", os.getpid(), hashlib.sha256("".join(values).encode()).hexdigest(), flush=True)
if sys.argv[1:] == ["wait"]:
    time.sleep(60)
"""
# Shows them in every way that there is, and fails.
SHOWS = """
import base64, json, os, sys, urllib.parse
nested = json.loads(os.environ["DATABASE"])["users"][0]["key"]
for value in (os.environ["ODD"], os.environ["PICKED"], nested, open("/etc/keys/key").read()):
    encoded = base64.b64encode(value.encode()).decode()
    print("seen:", value, repr(value), json.dumps(value), json.dumps(value, ensure_ascii=False), encoded, file=sys.stderr)
    for text in (value, encoded):
        print("in a URL:", urllib.parse.quote(text), urllib.parse.quote_plus(text), file=sys.stderr)
raise ValueError("cannot log in with " + os.environ["ODD"])
"""
# Every process of the container with its variables and arguments.
LOOKS = r"""
for directory in /proc/[0-9]*; do
  echo "== ${directory#/proc/}"; cat "$directory/environ" "$directory/cmdline" 2>/dev/null; echo
done
"""
FORMS = {form for secret in (*SECRETS.values(), IN_SET, NESTED) for form in forms_of(secret)}


@pytest.fixture(scope="module")
def patterns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all forms of all secrets, one on a line, outside of every container."""
    path = tmp_path_factory.mktemp("patterns") / "patterns"
    path.write_bytes(b"\n".join(sorted(FORMS)) + b"\n")
    return path


@pytest.fixture(scope="module")
def search(patterns: Path) -> Search:
    """Looks for every form of every secret; those that were found."""

    def look(data: bytes) -> list[bytes]:
        done = subprocess.run(grep(patterns), input=data, capture_output=True, check=False, env=BYTES)
        assert done.returncode in {0, 1}, done.stderr
        return done.stdout.splitlines()

    return look


@pytest.fixture(scope="module")
def docker(engine: None, patterns: Path) -> Iterator[Docker]:
    """The engine's client."""
    made = Docker(patterns)
    yield made
    made.clean()


@pytest.fixture(scope="module")
def given(aws: AwsEndpoint, network: Network, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The options that give a container every secret by reference: in variables, a set and a file."""
    aws.put_secrets(SECRETS)
    file = tmp_path_factory.mktemp("bundle") / "bundle.json"
    file.write_text(json.dumps(BUNDLE))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    bundle = {"LYFTLEARN_BUNDLE": f"/etc/lyftlearn/bundle.json#sha256={digest}"}
    variables = {**aws.environment(), **REFERENCES, **bundle}
    words = tuple(word for name, value in variables.items() for word in ("-e", f"{name}={value}"))
    return (*words, "-v", f"{file}:/etc/lyftlearn/bundle.json:ro", "--network", network.name)


@pytest.fixture(scope="module")
def running(docker: Docker, lyftlearn_image_tag: str, given: tuple[str, ...]) -> str:
    """A container of the built image whose script has used every secret, and still runs."""
    return docker.run(*given, lyftlearn_image_tag, "python", "-c", USES, "wait", until=b"ready")


@pytest.mark.parametrize("form", sorted(FORMS))
def test_every_form_is_found(search: Search, form: bytes) -> None:
    """The search can fail: each form is found, also in the middle of binary data."""
    assert search(b"\0\xff" + form + b"\xfe\n") != []


def test_nothing_is_found_where_nothing_is(search: Search) -> None:
    """No form is so short that it is everywhere."""
    assert search(Path(__file__).with_name("conftest.py").read_bytes()) == []


def test_what_is_planted_openly_is_found(docker: Docker, search: Search, probe_image: str) -> None:
    """In each of the places that the other tests search: logs, processes, metadata, a container's files, layers."""
    program = (
        "import os, time; open('/open', 'w').write(os.environ['OPEN']); print(os.environ['OPEN'], flush=True); time.sleep(60)"
    )
    options = ("-e", f"OPEN={VARIABLE}", "--entrypoint", "python3", probe_image, "-c", program)
    name = docker.run(*options, until=b"planted")
    assert search(docker("logs", name))
    assert search(docker("inspect", name))
    assert search(docker("exec", name, "sh", "-c", LOOKS))
    assert docker.search("export", name)
    image = docker.commit(name, "--message", quote(VARIABLE))
    assert search(docker("inspect", image))
    assert search(docker("history", "--no-trunc", "--format", "{{.Comment}}", image))
    assert docker.search("save", image)


def test_the_script_has_every_secret(docker: Docker, running: str) -> None:
    """Else the other tests would search for what never came."""
    digest = hashlib.sha256((VARIABLE + IN_SET + IN_SET + FILE).encode()).hexdigest()
    assert digest.encode() in docker("logs", running)


def test_no_other_process_has_a_secret(docker: Docker, search: Search, running: str) -> None:
    """Not in its variables and not in its arguments, the shim's included; the script's own process has them."""
    script = docker("logs", running).split()[1]
    processes = dict(one.split(b"\n", 1) for one in docker("exec", running, "sh", "-c", LOOKS).split(b"== ")[1:])
    assert b"1" in processes
    assert script != b"1"
    assert b"/opt/lyftlearn/bin/" in processes[b"1"], "PID 1 is not the shim"
    assert search(processes.pop(script))
    for number, said in processes.items():
        assert search(said) == [], f"process {number.decode()}"


def test_files_with_secrets_are_in_memory(docker: Docker, search: Search, running: str) -> None:
    """The file is there for the script, and its place is a tmpfs: no file of the container's own disk has a secret."""
    assert search(docker("exec", running, "cat", "/etc/keys/key"))
    place = docker("exec", running, "readlink", "-f", "/etc/keys/key").decode().strip()
    assert place.startswith("/dev/shm/")
    assert docker("exec", running, "stat", "-f", "-c", "%T", place).strip() == b"tmpfs"
    held = docker("exec", running, "grep", "-r", "-l", "-a", "-F", "MIIplantedfile", "/dev/shm").decode().split()
    assert len(held) == 2, "the file itself, and its last known value"
    modes = docker("exec", running, "stat", "-c", "%a", *held).split()
    assert modes == [b"400", b"400"]


def test_no_log_image_or_metadata_has_a_secret(docker: Docker, search: Search, running: str, lyftlearn_image_tag: str) -> None:
    """After a run: what the container said, `docker inspect`, its files, and the image with its history and layers."""
    docker("stop", running)
    assert docker("inspect", "-f", "{{.State.ExitCode}}", running).strip() == b"0"
    assert search(docker("logs", running)) == []
    assert search(docker("inspect", running)) == []
    assert docker.search("export", running) == []
    assert search(docker("inspect", lyftlearn_image_tag)) == []
    assert search(docker("history", "--no-trunc", lyftlearn_image_tag)) == []
    assert docker.search("save", lyftlearn_image_tag) == []
    assert b"/etc/keys" in docker("diff", running), "the link to the file is on the disk, the file is not"


def test_the_reason_of_a_failure_has_no_secret(
    docker: Docker, search: Search, given: tuple[str, ...], lyftlearn_image_tag: str, tmp_path: Path
) -> None:
    """Whatever a script prints before it fails, the failure file and the termination message are masked."""
    output, log = tmp_path / "output", tmp_path / "log"
    output.mkdir()
    log.touch()
    places = ("-v", f"{output}:/opt/ml/output", "-v", f"{log}:/dev/termination-log")
    name = docker.run(*given, *places, lyftlearn_image_tag, "python", "-c", SHOWS)
    assert search(docker("logs", name)), "the script has shown nothing"
    for file in (output / "failure", log):
        data = file.read_bytes()
        assert data.startswith(b"exit code 1\n")
        assert b"cannot log in with [secret]" in data
        assert search(data) == []


@pytest.mark.parametrize(
    ("options", "command", "told"),
    [
        pytest.param(("-e", "BAD=aws-sm://stay/set#NO"), ("true",), b"the secret has no such key", id="key"),
        pytest.param(("-e", "BAD=aws-sm://stay/variable#NO"), ("true",), b"not a JSON object", id="object"),
        pytest.param(("-e", "BAD=aws-sm://stay/nul"), ("true",), b"there is a NUL in it", id="NUL"),
        pytest.param(("-e", "BAD=aws-sm://stay/huge"), ("true",), b"Linux takes at most", id="huge"),
        pytest.param(("-e", "LYFTLEARN_PROGRAM=aws-sm://stay/variable"), ("train",), b"there is no program", id="program"),
        pytest.param(("-e", "LYFTLEARN_ARGUMENTS=aws-sm://stay/variable"), ("train",), b"has no program", id="train"),
        pytest.param(("-e", "PATH=aws-sm://stay/variable"), ("no-such",), b"cannot run no-such", id="PATH"),
        pytest.param(("--read-only",), ("true",), b"/etc/keys", id="read-only"),
        pytest.param(("-e", "LYFTLEARN_MEMORY_DIR=/opt"), ("true",), b"is not in memory", id="no memory"),
        pytest.param(("-e", "LYFTLEARN_OBSERVE=here"), ("true",), b"is not <absolute path>", id="observe"),
        pytest.param(("--entrypoint", "lyftlearn-runtime"), ("explain", "--json", "echo", VARIABLE), b'"ODD"', id="explain"),
    ],
)
def test_no_line_of_the_shim_has_a_secret(  # noqa: PLR0913, PLR0917 - a case
    docker: Docker,
    search: Search,
    aws: AwsEndpoint,
    given: tuple[str, ...],
    lyftlearn_image_tag: str,
    options: tuple[str, ...],
    command: tuple[str, ...],
    told: bytes,
) -> None:
    """However a start goes wrong once the secrets are here, its line names what and where, and shows no value."""
    aws.put_secrets({"stay/nul": f"{IN_SET}\0", "stay/huge": IN_SET * 10_000})
    name = docker.run(*given, *options, lyftlearn_image_tag, *command)
    said = docker("logs", name)
    assert told in said, said
    assert search(said) == []


def test_no_report_of_the_harness_has_a_secret(
    docker: Docker, search: Search, lyftlearn_image_tag: str, tmp_path: Path
) -> None:
    """Neither of a run that used them nor of one that printed them all: no file of the report directory, no line on screen."""
    build = tmp_path / "build"
    build.mkdir()
    (build / "Dockerfile").write_text(f"FROM {lyftlearn_image_tag}\nCOPY *.py /opt/ml/code/\n")
    (build / "uses.py").write_text(USES.replace('"ready", os.getpid(), ', ""))
    (build / "shows.py").write_text(SHOWS)
    workload = {
        "secrets": {name: REFERENCES[name] for name in ("ODD", "PICKED")},
        "secret_sets": ["aws-sm://stay/set"],
        "files": {"/etc/keys/key": {"secret": "aws-sm://stay/file"}},
    }
    suite = {
        "name": "secrets",
        "image": f"lyftlearn-test-secrets-{os.getpid()}:1",
        "build": str(build),
        "cases": [
            {"name": script, "workload": {"program": f"{script}.py", **workload}, "secret_values": SECRETS}
            for script in ("uses", "shows")
        ],
    }
    docker.images.append(str(suite["image"]))
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(suite, allow_unicode=True))
    report = tmp_path / "report"
    command = [str(Path(sys.executable).with_name("lyftlearn-image")), "parity", "run", str(tmp_path / "suite.yaml")]
    done = subprocess.run([*command, "--report", str(report), "--keep-artifacts"], capture_output=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    assert search(done.stdout + done.stderr) == []
    files = [path for path in report.rglob("*") if path.is_file()]
    assert any(b"[secret]" in path.read_bytes() for path in files), "nothing of the script that shows them is there"
    digest = hashlib.sha256((VARIABLE + IN_SET + IN_SET + FILE).encode()).hexdigest().encode()
    assert any(digest in path.read_bytes() for path in files), "the script that uses them has had none"
    found = {str(path.relative_to(report)): search(path.read_bytes()) for path in files}
    assert {path: forms for path, forms in found.items() if forms} == {}
