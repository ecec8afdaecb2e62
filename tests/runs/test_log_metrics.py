"""Metrics that a job's log has, by regular expressions."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.runs.log_metrics import final_metrics, last_value


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
    assert last_value(r"loss=(\S+)", lines) == objective


@given(st.lists(st.floats(allow_nan=False)), st.lists(st.text("abc =", max_size=9)))
def test_of_every_metric_the_last_value_is_kept(values: list[float], noise: list[str]) -> None:
    """Wherever other lines stand; a metric that no line has is left out, and so are all when none is asked for."""
    lines = [*noise, *(f"loss={value!r};" for value in values), *noise]
    expected = {"loss": values[-1]} if values else {}
    assert final_metrics({"loss": r"loss=([^;]+);", "accuracy": r"accuracy=(\S+)"}, iter(lines)) == expected
    assert final_metrics({}, lines) == {}
