"""What a harness that was killed or interrupted leaves behind: nothing that stays."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import requests
import yaml
from docker.errors import NotFound

from lyftlearn_image.emulation.docker.cleanup import remove_orphans
from lyftlearn_image.emulation.docker.container_spec import ContainerSpec
from lyftlearn_image.emulation.docker.containers import RUN_LABEL, Containers
from lyftlearn_image.emulation.docker.ownership import OWNER_LABEL
from lyftlearn_image.emulation.docker.uninterrupted import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHIN_S = 120.0
HOLD = """
import sys, pathlib
from lyftlearn_image.emulation.docker.container_spec import ContainerSpec
from lyftlearn_image.build.connection import connect
from lyftlearn_image.emulation.docker.containers import Containers
containers = Containers(connect(), sys.argv[1])
place = pathlib.Path(sys.argv[2])
with containers.network() as network, containers.tmpfs_volume(sys.argv[1], size_bytes=None, mode=0o777, gid=None):
    spec = ContainerSpec(image=sys.argv[3], name=sys.argv[1], entrypoint=("sleep", "600"), command=(), network=network.name)
    with containers.start(spec, stdout=place / "out", stderr=place / "err"):
        print("ready", flush=True)
        sys.stdin.read()
"""


def resources(containers: Containers, run_id: str) -> list[str]:
    """What the engine has of a run: `container`, `network` or `volume` for each."""
    wanted = {"label": f"{RUN_LABEL}={run_id}"}
    client = containers.client
    return (
        ["container"] * len(client.containers.list(all=True, filters=wanted))
        + ["network"] * len(client.networks.list(filters=wanted))
        + ["volume"] * len(client.volumes.list(filters=wanted))
    )


def test_what_a_killed_harness_left_goes_with_the_next(containers: Containers, probe_image: str, tmp_path: Path) -> None:
    """Container, network and volume of a process that is gone; those of one that runs stay."""
    started = []
    for name in ("killed", "living"):
        (tmp_path / name).mkdir()
        run_id = f"{containers.run_id}-{name}"
        command = [sys.executable, "-c", HOLD, run_id, str(tmp_path / name), probe_image]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    killed, living = started
    try:
        assert resources(containers, f"{containers.run_id}-killed") == ["container", "network", "volume"]
        killed.kill()
        killed.wait()
        # Any harness on this engine may be first; when this one has looked, they are gone.
        remove_orphans(containers.client)
        assert resources(containers, f"{containers.run_id}-killed") == []
        assert resources(containers, f"{containers.run_id}-living") == ["container", "network", "volume"]
    finally:
        living.communicate(b"")
        for process in started:
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()
    assert resources(containers, f"{containers.run_id}-living") == []


def test_containers_that_come_and_go_do_not_stop_a_start(
    containers: Containers, probe_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run's may be gone between the engine's list and a look at it: what starts looks at none."""
    client = containers.client
    labels = {OWNER_LABEL: "other-boot/1/1", RUN_LABEL: containers.run_id}
    other = client.containers.create(probe_image, entrypoint=["true"], labels=labels)

    def is_gone(*_: Any) -> Any:
        raise NotFound("No such container")

    monkeypatch.setattr(client.api, "inspect_container", is_gone)
    try:
        remove_orphans(client)
    finally:
        monkeypatch.undo()
        with contextlib.suppress(NotFound):
            other.remove(force=True)


class _Interrupted(KeyboardInterrupt):
    """What the handler of these tests raises."""


@pytest.fixture
def raises_on_sigint() -> Iterator[None]:
    """Ctrl-C raises _Interrupted in the test."""

    def end(*_: Any) -> NoReturn:
        raise _Interrupted

    before = signal.signal(signal.SIGINT, end)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("raises_on_sigint")
