"""Tuning without a service: what is tried, what is read from a trial's output, what counts as best."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.errors import RunError, UnavailableError
from lyftlearn_image.targets import request
from lyftlearn_image.targets.kubernetes import tuning
from lyftlearn_image.workload import Training, Tuning

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def bowl(number: int, trial: Training) -> Iterator[str]:
    """A trial whose loss is least at depth 5 and a small rate."""
    yield f"trial {number} begins"
    values = trial.hyperparameters
    yield f"loss={(int(str(values['depth'])) - 5) ** 2 + float(str(values['rate']))}"


def test_every_trial_is_a_training_with_values_from_the_space() -> None:
    """The static hyperparameters are in each, and the one that SageMaker's tuner adds."""
    seen: list[Training] = []

    def run(number: int, trial: Training) -> Iterator[str]:
        seen.append(trial)
        return bowl(number, trial)

    trials = tuning.tune(WORKLOAD, run)
    assert [one.number for one in trials] == list(range(12))
    for trial in seen:
        values = trial.hyperparameters
        assert (values["epochs"], values["_tuning_objective_metric"]) == (2, "loss")
        assert 0.001 <= float(str(values["rate"])) <= 1
        assert values["depth"] in range(1, 10)
        assert any(
            values["mode"] is one or (values["mode"] == one and type(values["mode"]) is type(one))
            for one in ("a", 1, True, 1.5)
        )


def test_the_search_begins_with_the_trial_that_is_compiled() -> None:
    """What compile prints is what runs first."""
    first = tuning.tune(WORKLOAD.with_(max_trials=1), bowl)[0]
    assert first.values == tuning.first_trial(WORKLOAD)
    compiled = request.compile_for("kubernetes", WORKLOAD, request.launch_of(WORKLOAD))
    assert '"depth":5' in next(one for one in compiled.documents if "bundle.json" in one.get("data", {}))["data"]["bundle.json"]


def test_the_same_seed_tries_the_same() -> None:
    """So that a search can be run again."""
    one, two = (tuning.tune(WORKLOAD, bowl) for _ in range(2))
    assert one == two
    assert one != tuning.tune(WORKLOAD.with_(seed=4), bowl)


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_the_best_is_least_or_most(goal: str) -> None:
    """As the workload says; of equals the first."""
    workload = WORKLOAD.with_(goal=goal)
    trials = tuning.tune(workload, bowl)
    reached = [one.objective for one in trials if one.objective is not None]
    assert tuning.best(workload, trials).objective == (min(reached) if goal == "minimize" else max(reached))


def test_a_grid_tries_every_combination() -> None:
    """Choices only, each combination once, however many trials were asked for; SageMaker is told the same number."""
    space = {"a": {"type": "choice", "values": [1, 2]}, "b": {"type": "choice", "values": ["x", "y"]}}
    workload = WORKLOAD.with_(strategy="grid", search_space=space)
    trials = tuning.tune(workload, lambda _, __: ["loss=1"])
    request_ = request.compile_for("sagemaker", workload, request.launch_of(workload)).documents[0]
    assert request_["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] == len(trials) == 4
    assert {(one.values["a"], one.values["b"]) for one in trials} == {(1, "x"), (1, "y"), (2, "x"), (2, "y")}


def test_so_many_trials_run_at_once() -> None:
    """Three that wait for each other end only when they run together."""
    barrier = threading.Barrier(3, timeout=20)

    def run(number: int, trial: Training) -> Iterator[str]:
        barrier.wait()
        return bowl(number, trial)

    assert len(tuning.tune(WORKLOAD.with_(max_trials=6, parallel_trials=3), run)) == 6


def test_a_trial_that_fails_does_not_end_the_search() -> None:
    """It has no objective; where no trial has one, there is nothing to give."""

    def run(number: int, trial: Training) -> Iterator[str]:
        if number % 2:
            raise RunError("the pod was evicted")
        return bowl(number, trial)

    trials = tuning.tune(WORKLOAD.with_(max_trials=4), run)
    assert [one.objective is None for one in trials] == [False, True, False, True]
    with pytest.raises(RunError, match="no trial of search told its objective loss"):
        tuning.tune(WORKLOAD.with_(max_trials=2), lambda _, __: ["nothing"])


@pytest.mark.parametrize(
    ("lines", "objective"),
    [
        (["loss=0.5"], 0.5),
        (["loss=3", "epoch 2 loss=1e-3 done"], 0.001),
        (["loss=3 loss=4"], 4.0),
        (["loss=3", "loss=soon"], 3.0),
        (["nothing"], None),
    ],
)
def test_the_last_number_counts(lines: list[str], objective: float | None) -> None:
    """As SageMaker takes the last value that its regular expression finds."""
    assert tuning.objective_of(r"loss=(\S+)", lines) == objective


@given(st.floats(1e-6, 1e6), st.floats(1.001, 1e6), st.booleans())
def test_the_first_value_is_in_its_range(low: float, factor: float, log: bool) -> None:  # noqa: FBT001 - drawn
    """Of any range, logarithmic or not."""
    space = {"x": {"type": "float", "low": low, "high": low * factor, "log": log}}
    assert low <= tuning.first_trial(WORKLOAD.with_(search_space=space))["x"] <= low * factor


def test_without_optuna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is optional: compiling needs none of it."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UnavailableError, match="Optuna") as refused:
        tuning.tune(WORKLOAD, bowl)
    assert "lyftlearn-image[tuning]" in refused.value.hint
