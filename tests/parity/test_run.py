"""What cannot be played on this machine is said before the first case."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

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
    assert "the instance type ml.g5.xlarge" in outcomes["gpu"][1], "the smallest that has one"
    assert result.exit_code == 2


def test_a_note_is_for_the_log_and_not_for_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    """It goes to stderr, as it is."""
    with watch(["one"], quiet=False) as on_event:
        on_event(Event("", "note", text="[bold] is no markup here"))
    assert capsys.readouterr() == ("", "note: [bold] is no markup here\n")


DIFFERING = """\
name: steps
image: {image}
cases:
  - name: own
    workload: {{command: [sh, -c, "cat /proc/sys/kernel/random/uuid; echo same"]}}
  - name: platform
    workload: {{command: [sh, -c, "id -u; echo done"]}}
  - name: control
    expect: different
    different_in: [stdout]
    workload: {{command: [sh, -c, "id -u"]}}
  - name: limit
    workload: {{command: [sh, -c, "trap 'exit 143' TERM; test $(id -u) != 0 || {{ sleep 300 & wait; }}"]}}
    overrides:
      sagemaker: {{max_runtime_s: 1}}
"""


def test_a_case_that_differs_says_what_to_do(lyftlearn_image_tag: str, tmp_path: Path) -> None:
    """Whether the script differs from itself, and lines that make it parity; a limit that ended one side is no verdict."""
    place = tmp_path / "suite.yaml"
    place.write_text(DIFFERING.format(image=lyftlearn_image_tag))
    suite = load_suite(place)
    run = SuiteRun(suite=suite, suite_path=place, directory=tmp_path / "report", cases=suite.cases, repeats=True)
    result = run.run()
    own, platform, control, limit = result.cases

    assert [case.outcome for case in result.cases] == [Outcome.DIFFERENT] * 3 + [Outcome.ERROR]
    assert "the script differs from itself" in own.advice[0]
    assert "the platforms make the difference" in platform.advice[0]
    assert (control.is_as_expected, control.advice, control.patch) == (True, (), "")
    assert "the limit decided, not the script: sagemaker ended its run" in limit.problem
    assert "raise `max_runtime_s`" in limit.problem
    assert (limit.comparisons, limit.advice, result.exit_code) == ((), (), 2)
    # Of the second runs nothing is left but what they have told.
    assert not list((tmp_path / "report").glob("runs/*/*again*"))

    document = yaml.safe_load(place.read_text())
    for case, pasted in zip(document["cases"], (own, platform), strict=False):
        (patch,) = yaml.safe_load(pasted.patch)["cases"]
        assert patch.pop("name") == case["name"]
        case.update(patch)
    place.write_text(yaml.safe_dump(document))
    suite = load_suite(place)
    again = SuiteRun(suite=suite, suite_path=place, directory=tmp_path / "again", cases=suite.cases[:2]).run()
    assert [case.outcome for case in again.cases] == [Outcome.PARITY] * 2


def test_another_attempt_is_told_while_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """In a CI log as a line of its own."""
    with watch(["one"], quiet=False) as on_event:
        on_event(Event("one", "started"))
        on_event(Event("one", "retried", "kubernetes", text="attempt 2 of 3"))
    assert capsys.readouterr() == ("", "one: kubernetes: attempt 2 of 3\n")
