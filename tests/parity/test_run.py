"""What cannot be played on this machine is said before the first case."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.cli.watch import watch
from lyftlearn_image.parity.run import SuiteRun
from lyftlearn_image.parity.run_plan import Event
from lyftlearn_image.parity.suite import load_suite
from lyftlearn_image.parity.verdict import Outcome

if TYPE_CHECKING:
    from pathlib import Path

NOTE = "containers are given AWS keys as variables: there is no iptables on this machine"


@pytest.mark.parametrize(("is_there", "expected"), [(True, []), (False, [NOTE])])
def test_a_run_says_once_that_no_agent_is_played(
    probe_image: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    expected: list[str],
    *,
    is_there: bool,
) -> None:
    """With the reason; a machine that can do it says nothing."""
    if not is_there:
        monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    place = tmp_path / "suite.yaml"
    place.write_text(f"{{name: none, image: {probe_image}, cases: [{{name: one, workload: {{command: ['true']}}}}]}}\n")
    told: list[Event] = []
    SuiteRun(suite=load_suite(place), suite_path=place, directory=tmp_path / "report", cases=(), on_event=told.append).run()
    assert [one.text for one in told if one.state == "note"] == expected


def test_what_a_case_asks_for_and_does_not_get_is_told_by_name(probe_image: str, tmp_path: Path) -> None:
    """A limit that nothing enforces, once for all cases; a GPU that is not there is an error of the case that wants it."""
    place = tmp_path / "suite.yaml"
    cases = "".join(f"  - {{name: {name}, workload: {{command: ['true']}}}}\n" for name in ("one", "two"))
    gpu = "  - {name: gpu, workload: {command: ['true'], gpus: 1}}\n"
    place.write_text(f"name: limits\nimage: {probe_image}\ncases:\n{cases}{gpu}")
    suite = load_suite(place)
    told: list[Event] = []
    result = SuiteRun(
        suite=suite, suite_path=place, directory=tmp_path / "report", cases=suite.cases, on_event=told.append
    ).run()
    notes = [one.text for one in told if one.state == "note" and "VolumeSizeInGB" in one.text]
    assert notes == ["sagemaker: VolumeSizeInGB=30 is not enforced: the volume is this machine's disk"]
    outcomes = {case.name: (case.outcome, case.problem) for case in result.cases}
    assert outcomes["gpu"][0] is Outcome.ERROR
    assert "resources.limits.nvidia.com/gpu = 1" in outcomes["gpu"][1]
    assert result.exit_code == 2


def test_a_note_is_for_the_log_and_not_for_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    """It goes to stderr, as it is."""
    with watch(["one"], quiet=False) as on_event:
        on_event(Event("", "note", text="[bold] is no markup here"))
    assert capsys.readouterr() == ("", "note: [bold] is no markup here\n")
