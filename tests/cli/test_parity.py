"""The verb `parity run`: its exit codes and reports where no case could be compared, and what its image is built from."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import uuid
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.cli.jobs import empty_directory
from lyftlearn_image.cli.main import main
from lyftlearn_image.emulation.private_directories import exclusive_directory

if TYPE_CHECKING:
    from collections.abc import Callable

SUITE = "{name: broken, image: 'lyftlearn-test:unbuilt', build: team, cases: [{name: one, workload: {command: ['true']}}]}"


REPORTS = {"report.json", "junit.xml", "report.md", "report.html"}


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A report directory in which an earlier run has left a success, and what was kept of it."""
    directory = tmp_path / "report"
    (directory / "runs" / "old").mkdir(parents=True)
    for name in (*REPORTS, ".junit.xml.half", "runs/old/comparison.json"):
        (directory / name).write_text("all green")
    (directory / "notes.txt").write_text("somebody's own")
    return directory


def check_error_reports(report: Path, reason: str, code: int) -> None:
    """Every format is there, says why, and has nothing of the earlier run; readers of JUnit count an error."""
    assert {path.name for path in report.iterdir()} - {"errors", ".lyftlearn-output"} == {*REPORTS, "notes.txt"}
    for name in REPORTS:
        text = (report / name).read_text()
        assert "all green" not in text
        assert reason in text
    assert (report / "notes.txt").read_text() == "somebody's own"
    suites = ET.parse(report / "junit.xml").getroot()  # noqa: S314 - of our own making
    assert suites.get("errors") == suites.get("tests") == str(len(suites.findall(".//testcase/error"))) == "1"
    assert json.loads((report / "report.json").read_text())["exit_code"] == code


def test_a_suite_whose_image_cannot_be_built_has_exit_code_2(
    probe_image: str, tmp_path: Path, report: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 would say that the platforms differ. The step and its last words are told, and stand in the reports."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "Dockerfile").write_text(f"FROM {probe_image}\nRUN echo last words && exit 3\n")
    (tmp_path / "suite.yaml").write_text(SUITE)
    assert main(["parity", "run", str(tmp_path / "suite.yaml"), "--report", str(report), "--quiet"]) == 2
    told = capsys.readouterr().err
    assert "building lyftlearn-test:unbuilt failed in step" in told
    assert "last words" in told
    check_error_reports(report, "building lyftlearn-test:unbuilt failed in step", 2)


PLAIN = SUITE.replace("build: team, ", "")
# What stops a run before its first case → suite, further arguments, environment, exit code, and what the reports say.
EARLY: dict[str, tuple[str | None, list[str], dict[str, str], int, str]] = {
    "no suite": (None, [], {}, 78, "there is no file"),
    "no YAML": ("{name: [", [], {}, 78, "suite.yaml"),
    "an unknown key": (PLAIN.replace("cases:", "casses:"), [], {}, 78, "casses"),
    "an unknown case": (PLAIN, ["--case", "two"], {}, 2, "the suite has no case two"),
    "an unknown target": (PLAIN, ["--target", "moon=service"], {}, 78, "moon"),
    "no Dockerfile": (SUITE, [], {}, 78, "there is no Dockerfile"),
    "no engine": (PLAIN, [], {"DOCKER_HOST": "tcp://127.0.0.1:1"}, 69, "127.0.0.1:1"),
}


@pytest.mark.parametrize("what", EARLY)
def test_what_ends_a_run_early_leaves_reports_that_say_so(
    tmp_path: Path, report: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    """Nobody finds an old success beside a failure, and its exit code is never that of a difference."""
    text, arguments, variables, code, reason = EARLY[what]
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    suite = tmp_path / "suite.yaml"
    if text is not None:
        suite.write_text(text)
    assert main(["parity", "run", str(suite), "--report", str(report), "--quiet", *arguments]) == code
    assert "Traceback" not in capsys.readouterr().err
    check_error_reports(report, reason, code)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_before_its_first_case_says_so(tmp_path: Path, report: Path, number: int) -> None:
    """While it waits for an engine that does not answer: exit code 130, and no success of an earlier run."""
    (tmp_path / "suite.yaml").write_text(PLAIN)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        command = [sys.executable, "-m", "lyftlearn_image", "parity", "run", "suite.yaml", "--report", str(report), "--quiet"]
        host = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "DOCKER_HOST": host}, stderr=subprocess.PIPE) as run:
            connection, _ = silent.accept()
            with connection:
                run.send_signal(number)
                assert run.stderr is not None
                told = run.stderr.read().decode()
    assert run.returncode == 130
    assert told.splitlines()[-1] == "interrupted"
    check_error_reports(report, "interrupted before it had begun", 130)


