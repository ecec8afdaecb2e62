"""Tuning without a service: one Job a trial, and Optuna to say what to try next.

Optuna is the optional extra `tuning`. The search space, the objective's regular expression and the goal are those that
SageMaker's tuner gets.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import RunError, UnavailableError
from lyftlearn_image.workload import Choice, FloatRange, IntegerRange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from lyftlearn_image.workload import Range, Training, Tuning


@dataclass(frozen=True)
class Trial:
    """One trial: its number from 0, what it tried, and the objective it reached, None where it failed or told none."""

    number: int
    values: Mapping[str, Any]
    objective: float | None


def search_space(workload: Tuning) -> dict[str, Any]:
    """What to search, towards what and how often, as data."""
    return {
        "objective": {"metric": workload.objective, "regex": workload.metrics[workload.objective], "goal": workload.goal},
        "ranges": {name: one.model_dump(mode="json") for name, one in sorted(workload.search_space.items())},
        "strategy": workload.strategy,
        "early_stopping": workload.early_stopping,
        "seed": workload.seed,
        "max_trials": workload.max_trials,
        "parallel_trials": workload.parallel_trials,
    }


def first_trial(workload: Tuning) -> dict[str, Any]:
    """Where the search begins: the middle of every range, the first of every choice."""
    return {name: _middle(one) for name, one in sorted(workload.search_space.items())}


def objective_of(regex: str, lines: Iterable[str]) -> float | None:
    """The last value that a trial's output has for the objective, as SageMaker takes it; None when there is none."""
    form = re.compile(regex)
    found = None
    for line in lines:
        for match in form.finditer(line):
            try:
                found = float(match[1])
            except ValueError:
                continue
    return found


def tune(workload: Tuning, run_trial: Callable[[int, Training], Iterable[str]]) -> tuple[Trial, ...]:
    """Runs every trial and gives them all, in the order of their numbers.

    `run_trial` gets a trial's number and its training, and gives the lines of its output; a RunError from it is a failed
    trial, and the search goes on. `parallel_trials` of them run at once. The same seed tries the same values as long as
    the trials end in the same order. Raises UnavailableError without Optuna, RunError when no trial told its objective.
    """
    study = _study(workload)
    distributions = _distributions(workload)
    done: list[Trial] = []
    running: dict[Future[float | None], Any] = {}
    regex = workload.metrics[workload.objective]

    def run(number: int, values: Mapping[str, Any]) -> float | None:
        try:
            return objective_of(regex, run_trial(number, workload.as_trial(values)))
        except RunError:
            return None

    with ThreadPoolExecutor(workload.parallel_trials) as threads:
        asked = 0
        while asked < workload.trials or running:
            while asked < workload.trials and len(running) < workload.parallel_trials:
                trial = study.ask(distributions)
                values = _decoded(workload, trial.params)
                running[threads.submit(run, trial.number, values)] = (trial, values)
                asked += 1
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                trial, values = running.pop(future)
                reached = future.result()
                _tell(study, trial, reached)
                done.append(Trial(trial.number, values, reached))
    if all(one.objective is None for one in done):
        raise RunError(
            f"no trial of {workload.name} told its objective {workload.objective}",
            hint=f"Print a line that matches {regex!r} on stdout, once an epoch.",
        )
    return tuple(sorted(done, key=lambda one: one.number))


def best(workload: Tuning, trials: Iterable[Trial]) -> Trial:
    """The trial that reached most, or least, of those that reached anything."""
    told = [(one.objective, -one.number, one) for one in trials if one.objective is not None]
    sign = 1 if workload.goal == "maximize" else -1
    return max(told, key=lambda one: (sign * one[0], one[1]))[2]


def _study(workload: Tuning) -> Any:
    try:
        import optuna  # noqa: PLC0415 - an optional extra, and half a second
    except ImportError:
        raise UnavailableError(
            "tuning on Kubernetes needs Optuna, which is not installed", hint="pip install 'lyftlearn-image[tuning]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    samplers: dict[str, Callable[[], Any]] = {
        "bayesian": lambda: optuna.samplers.TPESampler(seed=workload.seed),
        "random": lambda: optuna.samplers.RandomSampler(seed=workload.seed),
        "grid": lambda: optuna.samplers.RandomSampler(seed=workload.seed),
    }
    study = optuna.create_study(direction=workload.goal, sampler=samplers[workload.strategy]())
    # Optuna's own sampler of a grid ends its loop itself, and here there is none.
    for values in _grid(workload) if workload.strategy == "grid" else [first_trial(workload)]:
        study.enqueue_trial(_encoded(workload, values))
    return study


def _tell(study: Any, trial: Any, reached: float | None) -> None:
    from optuna.trial import TrialState  # noqa: PLC0415 - see `_study`

    if reached is None or math.isnan(reached):
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, reached)


def _distributions(workload: Tuning) -> dict[str, Any]:
    from optuna import distributions  # noqa: PLC0415 - see `_study`

    found: dict[str, Any] = {}
    for name, one in sorted(workload.search_space.items()):
        match one:
            case FloatRange():
                found[name] = distributions.FloatDistribution(one.low, one.high, log=one.log)
            case IntegerRange():
                found[name] = distributions.IntDistribution(one.low, one.high, log=one.log)
            case Choice():
                found[name] = distributions.CategoricalDistribution([json.dumps(value) for value in one.values])
    return found


def _grid(workload: Tuning) -> list[dict[str, Any]]:
    """Every combination, beginning with the first of every choice."""
    space = {name: one.values for name, one in sorted(workload.search_space.items()) if isinstance(one, Choice)}
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]


def _encoded(workload: Tuning, values: Mapping[str, Any]) -> dict[str, Any]:
    """Choices as JSON: 1, 1.0 and true are one value to Optuna, and three to a script."""
    return {
        name: json.dumps(value) if isinstance(workload.search_space[name], Choice) else value for name, value in values.items()
    }


def _decoded(workload: Tuning, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: json.loads(value) if isinstance(workload.search_space[name], Choice) else value for name, value in values.items()
    }


def _middle(one: Range) -> Any:
    match one:
        case FloatRange():
            return math.sqrt(one.low * one.high) if one.log else (one.low + one.high) / 2
        case IntegerRange():
            return round(math.sqrt(one.low * one.high)) if one.log else (one.low + one.high) // 2
        case Choice():
            return one.values[0]
    raise TypeError(type(one))  # pragma: no cover - these are all ranges
