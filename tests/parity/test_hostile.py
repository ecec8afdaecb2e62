"""What a script does to the machine that compares it: nothing stays, nothing gets out, and no attack is parity."""

from __future__ import annotations

import contextlib
import signal
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lyftlearn_image import untrusted_tree
from lyftlearn_image.build.connection import connect
from lyftlearn_image.emulation import statsd
from lyftlearn_image.emulation.docker.cleanup import remove_orphans
from lyftlearn_image.emulation.docker.ownership import OWNER_LABEL
from lyftlearn_image.emulation.private_directories import MEMORY, remove_leftovers
from lyftlearn_image.parity.run import SuiteRun
from lyftlearn_image.parity.suite import load_suite
from lyftlearn_image.parity.verdict import CaseResult, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WITHIN_S = 120.0
SECRET = "planted-secret-447123"
LIMITS = {"log_bytes": 1 << 20, "artifact_bytes": 64 << 20, "artifact_files": 200}
OBSERVATION = "/opt/ml/output/data/.lyftlearn/observation.json"
# Name → what the script does, and what the verdict says of it. A script that could not do its harm would be parity.
ATTACKS: Mapping[str, tuple[str, Outcome, str]] = {
    "setuid": (
        "import shutil; shutil.copy('/usr/bin/id', '/opt/ml/model/id'); os.chmod('/opt/ml/model/id', 0o6755)",
        Outcome.PARITY, "",
    ),
    "device": (
        "if not os.getuid(): os.mknod('/opt/ml/model/disk', 0o60666, os.makedev(8, 0))",
        Outcome.DIFFERENT, "",
    ),
    "special": (
        """
os.mkfifo('/opt/ml/model/fifo'); import socket; socket.socket(socket.AF_UNIX).bind('/opt/ml/model/socket')
os.symlink('/etc/passwd', '/opt/ml/model/link'); os.link('/opt/ml/model/link', '/opt/ml/model/hard')
""",
        Outcome.PARITY, "",
    ),
    "deep": (
        "os.chdir('/opt/ml/model')\nfor _ in range(1500): os.mkdir('d'); os.chdir('d')",
        Outcome.ERROR, "directories",
    ),
    "sparse": ("open('/opt/ml/model/huge', 'wb').truncate(100 << 20)", Outcome.ERROR, "more than 64.0 MiB"),
    "many": ("for n in range(300): open(f'/opt/ml/model/{n}', 'wb')", Outcome.ERROR, "more than 200 artifacts"),
    "log": ("for _ in range(30): print('x' * 100_000)", Outcome.ERROR, "sagemaker was cut: stdout after 1.0 MiB"),
    "line": ("for _ in range(300): sys.stderr.write('x' * 10_000)", Outcome.ERROR, "was cut: stderr after 1.0 MiB"),
    "deep-observation": (
        f"""
os.path.exists('{OBSERVATION}') and os.remove('{OBSERVATION}')
os.makedirs(os.path.dirname('{OBSERVATION}'), exist_ok=True); open('{OBSERVATION}', 'w').write('[' * 100_000)
""",
        Outcome.ERROR, "the script changed it",
    ),
    "empty-datagram": (
        """
import socket, time; s = socket.socket(2, 2)
for d in (b'before:1|c', b'', f'after:{os.getuid()}|c'.encode()): s.sendto(d, ('127.0.0.1', 8125)); time.sleep(0.3)
""",
        Outcome.DIFFERENT, "",
    ),
    "flood": (
        """
import socket, time; s = socket.socket(2, 2)
for n in range(200): s.sendto(b'a:1|c', ('127.0.0.1', 8125)); time.sleep(0.001)
time.sleep(0.5)
""",
        Outcome.ERROR, "lines after the first 100",
    ),
    "honest": ("print('done')", Outcome.PARITY, ""),
}  # fmt: skip


def write_suite(directory: Path, image: str, cases: list[dict[str, Any]], **fields: Any) -> Path:
    """A suite file of these cases."""
    path = directory / "suite.yaml"
    path.write_text(yaml.safe_dump({"name": "hostile", "image": image, "cases": cases, **fields}))
    return path


def case(name: str, program: str, **fields: Any) -> dict[str, Any]:
    """A case that runs a program given as text."""
    return {"name": name, "workload": {"command": ["python3", "-c", f"import os, sys\n{program}"]}, **fields}


