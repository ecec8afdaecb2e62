"""The program that opens a model in its image: what it opens, on which rows it predicts, and what it writes."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Protocol

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.mixture import GaussianMixture
from sklearn.svm import SVC

from lyftlearn_image.parity.compare import predict_model
from lyftlearn_image.parity.compare.model_reply import read_reply
from tests.parity.compare.warm_interpreter import WarmInterpreter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROWS = np.random.default_rng(0).normal(size=(40, 3))
LABELS = (ROWS[:, 0] > 0).astype(int)
TABLE = pd.DataFrame(ROWS, columns=["a", "b", "c"])


class Run(Protocol):
    """Runs the program."""

    def __call__(self, model: Path, rows: list[Path], *, given: bool = True) -> Any:
        """What it writes."""


@pytest.fixture(scope="module")
def interpreter() -> Iterator[WarmInterpreter]:
    """As in the image, with its libraries."""
    with WarmInterpreter("joblib", "pandas", "pyarrow.parquet", "sklearn.linear_model") as interpreter:
        yield interpreter


@pytest.fixture
def run(interpreter: WarmInterpreter, tmp_path: Path) -> Run:
    """Runs the program in a process of its own."""

    def run(model: Path, rows: list[Path], *, given: bool = True) -> Any:
        output = tmp_path / "reply.json"
        code = interpreter.run(predict_model.__file__, [str(model), json.dumps({"given": given}), *map(str, rows)], output)
        assert code == 0
        return json.loads(output.read_bytes())

    return run


def written(directory: Path, name: str, value: Any) -> Path:
    """A file with a model or with rows."""
    path = directory / name
    if name.endswith(".npy"):
        np.save(path, value)
    elif name.endswith(".csv"):
        value.to_csv(path, index=False)
    elif name.endswith(".parquet"):
        value.to_parquet(path)
    else:
        joblib.dump(value, path)
    return path


@pytest.mark.parametrize(
    ("model", "methods"),
    [
        (Ridge().fit(ROWS, LABELS), {"predict"}),
        (LogisticRegression().fit(ROWS, LABELS), {"predict", "predict_proba", "decision_function"}),
        (SVC().fit(ROWS, np.where(LABELS, "yes", "no")), {"predict", "decision_function"}),
        (PCA().fit(ROWS), {"transform", "score_samples"}),
        (IsolationForest(n_estimators=3).fit(ROWS), {"predict", "decision_function", "score_samples"}),
        (GaussianMixture().fit(ROWS), {"predict", "predict_proba", "score_samples"}),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, set) else "",
)
def test_every_method_that_predicts_is_called(model: Any, methods: set[str], run: Run, tmp_path: Path) -> None:
    """And what it gives is what the model gives here."""
    reply = run(written(tmp_path, "model.joblib", model), [written(tmp_path, "X.npy", ROWS)])
    (found,) = reply["models"]
    assert set(found["values"]) == methods
    assert (found["rows"], found["failed"]) == ("X.npy", {})
    for method in methods:
        assert found["values"][method] == predict_model.to_data(getattr(model, method)(ROWS))
    assert read_reply(json.dumps(reply).encode())


def test_models_of_a_bundle_are_found(run: Run, tmp_path: Path) -> None:
    """In dictionaries, lists and objects, each with its place."""
    bundle = {"models": [Ridge().fit(ROWS, LABELS)], "best": {"of all": PCA().fit(ROWS)}, "columns": ["a"]}
    reply = run(written(tmp_path, "model.joblib", bundle), [written(tmp_path, "X.npy", ROWS)])
    assert [each["model"] for each in reply["models"]] == ["/models/0", "/best/of all"]


def test_words_are_predicted_and_transformed(run: Run, tmp_path: Path) -> None:
    """From rows of words, into a sparse matrix."""
    model = TfidfVectorizer().fit(["red green", "green blue"])
    for rows in (np.array(["red", "blue blue"]), pd.DataFrame({"n": [1, 2], "text": ["red", "blue blue"]})):
        name = "X.npy" if isinstance(rows, np.ndarray) else "X.csv"
        reply = run(written(tmp_path, "m.joblib", model), [written(tmp_path, name, rows)], given=name == "X.npy")
        assert reply["models"][0]["values"]["transform"]["kind"] == "sparse matrix"


@pytest.mark.parametrize("name", ["X.csv", "X.parquet"])
def test_rows_that_nobody_chose_are_made_to_fit(name: str, run: Run, tmp_path: Path) -> None:
    """By the names of the columns, else by as many columns of numbers as the model takes; of 1,000 rows at most."""
    table = pd.DataFrame({"id": ["x"] * 1500, "c": 1.0, "b": 2.0, "a": 3.0, "label": 1})
    path = written(tmp_path, name, table)
    named = run(written(tmp_path, "named.joblib", Ridge().fit(TABLE, LABELS)), [path], given=False)["models"][0]
    assert named["rows"] == f"{name}, its columns"
    assert named["values"]["predict"]["shape"] == [1000]
    model = Ridge().fit(ROWS, LABELS)
    counted = run(written(tmp_path, "counted.joblib", model), [path], given=False)["models"][0]
    assert counted["rows"] == f"{name}, the first 3 columns of numbers"
    assert counted["values"]["predict"] == predict_model.to_data(model.predict(np.full((1000, 3), [1.0, 2.0, 3.0])))


def test_the_first_rows_that_a_model_takes_are_used(run: Run, tmp_path: Path) -> None:
    """Files that are no rows, or rows of another form, are passed over."""
    model = written(tmp_path, "m.joblib", Ridge().fit(ROWS, LABELS))
    broken = tmp_path / "broken.csv"
    broken.write_bytes(b"\xff\xfe")
    rows = [broken, written(tmp_path, "narrow.npy", ROWS[:, :1]), written(tmp_path, "wide.npy", np.hstack([ROWS, ROWS]))]
    assert run(model, rows, given=False)["models"][0]["rows"] == "wide.npy, the first 3 columns"
    assert "narrow" not in str(run(model, rows[:2], given=False).get("models"))
    assert run(model, rows[:2], given=False)["error"]


def test_rows_that_somebody_chose_are_used_whole(run: Run, tmp_path: Path) -> None:
    """However many they are."""
    rows = np.tile(ROWS, (50, 1))
    reply = run(written(tmp_path, "m.joblib", Ridge().fit(ROWS, LABELS)), [written(tmp_path, "X.npy", rows)])
    assert reply["models"][0]["values"]["predict"]["shape"] == [2000]


def test_models_that_are_no_pickles(run: Run, tmp_path: Path) -> None:
    """LightGBM's text, XGBoost's files, skops' archives."""
    rows = written(tmp_path, "X.npy", ROWS)
    lightgbm.LGBMRegressor(n_estimators=2, verbose=-1).fit(ROWS, LABELS).booster_.save_model(tmp_path / "m.txt")
    booster = xgboost.XGBRegressor(n_estimators=2).fit(ROWS, LABELS)
    booster.save_model(tmp_path / "m.ubj")
    booster.save_model(tmp_path / "m.json")
    skops.io.dump(Ridge().fit(ROWS, LABELS), tmp_path / "m.skops")
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(Ridge().fit(ROWS, LABELS)))
    for name in ("m.txt", "m.ubj", "m.json", "m.skops", "m.pkl"):
        assert run(tmp_path / name, [rows])["models"][0]["values"]["predict"]["shape"] == [40], name


