"""Models as they were described: a change is found where it is; without rows or a description it is a difference."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from lyftlearn_image.errors import RunError
from lyftlearn_image.parity.compare.comparator import ComparatorContext
from lyftlearn_image.parity.compare.models import compare
from lyftlearn_image.parity.compare.options import Options
from lyftlearn_image.parity.differences import Difference
from tests.parity.compare.pairs import EXACT, VALUES, changed_values, pointer

FILES = Path("left.joblib"), Path("right.joblib")


@dataclass
class Descriptions:
    """Stands where models are opened, and answers with these descriptions, or with this error."""

    pair: tuple[Any, Any] | RunError
    asked: list[Any] = field(default_factory=list)

    def describe(self, pair: tuple[Path, Path], inputs: tuple[Path, Path] | None) -> tuple[Any, Any]:
        """The two of them, and what was asked is noted."""
        self.asked.append((pair, inputs))
        if isinstance(self.pair, RunError):
            raise self.pair
        return self.pair


def compare_described(left: Any, right: Any, options: Options = EXACT) -> tuple[Difference, ...]:
    """What is found in two models of these descriptions."""
    return compare(*FILES, options, ComparatorContext(Descriptions((left, right)), {}, {}))  # type: ignore[arg-type]


@given(VALUES)
def test_a_model_is_the_same_as_itself(description: Any) -> None:
    """Whatever is known of it."""
    assert compare_described({"fitted": description}, {"fitted": description}) == ()


@given(changed_values())
def test_a_change_is_told_where_it_is(change: tuple[Any, Any, tuple[str | int, ...]]) -> None:
    """In class, parameters, fitted attributes or predictions."""
    left, right, path = change
    for part in ("class", "parameters", "fitted", "predict"):
        found = compare_described({part: left}, {part: right})
        assert [each.place for each in found] == [pointer((part, *path))]


def test_the_options_of_the_rule() -> None:
    """Tolerance, and what is ignored."""
    left, right = {"predict": [1.0], "parameters": {"n_jobs": 1}}, {"predict": [1.5], "parameters": {"n_jobs": 2}}
    assert [each.place for each in compare_described(left, right, Options(atol=0.5))] == ["/parameters/n_jobs"]
    assert compare_described(left, right, Options(atol=0.5, ignore=("/parameters/n_jobs",))) == ()


def test_many_differences_are_counted_not_listed() -> None:
    """A report stays readable."""
    assert len(compare_described(list(range(100)), list(range(1, 101)))) == 21


def test_a_model_that_cannot_be_opened_is_a_difference() -> None:
    """With the reason."""
    reader = Descriptions(RunError("it could not be opened", where="here"))
    found = compare(*FILES, EXACT, ComparatorContext(reader, {}, {}))  # type: ignore[arg-type]
    assert found == (Difference("", "left.joblib", "right.joblib", str(RunError("it could not be opened", where="here"))),)
    assert reader.asked == [(FILES, None)]


def test_each_model_predicts_on_the_rows_of_its_own_side(tmp_path: Path) -> None:
    """Below the artifact that the rule names."""
    for side in ("left", "right"):
        (tmp_path / side / "data").mkdir(parents=True)
        (tmp_path / side / "data" / "X.npy").touch()
    reader = Descriptions(({}, {}))
    context = ComparatorContext(reader, {"output": tmp_path / "left"}, {"output": tmp_path / "right"})  # type: ignore[arg-type]
    assert compare(*FILES, Options(inputs="output/data/X.npy"), context) == ()
    assert reader.asked == [(FILES, (tmp_path / "left/data/X.npy", tmp_path / "right/data/X.npy"))]


@pytest.mark.parametrize("inputs", ["output/X.npy", "model/X.npy", "output", "output/data"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_rows_that_are_not_there_are_told(inputs: str, side: str, tmp_path: Path) -> None:
    """On whichever side; no model is opened then."""
    other = tmp_path / "other"
    for directory in (tmp_path / "data", other / "data"):
        directory.mkdir(parents=True)
    for name in ("X.npy", "output"):
        (other / name).touch()
    reader = Descriptions(({}, {}))
    sides = {"left": {"output": other, "model": other}, "right": {"output": other, "model": other}}
    sides[side] = {"output": tmp_path}
    (found,) = compare(*FILES, Options(inputs=inputs), ComparatorContext(reader, sides["left"], sides["right"]))  # type: ignore[arg-type]
    assert (found.place, found.detail) == ("inputs", f"there is no {inputs} to predict on")
    assert getattr(found, side) == "None"
    assert reader.asked == []