def test_a_report_in_the_directory_that_is_built_makes_no_other_image(
    probe_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, docker_cli: Callable[..., str]
) -> None:
    """Two runs have one image, in which neither reports, kept runs nor build logs are, whatever their names are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    tag = f"lyftlearn-test-context-{uuid.uuid4().hex[:8]}:x"
    (tmp_path / "Dockerfile").write_text(f"FROM {probe_image}\nCOPY . /code/\n")
    (tmp_path / ".dockerignore").write_text("# ours\n*.log\n!re*\n")
    Path("suite.yaml").write_text(SUITE.replace("lyftlearn-test:unbuilt", tag).replace("build: team", "build: ."))
    ids = []
    for name in ("re[p]ort *", "re[p]ort *", "results/of two"):
        kept = empty_directory(None, f"kept-{len(ids)}")
        (kept / "stdout").write_text("of a run")
        # Without a shim there is no observation, so the case is different.
        assert main(["parity", "run", "suite.yaml", "--report", name, "--keep-artifacts", "--quiet"]) == 1
        assert (tmp_path / name / "runs" / "one").is_dir()
        ids.append(json.loads((tmp_path / name / "report.json").read_text())["image"]["id"])
    found = docker_cli("run", "--rm", "--entrypoint", "find", tag, "/code", "-mindepth", "1").split("\n")
    docker_cli("rmi", tag)
    assert len(set(ids)) == 1
    assert sorted(filter(None, found)) == ["/code/.dockerignore", "/code/Dockerfile", "/code/state", "/code/suite.yaml"]


def test_a_suites_image_is_built_with_the_ca_bundle_that_was_asked_for(
    probe_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever this machine's own is, for everything that a step runs; one that is not there is told by its name."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("own", "asked-for"):
        (tmp_path / f"{name}.pem").write_text(f"certificates of {name}\n")
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "own.pem"))
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "Dockerfile").write_text(f'FROM {probe_image}\nRUN cat "$PIP_CERT" "$GIT_SSL_CAINFO" && exit 3\n')
    (tmp_path / "suite.yaml").write_text(SUITE)
    arguments = ["parity", "run", str(tmp_path / "suite.yaml"), "--report", str(tmp_path / "report"), "--quiet"]
    assert main([*arguments, "--ca-bundle", str(tmp_path / "asked-for.pem")]) == 2
    told = capsys.readouterr().err
    assert told.count("certificates of asked-for") == 2
    assert "of own" not in told
    assert main([*arguments, "--ca-bundle", str(tmp_path / "nowhere.pem")]) == 78
    assert f"there is no CA bundle {tmp_path / 'nowhere.pem'}" in capsys.readouterr().err


def test_a_report_directory_in_which_another_run_writes_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it has there stays: the second run ends before it builds or runs anything, and 1 would say that platforms differ."""
    (tmp_path / "suite.yaml").write_text(SUITE.replace("build: team, ", ""))
    report = tmp_path / "of-another"
    with exclusive_directory(report):
        (report / "report.json").write_text("the other's")
        assert main(["parity", "run", str(tmp_path / "suite.yaml"), "--report", str(report), "--quiet"]) == 2
    assert "another run writes its reports here" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in report.iterdir()] == [("report.json", "the other's")]
