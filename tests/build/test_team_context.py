"""What of a directory reaches a build: files of the team's, and none that the toolkit itself has written there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.build.own_outputs import MARK, mark
from lyftlearn_image.build.team_context import read_context
from lyftlearn_image.cli.schemas import write_with_schema
from lyftlearn_image.report.write import own_names

if TYPE_CHECKING:
    from pathlib import Path

REPORT = ("report.json", "junit.xml", ".report.md.half", "runs/one/sagemaker/stdout", "errors/one.log")


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a Dockerfile and a script; build logs are kept in it, too."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("Dockerfile", "train.py", "state/lyftlearn-image/build-x.log", "reports/plot.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("FROM x\n")
    return tmp_path


def write_report(directory: Path, files: tuple[str, ...] = REPORT) -> None:
    """What a run leaves in its report directory."""
    for name in files:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text("of a run")
    mark(directory, own_names())


@pytest.mark.parametrize("ignored", ["", "# nothing\n", "!*report*\n!**/stdout\n", "**/.*\n", "state\n"])
@pytest.mark.parametrize("place", ["parity-report", "a/b c", "re[p]ort *", "reports", "."])
def test_a_report_is_no_part_of_what_is_built(team: Path, ignored: str, place: str) -> None:
    """Wherever it lies, whatever is beside it, and whatever .dockerignore says: as if no run had been."""
    if ignored:
        (team / ".dockerignore").write_text(ignored)
    before = set(read_context(team).files)
    assert {"Dockerfile", "train.py", "reports/plot.py"} <= before
    write_report(team / place)
    assert set(read_context(team).files) == before
    write_report(team / place, ("report.html", "runs/two/x"))
    assert set(read_context(team).files) == before


def test_a_report_that_another_run_left_half_made_is_none_either(team: Path) -> None:
    """A directory with the mark alone is left out as a whole, so that not even an empty one is in the image."""
    (team / "report").mkdir()
    mark(team / "report", own_names())
    assert "report" in read_context(team).ignored.splitlines()


def test_kept_runs_and_schemas_are_no_part_of_what_is_built(team: Path) -> None:
    """What `collect` and `run` bring, and what editors are told beside a file that we write; the file itself is the team's."""
    before = set(read_context(team).files)
    (team / "kept" / "artifacts").mkdir(parents=True)
    (team / "kept" / "artifacts" / "model").write_text("x")
    mark(team / "kept")
    write_with_schema(team / "suite.yaml", "suite", "name: x\n")
    assert set(read_context(team).files) == before | {"suite.yaml"}


def test_a_mark_names_nothing_outside_of_its_directory(team: Path) -> None:
    """It is a file in a directory that others may fill."""
    (team / "kept").mkdir()
    (team / "kept" / MARK).write_text("../train.py\n/train.py\n**/train.py\n")
    assert "train.py" in read_context(team).files


def test_rules_beside_the_dockerfile_come_before_those_of_the_directory(team: Path) -> None:
    """As BuildKit reads them."""
    (team / ".dockerignore").write_text("Dockerfile.dockerignore\n")
    (team / "Dockerfile.dockerignore").write_text("train.py\n")
    assert "train.py" not in read_context(team).files
