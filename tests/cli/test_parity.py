"""The verb `parity run`: its exit codes where no case could be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_suite_whose_image_cannot_be_built_has_exit_code_2(
    probe_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 would say that the platforms differ. The step and its last words are told."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "Dockerfile").write_text(f"FROM {probe_image}\nRUN echo last words && exit 3\n")
    suite = "{name: broken, image: 'lyftlearn-test:unbuilt', build: team, cases: [{name: one, workload: {command: ['true']}}]}"
    (tmp_path / "suite.yaml").write_text(suite)
    report = tmp_path / "report"
    assert main(["parity", "run", str(tmp_path / "suite.yaml"), "--report", str(report), "--quiet"]) == 2
    told = capsys.readouterr().err
    assert "building lyftlearn-test:unbuilt failed in step" in told
    assert "last words" in told