@pytest.mark.timeout(600)
def test_every_attack_is_told_and_leaves_nothing_armed(
    lyftlearn_image_tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has its own verdict, which is parity only where nothing was lost; all that is left is harmless and private."""
    monkeypatch.setattr(statsd, "_MOST_LINES", 100)
    cases = [case(name, program) for name, (program, _, _) in ATTACKS.items()]
    path = write_suite(tmp_path, lyftlearn_image_tag, cases, limits=LIMITS)
    suite = load_suite(path)
    report = tmp_path / "report"
    result = SuiteRun(suite=suite, suite_path=path, directory=report, cases=suite.cases, jobs=2, keep_artifacts=True).run()
    judged = {each.name: (each.outcome, each.problem) for each in result.cases}
    for name, (_, outcome, problem) in ATTACKS.items():
        assert judged[name][0] is outcome, (name, judged[name], differences(result.cases, name))
        assert problem in judged[name][1]
    assert stat.S_IMODE(report.stat().st_mode) == stat.S_IMODE((report / "runs").stat().st_mode) == stat.S_IRWXU
    entries = list(untrusted_tree.walk(report))
    kinds = {stat.S_IFMT(entry.status.st_mode) for entry in entries}
    assert kinds <= {stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK}
    assert not [entry.path for entry in entries if entry.status.st_mode & 0o6000 and not stat.S_ISLNK(entry.status.st_mode)]
    assert any(entry.name == "id" for entry in entries)


def differences(cases: tuple[CaseResult, ...], name: str) -> list[Any]:
    """What a case's verdict is made of."""
    return [comparison for each in cases if each.name == name for comparison in each.counting]


def test_what_a_killed_run_left_is_gone_with_the_next_and_held_no_secret(lyftlearn_image_tag: str, tmp_path: Path) -> None:
    """Its logs were masked as they were written, in memory only it could look; then directories and memory are cleared."""
    program = f"sys.stdout.write('{SECRET}' + chr(10) * 9000); sys.stdout.flush(); import time; time.sleep(300)"
    mounted = {"files": {"/etc/keys/key": {"secret": "aws-sm://t/s"}}}
    cases = [case("sleepy", program, secret_values={"t/s": SECRET})]
    cases[0]["workload"] |= mounted
    path = write_suite(tmp_path, lyftlearn_image_tag, cases)
    report = tmp_path / "report"
    command = [sys.executable, "-m", "lyftlearn_image", "parity", "run", str(path), "--report", str(report), "--quiet"]
    logs = [report / "runs" / "sleepy" / target / "stdout" for target in ("sagemaker", "kubernetes")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + WITHIN_S
            while not all(log.exists() and b"[secret" in log.read_bytes() for log in logs):
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.05)
            # Looked for while it lives: afterwards any other run of this machine may clear them away.
            left = [*MEMORY.glob(f"lyftlearn-*.{process.pid}.*"), report / "runs"]
            for entry in left:
                assert stat.S_IMODE(entry.stat().st_mode) == stat.S_IRWXU
            volumes = _volumes_of(process.pid)
            assert volumes
        finally:
            process.send_signal(signal.SIGKILL)
    holding = [file for file in report.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]
    assert not holding
    remove_leftovers()
    assert not [path for path in left if path.exists()]
    with contextlib.closing(connect()) as client:
        remove_orphans(client)
    assert not volumes & _volumes_of(process.pid)


def _volumes_of(pid: int) -> set[str]:
    """The volumes in memory of a process, in which its pods have their secrets."""
    labelled: Any = {"label": OWNER_LABEL}
    with contextlib.closing(connect()) as client:
        volumes = client.volumes.list(filters=labelled)
    return {str(volume.name) for volume in volumes if volume.attrs["Labels"][OWNER_LABEL].split("/")[1] == str(pid)}


def test_a_run_that_cannot_be_compared_any_more_is_stopped(lyftlearn_image_tag: str, tmp_path: Path) -> None:
    """Where one target has failed, nobody waits for a script on the other that has hours to go."""
    program = "if os.getuid():\n    import time; time.sleep(3000)\nopen('/opt/ml/model/huge', 'wb').truncate(100 << 20)"
    path = write_suite(tmp_path, lyftlearn_image_tag, [case("endless", program)], limits=LIMITS)
    suite = load_suite(path)
    (result,) = SuiteRun(suite=suite, suite_path=path, directory=tmp_path / "report", cases=suite.cases).run().cases
    assert (result.outcome, "more than 64.0 MiB" in result.problem) == (Outcome.ERROR, True)