class Loud:
    """Prints, and fails in one method."""

    def predict(self, rows: Any) -> Any:
        """Prints as it predicts."""
        print('{"models": "forged"}')  # noqa: T201
        return np.zeros(len(rows))

    def transform(self, rows: Any) -> Any:
        """It cannot."""
        raise ValueError(f"not {len(rows)} rows")


def test_what_a_model_prints_is_no_answer_and_what_fails_is_told(tmp_path: Path) -> None:
    """A method that fails does not hide the others."""
    done, failed = predict_model.predict(Loud(), ROWS)
    assert set(done) == {"predict"}
    assert failed == {"transform": "ValueError: not 40 rows"}
    printing = f"import os\nprint('forged')\nos.system('echo forged')\nexec({(tmp_path / 'x').name!r} and 'pass')"
    (tmp_path / "evil").write_bytes(b"cbuiltins\nexec\n(V" + printing.encode().replace(b"\n", b"\\u000a") + b"\ntR.")
    rows = written(tmp_path, "X.npy", ROWS)
    command = [sys.executable, "-I", predict_model.__file__, str(tmp_path / "evil"), '{"given": true}', str(rows)]
    assert set(json.loads(subprocess.run(command, capture_output=True, check=True).stdout)) == {"error"}


@pytest.mark.parametrize(
    "content",
    [b"no pickle", b"cbuiltins\nexit\n(tR.", b"cbuiltins\nquit\n(I3\ntR.", b"cos\nnowhere\n(tR."],
    ids=["no pickle", "exit", "quit", "no such name"],
)
def test_a_model_that_cannot_be_opened_is_told(content: bytes, run: Run, tmp_path: Path) -> None:
    """With the kind of error and its words; one that exits does not exit silently."""
    (tmp_path / "m").write_bytes(content)
    reply = run(tmp_path / "m", [])
    assert list(reply) == ["error"]
    assert ": " in reply["error"]


def test_what_does_not_predict_is_told(run: Run, tmp_path: Path) -> None:
    """A dictionary of numbers."""
    assert run(written(tmp_path, "m.joblib", {"a": 1}), [])["error"] == "it has no method that predicts"
