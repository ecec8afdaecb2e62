"""What is told of a job meanwhile and at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.cli.jobs import show_run, show_states, show_waiting
from lyftlearn_image.run import Run, State, Status, Timings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_another_attempt_is_told_also_to_who_reads_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """Each once, and nothing of a job that just runs."""
    told = show_waiting(show_states("job/ml/churn"))
    for state in (State(None, "Running"), *2 * (State(None, "Running", attempt="attempt 2 of 3"),)):
        told(state)
    told(State(None, "Running", attempt="attempt 3 of 3"))
    assert capsys.readouterr().err == "job/ml/churn  Running  attempt 2 of 3\njob/ml/churn  Running  attempt 3 of 3\n"


def test_a_failed_job_ends_with_its_exceptions_last_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, so that stdout keeps the one line of the result."""
    stdout, stderr = tmp_path / "stdout", tmp_path / "stderr"
    stdout.write_text("epoch 1\n")
    stderr.write_text('Traceback (most recent call last):\n  File "t.py", line 3, in <module>\nKeyError: \x1b[31m"fare"\nbye\n')
    run = Run("kubernetes", "churn", Status.FAILED, 1, "", stdout, stderr, {}, None, Timings(0, None, 1, 0))
    assert show_run("job/ml/churn", run, tmp_path, as_json=False) == 1
    shown = capsys.readouterr()
    assert shown.err == 'job/ml/churn  KeyError: ␛[31m"fare"\n'
    assert shown.out == f"job/ml/churn  Failed  {tmp_path}\n"