@pytest.mark.parametrize("moment", ["before it", "when the engine has done it"])
def test_a_signal_at_any_request_to_the_engine_leaves_nothing(
    containers: Containers,
    probe_image: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    """At each of them, also between what the engine has made and the answer that names it."""
    send = requests.Session.send
    run = Containers(containers.client, f"{containers.run_id}-cut")
    sent = 0
    cut_at = 0

    def cut(session: requests.Session, request: Any, **options: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent == cut_at and moment == "before it":
            signal.raise_signal(signal.SIGINT)
        answer = send(session, request, **options)
        if sent == cut_at and moment != "before it":
            signal.raise_signal(signal.SIGINT)
        return answer

    def hold_everything(run_id: str) -> None:
        spec = ContainerSpec(image=probe_image, name=run_id, entrypoint=("true",), command=())
        with run.network(), run.isolated_network("inner"), run.tmpfs_volume(run_id, size_bytes=None, mode=0o777, gid=None):
            run.image_file(probe_image, "/etc/passwd")
            with run.start(spec, stdout=tmp_path / "out", stderr=tmp_path / "err"):
                pass

    monkeypatch.setattr(requests.Session, "send", cut)
    # Another run's leftovers would be requests of this one at times.
    monkeypatch.setattr("lyftlearn_image.emulation.docker.containers.remove_orphans", lambda _: None)
    hold_everything(run.run_id)
    whole = sent
    assert whole > 10
    for at in range(1, whole + 1):
        sent, cut_at = 0, at
        with contextlib.suppress(_Interrupted):
            hold_everything(run.run_id)
        cut_at = 0
        assert resources(containers, run.run_id) == [], at


@pytest.mark.usefixtures("raises_on_sigint")
def test_a_second_signal_does_not_wait() -> None:
    """Whoever presses Ctrl-C again, of an engine that hangs, has his end at once; the handler is in place again after it."""
    reached = []

    def press_twice() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            reached.append("held back")
            signal.raise_signal(signal.SIGINT)
            reached.append("the end of the block")

    with pytest.raises(_Interrupted):
        press_twice()
    assert reached == ["held back"]
    with pytest.raises(_Interrupted):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("after", "number"),
    [
        ("at once", signal.SIGINT),
        ("the cases run", signal.SIGINT),
        ("a case has run", signal.SIGINT),
        ("at once", signal.SIGTERM),
        ("a case has run", signal.SIGTERM),
    ],
)
def test_a_signal_leaves_nothing(
    containers: Containers, lyftlearn_image_tag: str, tmp_path: Path, after: str, number: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM at any moment: exit code 130, no traceback, no container, network or volume.

    What had finished is reported.
    """
    quick = {"command": ["echo", "done"]}
    slow = {"command": ["sh", "-c", "echo begun; sleep 100"]}
    cases = [{"name": "first", "workload": quick}, {"name": "second", "workload": slow}]
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump({"name": "stopped", "image": lyftlearn_image_tag, "cases": cases}))
    report = tmp_path / "report"
    # These tests may themselves run where a shell has Ctrl-C ignored, as it does for what it starts in the background.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "lyftlearn_image"]
    command += ["parity", "run", str(tmp_path / "suite.yaml")]
    with subprocess.Popen(
        [*command, "--report", str(report), "--jobs", "1"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        deadline = time.monotonic() + WITHIN_S
        reached = {
            "at once": lambda: _talks(process.pid),
            "the cases run": (report / "runs" / "first").exists,
            "a case has run": lambda: _has(report / "runs" / "second" / "kubernetes" / "stdout", "begun"),
        }[after]
        while not reached():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        output, _ = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    if after == "a case has run":
        outcomes = {case["name"]: case["outcome"] for case in json.loads((report / "report.json").read_text())["cases"]}
        assert outcomes == {"first": "parity", "second": "error"}
    assert not _left_by(containers, process)


def test_a_suite_comes_through_while_others_of_its_name_end_and_begin(
    containers: Containers, lyftlearn_image_tag: str, tmp_path: Path
) -> None:
    """One is killed and another removes what it left: neither takes anything of the one that runs."""

    @contextlib.contextmanager
    def begin(name: str, script: str) -> Iterator[subprocess.Popen[str]]:
        (tmp_path / name).mkdir()
        case = {"name": "one", "workload": {"command": ["sh", "-c", script]}}
        suite = {"name": "same", "image": lyftlearn_image_tag, "cases": [case]}
        (tmp_path / name / "suite.yaml").write_text(yaml.safe_dump(suite))
        command = [sys.executable, "-m", "lyftlearn_image", "parity", "run", "suite.yaml", "--quiet"]
        with subprocess.Popen(
            command, cwd=tmp_path / name, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    with begin("killed", "echo begun; sleep 600") as killed, begin("living", "echo begun; sleep 10; echo whole") as living:
        deadline = time.monotonic() + WITHIN_S
        for name in ("killed", "living"):
            for target in ("sagemaker", "kubernetes"):
                while not _has(tmp_path / name / "parity-report" / "runs" / "one" / target / "stdout", "begun"):
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
        killed.kill()
        killed.wait()
        with begin("next", "echo begun") as following:
            said, _ = following.communicate(timeout=WITHIN_S)
        assert following.returncode == 0, said
        said, _ = living.communicate(timeout=WITHIN_S)
    assert living.returncode == 0, said
    report = json.loads((tmp_path / "living" / "parity-report" / "report.json").read_text())
    assert [case["outcome"] for case in report["cases"]] == ["parity"]
    assert not _left_by(containers, killed, living, following)


def _left_by(containers: Containers, *processes: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """What the engine has of these processes.

    As the engine lists it: to look at each would ask for other runs' containers, which may be gone or in its hands.
    """
    owner = re.compile(rf"/(?:{'|'.join(str(process.pid) for process in processes)})/")
    api = containers.client.api
    listed = [*api.containers(all=True), *api.networks(), *(api.volumes()["Volumes"] or [])]
    return [one for one in listed if owner.search((one["Labels"] or {}).get(OWNER_LABEL, ""))]


def _has(path: Path, text: str) -> bool:
    return path.exists() and text in path.read_text(errors="replace")


def _talks(pid: int) -> bool:
    """Whether a process has a socket: nothing is imported any more, and the engine is asked."""
    files = Path(f"/proc/{pid}/fd")
    with contextlib.suppress(OSError):  # one that was open when the list was made
        return any(str(file.readlink()).startswith("socket:") for file in files.iterdir())
    return False
