"""Opening models: inside the image that made them, where they reach nothing."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.errors import RunError
from lyftlearn_image.parity.compare.comparator import ComparatorContext
from lyftlearn_image.parity.compare.model_reader import ModelReader
from lyftlearn_image.parity.compare.models import compare
from lyftlearn_image.parity.compare.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lyftlearn_image.emulation.docker.containers import Containers


@pytest.fixture(scope="module")
def models(lyftlearn_image_tag: str, docker_cli: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models made inside the image: two alike, one with another parameter, one of other data, one that is evil."""
    directory = tmp_path_factory.mktemp("models")
    program = (
        "import joblib, numpy as np, os\nfrom sklearn.linear_model import Ridge\n"
        "X = np.arange(20.).reshape(10, 2); y = X[:, 0]\n"
        "for name, alpha, shift in (('one', 1, 0), ('two', 1, 0), ('parameter', 2, 0), ('data', 1, 1)):\n"
        "    joblib.dump(Ridge(alpha=alpha).fit(X, y * (1 + shift)), f'/out/{name}.joblib')\n"
        "np.save('/out/X.npy', X)\n"
        "class Evil:\n"
        "    def __reduce__(self): return (os.system, ('touch /tmp/evil-was-here /out/evil-was-here; id -u >&2',))\n"
        "joblib.dump(Evil(), '/out/evil.joblib')\n"
    )
    docker_cli("run", "--rm", "--user", "0", "-v", f"{directory}:/out", lyftlearn_image_tag, "python", "-c", program)
    return directory


@pytest.fixture
def reader(containers: Containers, lyftlearn_image_tag: str, tmp_path: Path) -> Iterator[ModelReader]:
    """What opens models, in the image."""
    with ModelReader(containers, lyftlearn_image_tag, tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("other", "places"),
    [
        pytest.param("two", [], id="the same"),
        pytest.param("parameter", ["/parameters/alpha", "/predict"], id="a parameter, and so the predictions"),
        pytest.param("data", ["/fitted/coef_", "/predict"], id="other data"),
    ],
)
def test_models_are_compared_inside_the_image(models: Path, reader: ModelReader, other: str, places: list[str]) -> None:
    """By class, parameters, fitted attributes and predictions on given rows."""
    artifacts = {"output": models}
    rule = Rule(compare="sklearn-model", inputs="output/X.npy", rtol=1e-9)
    context = ComparatorContext(reader, artifacts, artifacts)
    found = compare(models / "one.joblib", models / f"{other}.joblib", rule, context)
    told = " ".join(one.place for one in found)
    assert bool(found) == bool(places)
    assert all(place in told for place in places)


def test_a_model_that_runs_code_cannot_reach_the_host(models: Path, reader: ModelReader, tmp_path: Path) -> None:
    """It runs as nobody in a container without a network and with nothing to write to; the comparison goes on."""
    context = ComparatorContext(reader, {}, {})
    assert compare(models / "one.joblib", models / "evil.joblib", Rule(compare="sklearn-model"), context)
    assert not compare(models / "one.joblib", models / "two.joblib", Rule(compare="sklearn-model"), context)
    assert not (models / "evil-was-here").exists()
    assert "65534" in (tmp_path / "models.err").read_text()
    assert subprocess.run(["test", "-e", "/tmp/evil-was-here"], check=False).returncode == 1


def test_models_that_cannot_be_opened_are_told_and_the_next_ones_are_opened(
    models: Path, reader: ModelReader, tmp_path: Path
) -> None:
    """One that is no pickle, and one that kills the process which opens it."""
    junk, deadly = tmp_path / "junk.joblib", tmp_path / "deadly.joblib"
    junk.write_bytes(b"no pickle")
    deadly.write_bytes(b"cos\nabort\n(tR.")
    with pytest.raises(RunError, match="could not be opened"):
        reader.describe((junk, models / "one.joblib"), None)
    with pytest.raises(RunError, match="died"):
        reader.describe((models / "one.joblib", deadly), None)
    left, right = reader.describe((models / "one.joblib", models / "two.joblib"), None)
    assert left == right


def test_an_image_that_cannot_open_models_is_told(
    models: Path, containers: Containers, probe_image: str, tmp_path: Path
) -> None:
    """With what the engine or its interpreter said, and at once."""
    with ModelReader(containers, probe_image, tmp_path) as reader, pytest.raises(RunError, match=r"refused|no models"):
        reader.describe((models / "one.joblib", models / "two.joblib"), None)
