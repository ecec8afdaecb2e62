"""What cannot be played on this machine is said before the first case."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.cli.watch import watch
from lyftlearn_image.parity.run import Event, SuiteRun
from lyftlearn_image.parity.suite import load_suite

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
    SuiteRun(load_suite(place), place, tmp_path / "report", cases=(), on_event=told.append).run()
    assert [one.text for one in told if one.state == "note"] == expected


def test_a_note_is_for_the_log_and_not_for_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    """It goes to stderr, as it is."""
    with watch(["one"], quiet=False) as on_event:
        on_event(Event("", "note", text="[bold] is no markup here"))
    assert capsys.readouterr() == ("", "note: [bold] is no markup here\n")
