"""The search of a tuning job: Optuna says what to try next, any target runs the trials.

Optuna is the optional extra `tuning`.
"""

from __future__ import annotations

import itertools
import json
import math
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lyftlearn_image.errors import RunError, UnavailableError
from lyftlearn_image.run import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from lyftlearn_image.workload import Range


@dataclass(frozen=True)
class Search:
    """What to try. `strategy` is `bayesian`, `random` or `grid` (of choices alone), `goal` `minimize` or `maximize`."""

    ranges: Mapping[str, Range]
    strategy: Literal["bayesian", "random", "grid"]
    goal: Literal["minimize", "maximize"]
    seed: int
    trials: int
    parallel: int


def search(
    settings: Search,
    objective: Callable[[int, Mapping[str, Any]], float | None],
    on_trial: Callable[[Trial], None] = lambda _: None,
) -> tuple[Trial, ...]:
    """Runs every trial and gives them all, in the order of their numbers.

    `objective` gets a trial's number and values, and gives what it reached, None for nothing; a RunError from it is a
    failed trial, and the search goes on. `parallel` of them run at once; `on_trial` gets each at its end. The same seed
    tries the same values as long as the trials end in the same order. Raises UnavailableError without Optuna.
    """
    study = _study(settings)
    distributions = _distributions(settings.ranges)
    done: list[Trial] = []
    running: dict[int, tuple[Any, Mapping[str, Any]]] = {}
    ended: queue.SimpleQueue[tuple[int, float | BaseException | None]] = queue.SimpleQueue()
    while len(done) < settings.trials:
        while len(done) + len(running) < settings.trials and len(running) < settings.parallel:
            trial = study.ask(distributions)
            values = _decoded(settings.ranges, trial.params)
            running[trial.number] = (trial, values)
            # Nobody who interrupts a search waits for its trials.
            threading.Thread(target=_run, args=(objective, trial.number, values, ended), daemon=True).start()
        number, reached = ended.get()
        if isinstance(reached, BaseException):
            raise reached
        trial, tried = running.pop(number)
        _tell(study, trial, reached)
        done.append(Trial(number, tried, reached))
        on_trial(done[-1])
    return tuple(sorted(done, key=lambda trial: trial.number))


def _run(
    objective: Callable[[int, Mapping[str, Any]], float | None],
    number: int,
    values: Mapping[str, Any],
    ended: queue.SimpleQueue[tuple[int, float | BaseException | None]],
) -> None:
    try:
        ended.put((number, objective(number, values)))
    except RunError:
        ended.put((number, None))
    except BaseException as error:  # noqa: BLE001 - raised again by the search's own thread
        ended.put((number, error))


def best_trial(goal: str, trials: Iterable[Trial]) -> Trial | None:
    """The trial that reached most, or least, the first of equals; None where none reached anything."""
    judged = [trial for trial in trials if trial.objective is not None and not math.isnan(trial.objective)]
    sign = 1 if goal == "maximize" else -1
    return max(judged, key=lambda trial: (sign * (trial.objective or 0.0), -trial.number), default=None)


def _study(settings: Search) -> Any:
    try:
        import optuna  # noqa: PLC0415 - an optional extra, and half a second
    except ImportError:
        raise UnavailableError(
            "tuning needs Optuna, which is not installed", hint="pip install 'lyftlearn-image[tuning]'"
        ) from None
    from lyftlearn_image.platforms.trials import first_values  # noqa: PLC0415 - see `_distributions`

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    samplers: dict[str, Callable[[], Any]] = {
        "bayesian": lambda: optuna.samplers.TPESampler(seed=settings.seed),
        "random": lambda: optuna.samplers.RandomSampler(seed=settings.seed),
        "grid": lambda: optuna.samplers.RandomSampler(seed=settings.seed),
    }
    study = optuna.create_study(direction=settings.goal, sampler=samplers[settings.strategy]())
    # Optuna's own sampler of a grid ends its loop itself, and here there is none.
    for values in _grid(settings.ranges) if settings.strategy == "grid" else [first_values(settings.ranges)]:
        study.enqueue_trial(_encoded(settings.ranges, values))
    return study


def _tell(study: Any, trial: Any, reached: float | None) -> None:
    from optuna.trial import TrialState  # noqa: PLC0415 - see `_study`

    if reached is None or math.isnan(reached):
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, reached)


def _distributions(ranges: Mapping[str, Range]) -> dict[str, Any]:
    from optuna import distributions  # noqa: PLC0415 - see `_study`

    from lyftlearn_image.workload import Choice, FloatRange, IntegerRange  # noqa: PLC0415 - 200 ms, for who searches

    made: dict[str, Any] = {}
    for name, values in sorted(ranges.items()):
        match values:
            case FloatRange():
                made[name] = distributions.FloatDistribution(values.low, values.high, log=values.log)
            case IntegerRange():
                made[name] = distributions.IntDistribution(values.low, values.high, log=values.log)
            case Choice():
                made[name] = distributions.CategoricalDistribution([json.dumps(value) for value in values.values])
    return made


def _grid(ranges: Mapping[str, Range]) -> list[dict[str, Any]]:
    """Every combination, beginning with the first of every choice."""
    from lyftlearn_image.workload import Choice  # noqa: PLC0415 - see `_distributions`

    space = {name: choice.values for name, choice in sorted(ranges.items()) if isinstance(choice, Choice)}
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]


def _encoded(ranges: Mapping[str, Range], values: Mapping[str, Any]) -> dict[str, Any]:
    """Choices as JSON: 1, 1.0 and true are one value to Optuna, and three to a script."""
    from lyftlearn_image.workload import Choice  # noqa: PLC0415 - see `_distributions`

    return {name: json.dumps(value) if isinstance(ranges[name], Choice) else value for name, value in values.items()}


def _decoded(ranges: Mapping[str, Range], values: Mapping[str, Any]) -> dict[str, Any]:
    from lyftlearn_image.workload import Choice  # noqa: PLC0415 - see `_distributions`

    return {name: json.loads(value) if isinstance(ranges[name], Choice) else value for name, value in values.items()}
