"""Tuning jobs, whose trials are training jobs: in SageMaker's emulated tuner, and on targets that have no tuner."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from lyftlearn_image.errors import RunError
from lyftlearn_image.run import Run, Status, StopRequest, Timings
from lyftlearn_image.runs.log_lines import read_lines
from lyftlearn_image.runs.log_metrics import last_value
from lyftlearn_image.runs.search import Search, best_trial, search

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from lyftlearn_image.platforms.launch import Compiled, Launch
    from lyftlearn_image.run import Trial
    from lyftlearn_image.runs.target import Target
    from lyftlearn_image.workload import Tuning


def search_settings(workload: Tuning) -> Search:
    """The search that a workload describes."""
    return Search(
        ranges=workload.search_space,
        strategy=workload.strategy,
        goal=workload.goal,
        seed=workload.seed,
        trials=workload.trials,
        parallel=workload.parallel_trials,
    )


def trial_name(job_name: str, number: int) -> str:
    """A trial's name: the tuning job's, a number from 1, and a digest (the form of names in real tuning jobs)."""
    digest = hashlib.sha256(f"{job_name}/{number}".encode()).hexdigest()[:8]
    return f"{job_name}-{number + 1:03}-{digest}"


@dataclass(frozen=True)
class TuningJob:
    """A tuning job's name, what it tries, and the regular expression whose group is the objective in a trial's log."""

    name: str
    search: Search
    objective_regex: str


@dataclass(frozen=True)
class TuningRun:
    """How a tuning job is run: in which directory, who may stop it, and who gets each trial at its end."""

    workspace: Path
    stop: StopRequest | None = None
    on_trial: Callable[[Trial], None] = field(default=lambda _: None)


class TrialRunner(Protocol):
    """Runs one trial."""

    def __call__(self, number: int, values: Mapping[str, Any], workspace: Path, stop: StopRequest, /) -> Run:
        """The trial with this number, from 0, and these values. A RunError is a failed trial, and the search goes on."""


def run_trials(job: TuningJob, run_trial: TrialRunner, settings: TuningRun) -> Run:
    """Runs a search whose trials are runs; what the best one left is what the tuning job left.

    `run_trial` gets a trial's number, its values, and a directory of its own. A stop ends every trial, and the search.
    """
    stop = settings.stop or StopRequest()
    runs: dict[int, Run] = {}

    def objective(number: int, values: Mapping[str, Any]) -> float | None:
        if stop.asked.is_set():
            raise RunError("the tuning job was stopped")
        workspace = settings.workspace / "trials" / trial_name(job.name, number)
        workspace.mkdir(parents=True)
        runs[number] = run = run_trial(number, values, workspace, stop)
        return last_value(job.objective_regex, read_lines((run.stdout, run.stderr))) if run.status is Status.COMPLETED else None

    try:
        trials = search(job.search, objective, settings.on_trial)
    except BaseException:
        stop.asked.set()
        raise
    return _tuning_result(job, trials, runs, is_stopped=stop.asked.is_set())


def run_tuning(
    target: Target,
    workload: Tuning,
    launch: Launch,
    settings: TuningRun,
    put_objects: Callable[[Compiled], None] = lambda _: None,
) -> Run:
    """Runs a tuning job on a target that has no tuner: one job a trial.

    `put_objects` puts what a trial's request needs into S3, where the target does not do so itself.
    """
    from lyftlearn_image.platforms.compile import compile_for  # noqa: PLC0415 - with all kinds of workloads: 200 ms

    def run_trial(number: int, values: Mapping[str, Any], workspace: Path, stop: StopRequest) -> Run:
        trial_launch = dataclasses.replace(launch, job_name=trial_name(launch.job_name, number))
        compiled = compile_for(target.name, workload.as_trial(values), trial_launch)
        put_objects(compiled)
        return target.run(compiled, workspace=workspace, stop=stop)

    job = TuningJob(launch.job_name, search_settings(workload), workload.metrics[workload.objective])
    return run_trials(job, run_trial, settings)


def _tuning_result(job: TuningJob, trials: tuple[Trial, ...], runs: Mapping[int, Run], *, is_stopped: bool) -> Run:
    """The tuning job's own end. Without any objective it has failed, as the service has it."""
    best = best_trial(job.search.goal, trials)
    shown = runs[best.number] if best else next(iter(runs.values()), None)
    if shown is None:
        raise RunError(f"no trial of {job.name} could be run", hint="Run the training by itself: it says what is wrong.")
    status = Status.STOPPED if is_stopped else Status.COMPLETED if best else Status.FAILED
    reason = "" if best or is_stopped else "No trial completed and told its objective."
    return dataclasses.replace(
        shown, job_name=job.name, status=status, reason=reason, trials=trials, timings=_total(runs.values())
    )


def _total(runs: Iterable[Run]) -> Timings:
    """The seconds of all trials together; how many run side by side is the search's."""
    timings = [run.timings for run in runs]
    startups = [timing.startup_s for timing in timings if timing.startup_s is not None]
    return Timings(
        prepare_s=sum(timing.prepare_s for timing in timings),
        startup_s=sum(startups) if startups else None,
        script_s=sum(timing.script_s for timing in timings),
        collect_s=sum(timing.collect_s for timing in timings),
    )
