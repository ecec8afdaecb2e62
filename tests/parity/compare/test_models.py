"""The comparators of values: metrics, environments, accepted differences, models."""

from __future__ import annotations

import subprocess
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.errors import RunError
from lyftlearn_image.parity.compare.acceptance import Acceptance, accept
from lyftlearn_image.parity.compare.comparator import Tools
from lyftlearn_image.parity.compare.environment import EXPECTED, compare_environment
from lyftlearn_image.parity.compare.metrics import compare_metrics
from lyftlearn_image.parity.compare.model_reader import ModelReader
from lyftlearn_image.parity.compare.models import compare
from lyftlearn_image.parity.compare.rule import Rule
from lyftlearn_image.parity.differences import Comparison, Difference

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lyftlearn_image.targets.containers import Containers


@pytest.mark.parametrize(
    ("left", "right", "names"),
    [
        pytest.param(["a:1|c", "b:2|g"], ["b:2|g", "a:1|c"], [], id="order does not count"),
        pytest.param(["a:1|c"], ["a:1|c", "a:1|c"], ["a"], id="number does"),
        pytest.param(["a:1|c"], ["a:2|c"], ["a"], id="value does"),
        pytest.param(["t:12|ms"], ["t:99|ms"], [], id="a duration does not"),
        pytest.param(["t:12|ms"], [], ["t"], id="a missing one does"),
        pytest.param(["a:1|c|#x:1"], ["a:1|c|#x:2"], ["a"], id="tags do"),
        pytest.param(["nonsense"], [], ["nonsense"], id="malformed"),
    ],
)
def test_metrics_are_compared_as_what_was_sent(left: list[str], right: list[str], names: list[str]) -> None:
    """Names, values and tags, whatever their order."""
    assert [one.place for one in compare_metrics(left, right).differences] == names


OBSERVED: dict[str, Any] = {
    "variables": {"HOME": "/home/lyftlearn", "HOSTNAME": "a", "OMP_NUM_THREADS": "2", "PASSWORD": {"digest": "00"}},
    "ids": {"uid": 0, "gid": 0, "groups": [0]},
    "packages": {"numpy": "2.0"},
}


@pytest.mark.parametrize(
    ("part", "value", "place", "counts"),
    [
        ("variables", {"OMP_NUM_THREADS": "1"}, "variables/OMP_NUM_THREADS", True),
        ("variables", {"NEW": "1"}, "variables/NEW", True),
        ("variables", {"PASSWORD": {"digest": "01"}}, "variables/PASSWORD/digest", True),
        ("packages", {"numpy": "2.1"}, "packages/numpy", True),
        ("variables", {"HOSTNAME": "b"}, "variables/HOSTNAME", False),
        ("variables", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "variables/KUBERNETES_SERVICE_HOST", False),
        ("ids", {"uid": 10001}, "ids/uid", False),
    ],
)
def test_only_facts_of_the_platforms_are_expected(part: str, value: dict[str, Any], place: str, *, counts: bool) -> None:
    """Anything that is not in the table counts, and what is there has its reason."""
    other = {**OBSERVED, part: {**OBSERVED[part], **value}}
    (found,) = compare_environment(OBSERVED, other).differences
    assert found.place == place
    assert (found.accepted is None) == counts


def test_a_missing_observation_counts() -> None:
    """Also where it is missing on both sides: nothing was observed."""
    for pair in ((None, OBSERVED), (OBSERVED, None), (None, None)):
        assert compare_environment(*pair).counting
    assert not compare_environment(OBSERVED, OBSERVED).differences
    assert all(reason for reason in EXPECTED.values())


