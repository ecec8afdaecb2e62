"""The verb `parity run`: its exit codes where no case could be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.cli.main import main
from lyftlearn_image.emulation.private_directories import exclusive_directory

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


SUITE = "{name: broken, image: 'lyftlearn-test:unbuilt', build: team, cases: [{name: one, workload: {command: ['true']}}]}"


def test_a_suite_whose_image_cannot_be_built_has_exit_code_2(
    probe_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 would say that the platforms differ. The step and its last words are told."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "Dockerfile").write_text(f"FROM {probe_image}\nRUN echo last words && exit 3\n")
    (tmp_path / "suite.yaml").write_text(SUITE)
    report = tmp_path / "report"
    assert main(["parity", "run", str(tmp_path / "suite.yaml"), "--report", str(report), "--quiet"]) == 2
    told = capsys.readouterr().err
    assert "building lyftlearn-test:unbuilt failed in step" in told
    assert "last words" in told


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
    report = tmp_path / "report"
    with exclusive_directory(report):
        (report / "report.json").write_text("the other's")
        assert main(["parity", "run", str(tmp_path / "suite.yaml"), "--report", str(report), "--quiet"]) == 2
    assert "another run writes its reports here" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in report.iterdir()] == [("report.json", "the other's")]
