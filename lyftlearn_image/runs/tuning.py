"""Tuning jobs: their trials are training jobs, on SageMaker's own tuner as on a target that has none."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import RunError
from lyftlearn_image.platforms.compile import compile_for
from lyftlearn_image.run import Run, Status, StopRequest, Timings
from lyftlearn_image.runs.log_metrics import last_value
from lyftlearn_image.runs.search import Search, best, search

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from lyftlearn_image.platforms.launch import Compiled, Launch
    from lyftlearn_image.run import Trial
    from lyftlearn_image.runs.target import Target
    from lyftlearn_image.workload import Tuning


def search_of(workload: Tuning) -> Search:
    """What a workload wants to be tried."""
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


def run_trials(  # noqa: PLR0913 - what a tuning job is run with
    wanted: Search,
    job_name: str,
    regex: str,
    run_one: Callable[[int, Mapping[str, Any], Path, StopRequest], Run],
    *,
    workspace: Path,
    stop: StopRequest | None = None,
    on_trial: Callable[[Trial], None] = lambda _: None,
) -> Run:
    """Runs a search whose trials are runs; what the best one left is what the tuning job left.

    `run_one` gets a trial's number, its values, and a directory of its own. A stop ends every trial, and the search.
    """
    asked = stop or StopRequest()
    runs: dict[int, Run] = {}

    def reach(number: int, values: Mapping[str, Any]) -> float | None:
        if asked.asked.is_set():
            raise RunError("the tuning job was stopped")
        place = workspace / "trials" / trial_name(job_name, number)
        place.mkdir(parents=True)
        runs[number] = run = run_one(number, values, place, asked)
        return last_value(regex, _log(run)) if run.status is Status.COMPLETED else None

    try:
        trials = search(wanted, reach, on_trial)
    except BaseException:
        asked.asked.set()
        raise
    return _run_of(job_name, wanted.goal, trials, runs, is_stopped=asked.asked.is_set())


def run_tuning(  # noqa: PLR0913 - what a tuning job is run with
    target: Target,
    workload: Tuning,
    launch: Launch,
    prepare: Callable[[Compiled], None],
    *,
    workspace: Path,
    stop: StopRequest | None = None,
    on_trial: Callable[[Trial], None] = lambda _: None,
) -> Run:
    """Runs a tuning job on a target that has no tuner: one job a trial. `prepare` puts a trial's objects into S3."""

    def run_one(number: int, values: Mapping[str, Any], place: Path, stop: StopRequest) -> Run:
        named = dataclasses.replace(launch, job_name=trial_name(launch.job_name, number))
        compiled = compile_for(target.name, workload.as_trial(values), named)
        prepare(compiled)
        return target.run(compiled, workspace=place, stop=stop)

    regex = workload.metrics[workload.objective]
    return run_trials(search_of(workload), launch.job_name, regex, run_one, workspace=workspace, stop=stop, on_trial=on_trial)


def _run_of(job_name: str, goal: str, trials: tuple[Trial, ...], runs: Mapping[int, Run], *, is_stopped: bool) -> Run:
    """The tuning job's own end. Without any objective it has failed, as the service has it."""
    winner = best(goal, trials)
    told = runs[winner.number] if winner else next(iter(runs.values()), None)
    if told is None:
        raise RunError(f"no trial of {job_name} could be run", hint="Run the training by itself: it says what is wrong.")
    status = Status.STOPPED if is_stopped else Status.COMPLETED if winner else Status.FAILED
    reason = "" if winner or is_stopped else "No trial completed and told its objective."
    return dataclasses.replace(
        told, job_name=job_name, status=status, reason=reason, trials=trials, timings=_of_all(runs.values())
    )


def _of_all(runs: Iterable[Run]) -> Timings:
    """The seconds of all trials together; how many run side by side is the search's."""
    timings = [run.timings for run in runs]
    startups = [one.startup_s for one in timings if one.startup_s is not None]
    return Timings(
        prepare_s=sum(one.prepare_s for one in timings),
        startup_s=sum(startups) if startups else None,
        script_s=sum(one.script_s for one in timings),
        collect_s=sum(one.collect_s for one in timings),
    )


def _log(run: Run) -> Iterator[str]:
    for path in (run.stdout, run.stderr):
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from file
