"""A harness that cannot fail proves nothing: suites in which something is wrong, each of which must be told."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import docker

HERE = Path(__file__).resolve().parent
SUITE: dict[str, Any] = yaml.safe_load((HERE / "suite.yaml").read_text(encoding="utf-8"))
CONTROLS = [case["name"] for case in SUITE["cases"] if case["name"].startswith("control-")]

pytestmark = pytest.mark.timeout(1800)

Run = tuple[int, dict[str, Any], str]


def _suite(names: list[str], **changes: Any) -> dict[str, Any]:
    """A copy of the suite with these cases only; the image, where none is given, comes with the run."""
    suite = copy.deepcopy({**{key: value for key, value in SUITE.items() if key not in {"image", "build"}}, **changes})
    suite["cases"] = [case for case in suite["cases"] if case["name"] in names]
    return suite


def _run(suite: Mapping[str, Any], directory: Path, suite_file: Path) -> Run:
    """Exit code, report.json (empty when there is none) and stderr of a run of this suite."""
    image = {
        "image": yaml.safe_load(suite_file.read_text(encoding="utf-8"))["image"],
        "build": str(suite_file.parent / "scripts"),
    }
    whole = dict(suite) if "image" in suite else {**suite, **image}
    file = directory / "suite.yaml"
    file.write_text(yaml.safe_dump(whole, allow_unicode=True), encoding="utf-8")
    command = [
        str(Path(sys.executable).parent / "lyftlearn-image"),
        "parity",
        "run",
        str(file),
        "--report",
        str(directory / "report"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = directory / "report" / "report.json"
    return done.returncode, json.loads(report.read_text()) if report.is_file() else {}, done.stderr


@pytest.fixture
def run(tmp_path: Path, suite_file: Path) -> Callable[[Mapping[str, Any]], Run]:
    """Runs a suite as a user would."""
    return lambda suite: _run(suite, tmp_path, suite_file)


@pytest.fixture(scope="module")
def controls_declared_parity(suite_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """All negative controls, run as if their suite expected parity of them."""
    suite = _suite(CONTROLS)
    for case in suite["cases"]:
        del case["expect"], case["different_in"]
    return _run(suite, tmp_path_factory.mktemp("controls"), suite_file)


def test_a_suite_with_unexpected_differences_fails(controls_declared_parity: Run) -> None:
    """Exit code 1 is for differences."""
    assert controls_declared_parity[0] == 1


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_that_is_declared_parity_fails(controls_declared_parity: Run, name: str) -> None:
    """Each kind of difference is enough to fail a case, and the report names where it is."""
    case = next(case for case in controls_declared_parity[1]["cases"] if case["name"] == name)
    expected = next(case for case in SUITE["cases"] if case["name"] == name)["different_in"]
    assert (case["outcome"], case["as_expected"]) == ("different", False)
    assert sorted(each["subject"] for each in case["comparisons"] if each["counting"]) == sorted(expected)


def test_a_difference_that_was_not_declared_fails_a_control(run: Callable[[Mapping[str, Any]], Run]) -> None:
    """A control must differ in exactly its subjects: one more is a finding, not noise."""
    suite = _suite(["control-environment-variable"])
    suite["cases"][0]["different_in"].remove("metrics")
    status, report, _ = run(suite)
    assert status == 1
    assert "not expected to differ: metrics" in report["cases"][0]["problem"]


def test_a_control_that_does_not_differ_fails(run: Callable[[Mapping[str, Any]], Run]) -> None:
    """A control whose cause was taken away is equal, and that is told."""
    suite = _suite(["control-environment-only"])
    del suite["cases"][0]["overrides"]
    status, report, _ = run(suite)
    assert status == 1
    assert "expected a difference in environment, found none" in report["cases"][0]["problem"]


def test_an_output_that_neither_side_writes_is_a_difference(run: Callable[[Mapping[str, Any]], Run]) -> None:
    """Two sides that both lost a result are not equal results."""
    suite = _suite(["iris-script-mode"])
    suite["cases"][0]["outputs"]["output/confusion.json"] = {"compare": "json"}
    status, report, _ = run(suite)
    assert status == 1
    assert [each["subject"] for each in report["cases"][0]["comparisons"] if each["counting"]] == ["output/confusion.json"]


@pytest.fixture
def planted_scripts(tmp_path: Path, suite_file: Path) -> Path:
    """A copy of the scripts to plant a fault in."""
    return Path(shutil.copytree(suite_file.parent / "scripts", tmp_path / "scripts"))


@pytest.fixture
def planted_image(engine_client: docker.DockerClient) -> Iterator[str]:
    """A name for the image that is made of them; the image is removed."""
    name = f"lyftlearn-parity-planted:{uuid.uuid4().hex[:12]}"
    yield name
    engine_client.images.remove(name, force=True)


def test_a_script_that_trains_another_model_in_a_pod_is_found(
    run: Callable[[Mapping[str, Any]], Run], planted_scripts: Path, planted_image: str
) -> None:
    """One tree more on Kubernetes: the model, its metrics and nothing of the environment differ."""
    script = planted_scripts / "iris_forest.py"
    changed = script.read_text().replace(
        "    args = parse_args()\n",
        '    args = parse_args()\n    args.n_estimators += "KUBERNETES_SERVICE_HOST" in os.environ\n',
    )
    assert "KUBERNETES_SERVICE_HOST" in changed
    script.write_text(changed)
    status, report, _ = run(_suite(["iris-script-mode"], build=str(planted_scripts), image=planted_image))
    assert status == 1
    subjects = {each["subject"] for each in report["cases"][0]["comparisons"] if each["counting"]}
    assert {"model/model.joblib", "output/metrics.json"} <= subjects <= {"model/model.joblib", "output/metrics.json", "stdout"}


def test_an_image_that_is_not_there_is_the_harness_failing(run: Callable[[Mapping[str, Any]], Run]) -> None:
    """Exit code 2 and what to do: nothing was compared, so the report says an error of every case, and no parity."""
    suite = _suite(["control-clock"], image="there-is-no-such-image:1")
    status, report, stderr = run(suite)
    assert (status, [case["outcome"] for case in report["cases"]]) == (2, ["error"])
    assert "there-is-no-such-image:1" in stderr
    assert "Traceback" not in stderr


def test_channel_data_that_is_not_there_fails_its_case_only(run: Callable[[Mapping[str, Any]], Run]) -> None:
    """The case is an error that names the path, exit code 2, and the other case still runs."""
    suite = _suite(["control-clock", "control-time-zone"])
    suite["cases"][0]["workload"]["channels"] = {"diabetes": "package:sklearn/datasets/data/none.csv"}
    status, report, _ = run(suite)
    assert status == 2
    broken, other = report["cases"]
    assert broken["outcome"] == "error"
    assert "none.csv" in broken["problem"]
    assert other["as_expected"]


def test_a_mistake_in_the_suite_is_told_before_anything_runs(run: Callable[[Mapping[str, Any]], Run], tmp_path: Path) -> None:
    """File, line, key and what was meant; exit code 78, and a report without a case that says so too."""
    suite = _suite(["control-clock"])
    suite["cases"][0]["workload"]["programm"] = suite["cases"][0]["workload"].pop("program")
    status, report, stderr = run(suite)
    assert (status, report["exit_code"], report["cases"]) == (78, 78, [])
    assert report["problem"].startswith("unknown key `programm`")
    assert "unknown key `programm`" in stderr
    assert f"{tmp_path / 'suite.yaml'}, line " in stderr
    assert "Did you mean `program`?" in stderr
