"""The search of a tuning job: what is tried, how many at once, what counts as best."""

from __future__ import annotations

import dataclasses
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.errors import RunError, UnavailableError
from lyftlearn_image.platforms.compile import compile_for, launch_for
from lyftlearn_image.platforms.trials import first_trial, first_values
from lyftlearn_image.runs.search import best_trial, search
from lyftlearn_image.runs.tuning import search_settings
from lyftlearn_image.workload import Tuning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.run import Trial

SEARCH: dict[str, Any] = {
    "name": "search", "image": "team:1", "program": "train.py", "output": "s3://bucket/runs", "max_trials": 12, "seed": 3,
    "hyperparameters": {"epochs": 2}, "metrics": {"loss": r"loss=(\S+)"}, "objective": "loss", "goal": "minimize",
    "search_space": {
        "rate": {"type": "float", "low": 0.001, "high": 1, "log": True},
        "depth": {"type": "int", "low": 1, "high": 9},
        "mode": {"type": "choice", "values": ["a", 1, True, 1.5]},
    },
}  # fmt: skip
WORKLOAD = Tuning.model_validate(SEARCH)


def bowl(_: int, values: Mapping[str, Any]) -> float:
    """A loss that is least at depth 5 and a small rate."""
    return float((values["depth"] - 5) ** 2 + values["rate"])


def tried(workload: Tuning) -> tuple[Trial, ...]:
    """The trials of a search in the bowl."""
    return search(search_settings(workload), bowl)


def test_every_trial_is_a_training_with_values_from_the_space() -> None:
    """The static hyperparameters are in each, and the one that SageMaker's tuner adds."""
    trials = tried(WORKLOAD)
    assert [one.number for one in trials] == list(range(12))
    for one in trials:
        values = WORKLOAD.as_trial(one.values).hyperparameters
        assert (values["epochs"], values["_tuning_objective_metric"]) == (2, "loss")
        assert 0.001 <= float(str(values["rate"])) <= 1
        assert values["depth"] in range(1, 10)
        assert any(values["mode"] == mode and type(values["mode"]) is type(mode) for mode in ("a", 1, True, 1.5))


def test_the_search_begins_with_the_trial_that_is_compiled() -> None:
    """What compile prints is what runs first."""
    first = tried(WORKLOAD.with_(max_trials=1))[0]
    assert WORKLOAD.as_trial(first.values) == first_trial(WORKLOAD)
    compiled = compile_for("kubernetes", WORKLOAD, launch_for(WORKLOAD))
    assert '"depth":5' in next(one for one in compiled.documents if "bundle.json" in one.get("data", {}))["data"]["bundle.json"]


def test_the_same_seed_tries_the_same() -> None:
    """So that a search can be run again."""
    assert tried(WORKLOAD) == tried(WORKLOAD)
    assert tried(WORKLOAD) != tried(WORKLOAD.with_(seed=4))


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_the_best_is_least_or_most(goal: str) -> None:
    """As the workload says; of equals the first; none where nothing was reached."""
    trials = tried(WORKLOAD.with_(goal=goal))
    reached = [one.objective for one in trials if one.objective is not None]
    winner = best_trial(goal, trials)
    assert winner is not None
    assert winner.objective == (min(reached) if goal == "minimize" else max(reached))
    assert best_trial(goal, (winner, dataclasses.replace(winner, number=99))) == winner
    assert best_trial(goal, [dataclasses.replace(winner, objective=nothing) for nothing in (None, float("nan"))]) is None


def test_a_grid_tries_every_combination() -> None:
    """Choices only, each combination once, however many trials were asked for; SageMaker is told the same number."""
    space = {"a": {"type": "choice", "values": [1, 2]}, "b": {"type": "choice", "values": ["x", "y"]}}
    workload = WORKLOAD.with_(strategy="grid", search_space=space)
    trials = search(search_settings(workload), lambda _, __: 1.0)
    request_ = compile_for("sagemaker", workload, launch_for(workload)).documents[0]
    assert request_["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] == len(trials) == 4
    assert {(one.values["a"], one.values["b"]) for one in trials} == {(1, "x"), (1, "y"), (2, "x"), (2, "y")}


def test_so_many_trials_run_at_once() -> None:
    """Three that wait for each other end only when they run together."""
    barrier = threading.Barrier(3, timeout=20)

    def objective(number: int, values: Mapping[str, Any]) -> float:
        barrier.wait()
        return bowl(number, values)

    assert len(search(search_settings(WORKLOAD.with_(max_trials=6, parallel_trials=3)), objective)) == 6


def test_a_trial_that_fails_does_not_end_the_search() -> None:
    """It has no objective."""

    def objective(number: int, values: Mapping[str, Any]) -> float:
        if number % 2:
            raise RunError("the pod was evicted")
        return bowl(number, values)

    trials = search(search_settings(WORKLOAD.with_(max_trials=4)), objective)
    assert [one.objective is None for one in trials] == [False, True, False, True]


@given(st.floats(1e-6, 1e6), st.floats(1.001, 1e6), st.booleans())
def test_the_first_value_is_in_its_range(low: float, factor: float, log: bool) -> None:  # noqa: FBT001 - drawn
    """Of any range, logarithmic or not."""
    space = {"x": {"type": "float", "low": low, "high": low * factor, "log": log}}
    assert low <= first_values(WORKLOAD.with_(search_space=space).search_space)["x"] <= low * factor


def test_without_optuna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is optional: compiling needs none of it."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UnavailableError, match="Optuna") as refused:
        tried(WORKLOAD)
    assert "lyftlearn-image[tuning]" in refused.value.hint
