"""The realised environment: what is written at the moment of the script's start."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_runtime import contract, observe, start
from lyftlearn_runtime.context import Context
from lyftlearn_runtime.supervise import Command

if TYPE_CHECKING:
    from pathlib import Path

    from tests.runtime.conftest import Shim

PLANTED = "planted-9c1f77-secret"
ASK = ("-e", "LYFTLEARN_OBSERVE=/opt/ml/output/data/.lyftlearn/observation.json#00ff")
READ = "print(open('/opt/ml/output/data/.lyftlearn/observation.json').read())"
# The same questions, asked by a script itself.
OWN = """
import json, os, pwd, resource, socket
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
stat = os.statvfs('/dev/shm')
print(json.dumps({
    'cwd': os.getcwd(), 'hostname': socket.gethostname(), 'umask': '%04o' % os.umask(0),
    'ids': {'uid': os.getuid(), 'gid': os.getgid(), 'groups': sorted(os.getgroups())},
    'limits': {n: list(resource.getrlimit(getattr(resource, n))) for n in dir(resource) if n.startswith('RLIMIT_')},
    'variables': dict(os.environ), 'shm_bytes': stat.f_frsize * stat.f_blocks,
    'capabilities': status['CapEff'].strip(), 'no_new_privs': int(status['NoNewPrivs']), 'seccomp': int(status['Seccomp']),
}))
"""
POD = ("--user", "4242:0", "--group-add", "77", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--shm-size", "32m")


@pytest.mark.parametrize("options", [(), POD], ids=["root", "restricted"])
def test_the_observation_is_what_the_script_itself_finds(shim: Shim, options: tuple[str, ...]) -> None:
    """Asked by a script in its own process: variables, identity, limits, capabilities, directories."""
    done = shim.python(
        OWN + READ, *ASK, *options, "--ulimit", "nofile=512:1024", "-e", "ODD=a\nb é", "-m", "256m", "--cpus", "0.5"
    )
    assert done.returncode == 0, done.stderr
    own, _, rest = done.stdout.partition("\n")
    found, observed = json.loads(own), json.loads(rest)
    # Python adds it to its own environment where there is no locale; the shim's Python must not add it to the script's.
    found["variables"].pop("LC_CTYPE", None)
    assert {key: observed[key] for key in found} == found
    assert observed["memory"] == {"limit_bytes": 256 << 20}
    assert observed["cpu"]["quota"] == 0.5
    assert observed["cpu"]["flags"] == sorted(observed["cpu"]["flags"]) != []
    assert observed["context"] == {"name": "docker", "because": "no signal of a platform"}
    assert observed["argv"][:2] == ["python3", "-c"]
    assert (observed["writable"]["/tmp"], observed["writable"]["/opt/ml/output"]) == (True, False)
    assert observed["user"]["home"] == found["variables"]["HOME"]


def test_the_observation_is_taken_when_the_script_starts(shim: Shim) -> None:
    """The time in it is between the container's start and the script's first line."""
    before = time.time()
    done = shim.python(f"import time; print(time.time()); {READ}", *ASK)
    first, _, rest = done.stdout.partition("\n")
    assert before < json.loads(rest)["observed_at"] < float(first)


@pytest.fixture
def observation(tmp_path: Path) -> Any:
    """Writes an observation with these variables and secrets and reads it."""

    def take(variables: dict[str, str], secrets: set[str], placed: dict[str, bool], key: str = "00ff") -> dict[str, Any]:
        path = tmp_path / "o.json"
        command = Command(["run", "--token", PLANTED], variables, "/")
        observe.write_observation(f"{path}#{key}", command, Context("docker", "x"), placed, secrets)
        assert PLANTED not in path.read_text()
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    return take


def test_a_secret_is_a_digest_that_only_equal_secrets_share(observation: Any, tmp_path: Path) -> None:
    """By value, inside a longer value, in a file, on the command line; another key gives other digests."""
    (tmp_path / "key").write_text(PLANTED)
    variables = {"A": PLANTED, "B": PLANTED, "URL": f"postgres://x:{PLANTED}@db", "PLAIN": "x", "LEFT": "1"}
    found = observation(variables, {PLANTED, "1"}, {str(tmp_path / "key"): True})
    assert found["variables"]["A"] == found["variables"]["B"] != found["variables"]["URL"]
    assert list(found["variables"]["URL"]) == list(found["variables"]["LEFT"]) == ["digest"]
    assert found["variables"]["PLAIN"] == "x"
    assert found["argv"][2] == "digest:" + found["variables"]["A"]["digest"]
    assert found["files"][str(tmp_path / "key")]["sha256"] == "digest:" + found["variables"]["A"]["digest"]
    assert observation(variables, {PLANTED}, {}, key="01")["variables"]["A"] != found["variables"]["A"]


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("AWS_SECRET_ACCESS_KEY", True), ("AWS_SESSION_TOKEN", True), ("DB_PASSWORD", True), ("OPENAI_API_KEY", True),
        ("github_token", True), ("GOOGLE_APPLICATION_CREDENTIALS", True), ("AWS_ACCESS_KEY_ID", False),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", True), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", True),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", False), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", False),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", False),
        ("TOKENIZERS_PARALLELISM", False), ("MAX_TOKENS", False), ("SM_HP_KEY", False), ("HOME", False),
    ],
)  # fmt: skip
def test_a_name_that_tells_of_a_secret_is_believed(observation: Any, name: str, is_secret: bool) -> None:  # noqa: FBT001 - a case
    """A pod's secretKeyRef and the platform's own keys come without a reference."""
    assert isinstance(observation({name: "value"}, {PLANTED}, {})["variables"][name], dict) is is_secret


def test_a_large_file_is_known_by_its_ends(tmp_path: Path) -> None:
    """An observation must not read all data twice; what was hashed is said."""
    one, two = tmp_path / "one", tmp_path / "two"
    for path in (one, two):
        with path.open("wb") as file:
            file.truncate(observe._HASHED_BYTES + 1)
    with two.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"x")
    found = [observe._hashed(str(path), path.stat().st_size) for path in (one, two)]
    assert found[0]["sha256"] != found[1]["sha256"]
    assert found[0]["hashed"] == "first and last MiB"


def test_values_of_the_clusters_secrets_are_secrets() -> None:
    """They come as values, under any name: the pod says which variables have them. One that is not set is none."""
    environ = {"DB": "by-the-cluster", "OTHER": "open", contract.SECRETS: "DB,MISSING,EMPTY", "EMPTY": ""}
    assert start.detect(["train"], environ).secrets == {"by-the-cluster"}
