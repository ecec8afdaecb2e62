"""Tuning without a tuner: what the best trial left is what the job left, and a stop ends all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.errors import RunError, UnavailableError
from lyftlearn_image.platforms.compile import launch_for
from lyftlearn_image.run import Run, Status, StopRequest, Timings, Trial
from lyftlearn_image.runs.search import Search
from lyftlearn_image.runs.tuning import TuningJob, TuningRun, run_trials, run_tuning, trial_name
from lyftlearn_image.workload import Choice, Tuning

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lyftlearn_image.platforms.launch import Compiled, TargetName

JOB = TuningJob("search-1", Search({"x": Choice(values=(3, 1, 2))}, "grid", "minimize", 0, 3, 1), r"loss=(\S+)")


def trial_run(workspace: Path, text: str, status: Status = Status.COMPLETED) -> Run:
    """What a trial's script left: a log, and a model with its own name."""
    (workspace / "stdout").write_text(text)
    (workspace / "stderr").write_text("")
    failed = status is Status.FAILED
    return Run(
        target="kubernetes", job_name=workspace.name, status=status, exit_code=int(failed), reason="no data" if failed else "",
        stdout=workspace / "stdout", stderr=workspace / "stderr", artifacts={"model": workspace}, observation=None,
        timings=Timings(1.0, None if failed else 0.5, 2.0, 0.25),
    )  # fmt: skip


def script(number: int, values: Mapping[str, Any], workspace: Path, stop: StopRequest) -> Run:
    """A script whose loss is its parameter."""
    return trial_run(workspace, f"loss={values['x']}\n")


def test_the_best_trial_is_what_the_job_left(tmp_path: Path) -> None:
    """Its artifacts and its log, under the job's name; the times are those of all trials."""
    told: list[Trial] = []
    run = run_trials(JOB, script, TuningRun(tmp_path, on_trial=told.append))
    best = next(trial for trial in run.trials if trial.values == {"x": 1})
    assert (run.job_name, run.status, run.reason) == ("search-1", Status.COMPLETED, "")
    assert run.artifacts["model"] == tmp_path / "trials" / trial_name("search-1", best.number)
    assert run.stdout.read_text() == "loss=1\n"
    assert tuple(told) == run.trials
    assert [trial.objective for trial in run.trials] == [3.0, 1.0, 2.0]
    assert run.timings == Timings(3.0, 1.5, 6.0, 0.75)


def test_a_trial_that_failed_has_no_objective(tmp_path: Path) -> None:
    """Even if its log has one; where all fail, the job has failed."""

    def fails(number: int, values: Mapping[str, Any], workspace: Path, stop: StopRequest) -> Run:
        return trial_run(workspace, "loss=0\n", Status.FAILED if values["x"] in failing else Status.COMPLETED)

    failing = {1}
    run = run_trials(JOB, fails, TuningRun(tmp_path / "some"))
    assert (run.status, [trial.objective for trial in run.trials]) == (Status.COMPLETED, [0.0, None, 0.0])
    failing = {1, 2, 3}
    run = run_trials(JOB, fails, TuningRun(tmp_path / "all"))
    assert (run.status, run.reason) == (Status.FAILED, "No trial completed and told its objective.")
    assert run.timings.startup_s is None


def test_a_stop_ends_the_search(tmp_path: Path) -> None:
    """The trials that have not begun do not begin; the others get the same request."""
    stop, begun = StopRequest(), list[int]()

    def stopped(number: int, values: Mapping[str, Any], workspace: Path, asked: StopRequest) -> Run:
        begun.append(number)
        assert asked is stop
        stop.asked.set()
        return trial_run(workspace, "loss=1\n", Status.STOPPED)

    run = run_trials(JOB, stopped, TuningRun(tmp_path, stop))
    assert (run.status, begun, len(run.trials)) == (Status.STOPPED, [0], 3)


def test_an_error_of_the_harness_stops_the_trials_that_run(tmp_path: Path) -> None:
    """It is the search's error; nobody is left running."""
    stops: list[StopRequest] = []

    def away(number: int, values: Mapping[str, Any], workspace: Path, stop: StopRequest) -> Run:
        stops.append(stop)
        raise UnavailableError("the engine went away")

    with pytest.raises(UnavailableError):
        run_trials(JOB, away, TuningRun(tmp_path))
    assert [stop.asked.is_set() for stop in stops] == [True]


def test_a_search_of_which_no_trial_ran_is_told(tmp_path: Path) -> None:
    """With what to do."""

    def refused(number: int, values: Mapping[str, Any], workspace: Path, stop: StopRequest) -> Run:
        raise RunError("no room")

    with pytest.raises(RunError, match="no trial of search-1 could be run"):
        run_trials(JOB, refused, TuningRun(tmp_path))


class Recorder:
    """A target that has no tuner."""

    name: TargetName = "kubernetes"

    def __init__(self) -> None:
        self.events: list[str] = []

    def put_objects(self, compiled: Compiled) -> None:
        """What a trial needs is there before it begins."""
        self.events.append(f"put {_name(compiled)}")

    def run(
        self,
        compiled: Compiled,
        *,
        workspace: Path,
        stop: StopRequest | None = None,  # noqa: ARG002 - the protocol's
        on_line: Callable[[str], None] | None = None,  # noqa: ARG002 - as above
    ) -> Run:
        """A trial."""
        self.events.append(f"run {_name(compiled)}")
        return trial_run(workspace, "loss=1\n")


def _name(compiled: Compiled) -> str:
    return str(compiled.documents[-1]["metadata"]["name"])


def test_a_target_without_a_tuner_runs_a_job_a_trial(tmp_path: Path) -> None:
    """Each under a name of its own, after its objects are there."""
    workload = Tuning.model_validate({
        "name": "search", "image": "team:1", "program": "train.py", "output": "s3://bucket/runs", "strategy": "grid",
        "metrics": {"loss": r"loss=(\S+)"}, "objective": "loss", "goal": "minimize",
        "search_space": {"x": {"type": "choice", "values": [1, 2]}},
    })  # fmt: skip
    target, launch = Recorder(), launch_for(workload, job_name="search-1")
    run = run_tuning(target, workload, launch, TuningRun(tmp_path), target.put_objects)
    names = [trial_name("search-1", number) for number in range(2)]
    assert target.events == [f"{verb} {name}" for name in names for verb in ("put", "run")]
    assert [trial.values for trial in run.trials] == [{"x": 1}, {"x": 2}]