@pytest.mark.parametrize(
    ("acceptance", "is_accepted"),
    [
        ({"subject": "stdout", "reason": "known"}, True),
        ({"subject": "std*", "place": "line 2", "reason": "known", "until": "2026-12-31"}, True),
        ({"subject": "stdout", "place": "line 3", "reason": "known"}, False),
        ({"subject": "stdout", "reason": "known", "until": "2026-01-01"}, False),
    ],
)
def test_a_suite_accepts_differences_for_a_reason_and_a_time(acceptance: dict[str, Any], *, is_accepted: bool) -> None:
    """An acceptance that has expired counts again, and says so."""
    comparison = Comparison("stdout", "text", (Difference("line 2", "a", "b"),))
    (found,) = accept([comparison], [Acceptance.model_validate(acceptance)], date(2026, 11, 23))
    assert (not found.counting) == is_accepted
    if acceptance.get("until") == "2026-01-01":
        assert "is past" in found.differences[0].detail


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


@pytest.mark.parametrize(
    ("other", "places"),
    [
        pytest.param("two", [], id="the same"),
        pytest.param("parameter", ["/parameters/alpha", "/predict"], id="a parameter, and so the predictions"),
        pytest.param("data", ["/fitted/coef_", "/predict"], id="other data"),
    ],
)
def test_models_are_compared_inside_the_image(  # noqa: PLR0913, PLR0917 - fixtures
    models: Path, containers: Containers, lyftlearn_image_tag: str, tmp_path: Path, other: str, places: list[str]
) -> None:
    """By class, parameters, fitted attributes and predictions on given rows."""
    artifacts = {"output": models}
    rule = Rule(compare="sklearn-model", inputs="output/X.npy", rtol=1e-9)
    with ModelReader(containers, lyftlearn_image_tag, tmp_path) as reader:
        found = compare(models / "one.joblib", models / f"{other}.joblib", rule, Tools(reader, artifacts, artifacts))
    told = " ".join(one.place for one in found)
    assert bool(found) == bool(places)
    assert all(place in told for place in places)


def test_a_model_that_runs_code_cannot_reach_the_host(
    models: Path, containers: Containers, lyftlearn_image_tag: str, tmp_path: Path
) -> None:
    """It runs as nobody in a container without a network and with nothing to write to; the comparison goes on."""
    with ModelReader(containers, lyftlearn_image_tag, tmp_path) as reader:
        tools = Tools(reader, {}, {})
        assert compare(models / "one.joblib", models / "evil.joblib", Rule(compare="sklearn-model"), tools)
        assert not compare(models / "one.joblib", models / "two.joblib", Rule(compare="sklearn-model"), tools)
    assert not (models / "evil-was-here").exists()
    assert "65534" in (tmp_path / "models.err").read_text()
    assert subprocess.run(["test", "-e", "/tmp/evil-was-here"], check=False).returncode == 1


def test_models_that_cannot_be_opened_are_told_and_the_next_ones_are_opened(
    models: Path, containers: Containers, lyftlearn_image_tag: str, tmp_path: Path
) -> None:
    """One that is no pickle, and one that kills the process which opens it."""
    junk, deadly = tmp_path / "junk.joblib", tmp_path / "deadly.joblib"
    junk.write_bytes(b"no pickle")
    deadly.write_bytes(b"cos\nabort\n(tR.")
    with ModelReader(containers, lyftlearn_image_tag, tmp_path) as reader:
        with pytest.raises(RunError, match="could not be opened"):
            reader.describe((junk, models / "one.joblib"), None)
        with pytest.raises(RunError, match="died"):
            reader.describe((models / "one.joblib", deadly), None)
        mine, theirs = reader.describe((models / "one.joblib", models / "two.joblib"), None)
    assert mine == theirs


def test_an_image_that_cannot_open_models_is_told(
    models: Path, containers: Containers, probe_image: str, tmp_path: Path
) -> None:
    """With what the engine or its interpreter said, and at once."""
    with ModelReader(containers, probe_image, tmp_path) as reader, pytest.raises(RunError, match=r"refused|no models"):
        reader.describe((models / "one.joblib", models / "two.joblib"), None)
