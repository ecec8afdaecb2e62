"""Models: their files are compared first, then what they predict, on rows that are given or found."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import Ridge

from lyftlearn_image.errors import RunError
from lyftlearn_image.parity.compare import models
from lyftlearn_image.parity.compare.comparator import ComparatorContext
from lyftlearn_image.parity.compare.model_files.process import compare_here
from lyftlearn_image.parity.compare.model_reader import Rows
from lyftlearn_image.parity.compare.model_reply import Reply
from lyftlearn_image.parity.compare.options import Options
from lyftlearn_image.parity.compare.registry import compare_pair
from tests.parity.compare.pairs import EXACT

if TYPE_CHECKING:
    from pathlib import Path

    from lyftlearn_image.parity.differences import Difference


def predicted(*values: float, failed: dict[str, str] | None = None) -> Reply:
    """The answer of a container whose model predicts these values."""
    array = {
        "kind": "array",
        "dtype": "<f8",
        "shape": [len(values)],
        "base64": base64.b64encode(np.array(values).tobytes()).decode(),
    }
    return Reply.model_validate(
        {"models": [{"model": "", "rows": "X.npy", "values": {"predict": array}, "failed": failed or {}}]}
    )


@dataclass
class Predictions:
    """Stands where models are opened, and answers so."""

    answers: tuple[Reply | RunError, Reply | RunError] = (predicted(1.0), predicted(1.0))
    asked: list[Any] = field(default_factory=list)

    def predict(self, models: tuple[Path, Path], rows: tuple[Rows, Rows]) -> tuple[Reply | RunError, Reply | RunError]:
        """The answers, and what was asked is noted."""
        self.asked.append((models, rows))
        return self.answers


@dataclass
class Case:
    """Two model files, what their models predict, and the rows that there are."""

    directory: Path
    reader: Predictions = field(default_factory=Predictions)
    channels: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[Path, Path]:
        """The two models."""
        return self.directory / "left.joblib", self.directory / "right.joblib"

    def write(self, left: Any, right: Any) -> Case:
        """Writes them; the second with another compression, so that no two files have the same bytes."""
        joblib.dump(left, self.files[0])
        joblib.dump(right, self.files[1], compress=1)
        return self

    def compare(
        self, options: Options = EXACT, artifacts: tuple[dict[str, Path], dict[str, Path]] = ({}, {})
    ) -> tuple[Difference, ...]:
        """What is found."""
        return compare_pair("model", self.files, options, ComparatorContext(self.reader, *artifacts, self.channels))  # type: ignore[arg-type]


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """Two files of one model, and rows in a channel."""
    # A process of its own finds the same (test_process.py), and takes a moment to start.
    monkeypatch.setattr(models, "compare_models", compare_here)
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "X.npy").touch()
    return Case(tmp_path, channels=(tmp_path / "train",)).write({"a": 1.0}, {"a": 1.0})


def test_a_model_is_the_same_by_content_and_by_predictions(case: Case) -> None:
    """On the rows of a channel, both on the same ones, where nobody named any."""
    assert case.compare() == ()
    rows = Rows((case.directory / "train" / "X.npy",), is_given=False)
    assert case.reader.asked == [(case.files, (rows, rows))]


def test_content_and_predictions_each_count(case: Case) -> None:
    """Content that differs where predictions are the same, and the other way round."""
    case.reader.answers = (predicted(1.0), predicted(2.0))
    assert [each.place for each in case.compare()] == ["/predict[0]"]
    case.reader.answers = (predicted(1.0), predicted(1.0))
    assert [each.place for each in case.write({"a": 1.0}, {"a": 2.0}).compare()] == ["/a"]


def test_the_options_of_the_rule(case: Case) -> None:
    """Tolerance and what is ignored apply to both."""
    case.write({"a": 1.0, "b": 2}, {"a": 1.5, "b": 3}).reader.answers = (predicted(1.0), predicted(1.5))
    assert [each.place for each in case.compare()] == ["/a", "/b", "/predict[0]"]
    assert case.compare(Options(atol=0.5, ignore=("/b",))) == ()


def test_files_of_the_same_bytes_are_not_opened(case: Case) -> None:
    """They are one model; also when nobody could open it."""
    for path in case.files:
        path.write_bytes(b"no pickle")
    assert case.compare() == ()
    assert case.reader.asked == []


def test_a_file_that_cannot_be_looked_into_is_never_the_same(case: Case) -> None:
    """No model is opened then; the reason is told."""
    case.files[1].write_bytes(b"no pickle")
    (found,) = case.compare()
    assert found.accepted is None
    assert found.detail.startswith("not comparable: right.joblib cannot be looked into")
    assert case.reader.asked == []


def test_without_rows_it_is_told_that_nothing_was_predicted(case: Case) -> None:
    """As an accepted difference, which is in every report."""
    case.channels = ()
    (found,) = case.compare()
    assert found.detail == "predictions were not compared: no rows to predict on were found"
    assert found.accepted
    assert case.reader.asked == []


@pytest.mark.parametrize(
    ("left", "right", "counts"),
    [(True, True, False), (True, False, True), (False, True, True)],
    ids=["both", "the left one", "the right one"],
)
def test_a_model_that_does_not_predict_on_rows_that_were_found(case: Case, left: bool, right: bool, counts: bool) -> None:  # noqa: FBT001
    """Both alike: told. Only one of them: a difference."""
    error = RunError("it takes none of the rows")
    case.reader.answers = (error if left else predicted(1.0), error if right else predicted(1.0))
    (found,) = case.compare()
    assert (found.accepted is None) == counts
    assert "predictions" in found.detail


def test_a_model_that_does_not_predict_on_rows_that_were_given_is_no_parity(case: Case) -> None:
    """Somebody asked for it."""
    case.reader.answers = (RunError("no"), RunError("no"))
    sides = {"output": case.directory / "train"}
    (found,) = case.compare(Options(inputs="output/X.npy"), (sides, sides))
    assert found.accepted is None
    assert (found.left, found.right) == ("no", "no")


def test_a_method_that_fails_alike_is_told(case: Case) -> None:
    """The others are compared; one that fails on one side only is a difference."""
    failing = predicted(1.0, failed={"transform": "ValueError: no"})
    case.reader.answers = (failing, failing)
    (found,) = case.compare()
    assert found.accepted
    assert found.detail == "predictions were not compared: transform: ValueError: no"
    case.reader.answers = (failing, predicted(1.0))
    assert any(each.accepted is None for each in case.compare())


def test_each_model_predicts_on_the_rows_of_its_own_side(case: Case) -> None:
    """Below the artifact that the rule names."""
    sides = []
    for side in ("left", "right"):
        (case.directory / side / "data").mkdir(parents=True)
        (case.directory / side / "data" / "X.npy").touch()
        sides.append({"output": case.directory / side})
    assert case.compare(Options(inputs="output/data/X.npy"), (sides[0], sides[1])) == ()
    rows = [Rows((case.directory / side / "data/X.npy",), is_given=True) for side in ("left", "right")]
    assert case.reader.asked == [(case.files, tuple(rows))]


@pytest.mark.parametrize("inputs", ["output/X.npy", "model/X.npy", "output", "output/data"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_rows_that_are_not_there_are_told(inputs: str, side: str, case: Case) -> None:
    """On whichever side; no model is opened then."""
    other = case.directory / "other"
    for directory in (case.directory / "data", other / "data"):
        directory.mkdir(parents=True)
    for name in ("X.npy", "output"):
        (other / name).touch()
    sides = {"left": {"output": other, "model": other}, "right": {"output": other, "model": other}}
    sides[side] = {"output": case.directory}
    (found,) = case.compare(Options(inputs=inputs), (sides["left"], sides["right"]))
    assert (found.place, found.accepted) == ("inputs", None)
    assert found.detail.startswith(f"there is no {inputs} to predict on on the")
    assert side in found.detail
    assert case.reader.asked == []


def test_rows_are_found_below_channels(case: Case) -> None:
    """Tables and arrays, in the order of their names, not too many and none that is huge."""
    train = case.directory / "train"
    (train / "below").mkdir()
    for name in ("a.csv", "b.txt", "below/c.parquet", "model.joblib", *(f"z{number}.csv" for number in range(9))):
        (train / name).touch()
    with (train / "huge.csv").open("wb") as file:
        file.truncate(1 << 30)
    case.channels = (train / "a.csv", train)
    case.compare()
    ((_, (rows, _)),) = case.reader.asked
    assert [path.name for path in rows.paths] == [
        "a.csv",
        "X.npy",
        "a.csv",
        "c.parquet",
        "z0.csv",
        "z1.csv",
        "z2.csv",
        "z3.csv",
    ]


def test_many_differences_are_counted_not_listed(case: Case) -> None:
    """A report stays readable."""
    case.write(list(range(100)), list(range(1, 101)))
    assert len(case.compare()) == 21


def test_estimators_are_compared_as_they_were(case: Case) -> None:
    """By parameters and by what fitting made."""
    rows = np.arange(6.0).reshape(3, 2)
    case.write(Ridge(alpha=1).fit(rows, rows[:, 0]), Ridge(alpha=2).fit(rows, rows[:, 0]))
    assert {"/parameters/alpha", "/fitted/coef_[0]"} <= {each.place.replace("[1]", "[0]") for each in case.compare()}
