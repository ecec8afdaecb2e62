"""Runs the project's own suite, as a user would, and asks of every case whether it did what it is there for."""

from __future__ import annotations

import base64
import fnmatch
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).resolve().parent
SUITE_FILE = HERE / "suite.yaml"
SUITE: dict[str, Any] = yaml.safe_load(SUITE_FILE.read_text(encoding="utf-8"))
CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in SUITE["cases"]}
CONTROLS = [name for name in CASES if name.startswith("control-")]
TARGETS = ("sagemaker", "kubernetes")

# Both sides may fail alike, and be equal; so how each case ends is said here: exit status by target.
SUCCESS = {"sagemaker": 0, "kubernetes": 0}
ENDS = {
    "fails-with-an-exception": {"sagemaker": 1, "kubernetes": 1},
    "fails-with-status-3": {"sagemaker": 3, "kubernetes": 3},
    "control-root-only": {"sagemaker": 0, "kubernetes": 1},
}
STOPPED = {name for name, case in CASES.items() if "stop_when" in case}
# Both sides may lose their metrics, and be equal; so what must arrive is said here: StatsD names and how often.
METRICS = {
    "weather-service": {
        "weather_trainer.rows": 1,
        "weather_trainer.cross_validation": 1,
        "weather_trainer.folds": 6,
        "weather_trainer.fit": 1,
        "weather_trainer.error_millidegrees": 1,
        "weather_trainer.released": 1,
    },
    "stocks-volatility": {"volatility.annual": 5, "volatility.symbols": 5, "volatility.done": 1},
    "control-environment-variable": {"demand.peak": 1},
}

# A run of the whole suite takes minutes on two CPUs; the limit of a single test is for a single container.
pytestmark = pytest.mark.timeout(3600)


def _lyftlearn_image(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command line as a user types it."""
    command = [str(Path(sys.executable).parent / "lyftlearn-image"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def report_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run of the whole suite puts its reports."""
    return tmp_path_factory.mktemp("suite") / "parity-report"


@pytest.fixture(scope="module")
def done(suite_file: Path, report_directory: Path) -> subprocess.CompletedProcess[str]:
    """The whole suite, run once."""
    return _lyftlearn_image("parity", "run", suite_file, "--report", report_directory, "--keep-artifacts")


@pytest.fixture(scope="module")
def report(done: subprocess.CompletedProcess[str], report_directory: Path) -> Mapping[str, Any]:
    """report.json of the whole suite."""
    assert (report_directory / "report.json").is_file(), done.stderr
    return dict(json.loads((report_directory / "report.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize("target", TARGETS)
def test_keys_that_ended_while_a_job_ran_were_renewed(done: object, report_directory: Path, target: str) -> None:
    """By the SDK, by a client of the team's own and by the shim; keys that somebody kept are refused from their end on."""
    (path,) = (report_directory / "runs" / "rates-watcher" / target).glob("artifacts/**/watch.json")
    watch = json.loads(path.read_text(encoding="utf-8"))
    assert watch["before"] == {"kept keys": "read", "SDK": "read", "own client": "read"}
    assert watch["after"] == {"kept keys": "ExpiredToken", "SDK": "read", "own client": "read"}
    assert watch["renewed"]
    assert watch["own client asked again"]


def _case(report: Mapping[str, Any], name: str) -> dict[str, Any]:
    return next(case for case in report["cases"] if case["name"] == name)


def _counting(case: Mapping[str, Any]) -> list[str]:
    """The subjects of a case with a difference that counts."""
    return [comparison["subject"] for comparison in case["comparisons"] if comparison["counting"]]


def test_the_suite_comes_out_as_expected(done: subprocess.CompletedProcess[str], report: Mapping[str, Any]) -> None:
    """Exit code 0: every case came out as its suite file says, negative controls included."""
    assert done.returncode == 0, done.stdout + done.stderr
    assert report["exit_code"] == 0
    assert [case["name"] for case in report["cases"]] == list(CASES)


def test_no_harness_problem_is_told_on_stderr(done: subprocess.CompletedProcess[str]) -> None:
    """Progress goes there, and nothing else: no traceback and no warning."""
    assert not re.search(r"Traceback|Warning|warning", done.stderr)


@pytest.mark.parametrize("name", [name for name in CASES if name not in CONTROLS])
def test_the_script_does_the_same_on_both_targets(report: Mapping[str, Any], name: str) -> None:
    """No difference counts, in status, streams, metrics, artifacts or environment."""
    case = _case(report, name)
    assert (case["outcome"], _counting(case), case["problem"]) == ("parity", [], "")


@pytest.mark.parametrize("name", CONTROLS)
def test_the_control_differs_where_it_must_and_nowhere_else(report: Mapping[str, Any], name: str) -> None:
    """A harness that does not see these differences proves nothing by the parity of the others."""
    case = _case(report, name)
    assert case["outcome"] == "different"
    assert sorted(_counting(case)) == sorted(CASES[name]["different_in"])


@pytest.mark.parametrize("name", CASES)
def test_the_case_ends_as_it_is_meant_to(report: Mapping[str, Any], name: str) -> None:
    """Success, this very failure, or stopped: two runs that break in the same way are not parity."""
    runs = {run["target"]: run for run in _case(report, name)["runs"]}
    ends = ENDS.get(name, SUCCESS)
    assert {target: runs[target]["exit_code"] for target in TARGETS} == ends
    for target in TARGETS:
        expected = "Stopped" if name in STOPPED else "Failed" if ends[target] else "Completed"
        assert runs[target]["status"] == expected


@pytest.mark.parametrize("name", CASES)
def test_the_case_was_observed_and_compared_in_full(report: Mapping[str, Any], name: str) -> None:
    """Both realised environments were seen, and every subject has a comparison, each output by its own rule."""
    case = _case(report, name)
    assert all(run["observation"] for run in case["runs"])
    compared = {comparison["subject"]: comparison["comparator"] for comparison in case["comparisons"]}
    assert {"exit status", "stdout", "stderr", "metrics", "environment"} <= compared.keys()
    for pattern, rule in CASES[name].get("outputs", {}).items():
        matched = fnmatch.filter(compared, pattern)
        assert matched
        assert {compared[subject] for subject in matched} == {rule["compare"]}


@pytest.mark.parametrize("name", CASES)
def test_every_metric_arrives_on_both_targets(report: Mapping[str, Any], name: str) -> None:
    """What a script sends to localhost:8125 reaches the gateway: all of it, and nothing where it sends nothing."""
    for run in _case(report, name)["runs"]:
        assert Counter(line.split(":", 1)[0] for line in run["metrics"]) == METRICS.get(name, {}), run["target"]


def test_the_hyperparameters_are_megabytes(report_directory: Path, report: Mapping[str, Any]) -> None:
    """The large case is large on both targets: the script read four megabytes of text, every character of it."""
    corpus = CASES["megabytes-of-hyperparameters"]["workload"]["hyperparameters"]["corpus"]
    messages = [text for year in corpus.values() for month in year.values() for day in month for talk in day for text in talk]
    size = len("\n\n".join(messages).encode())
    assert size > 4_000_000
    for run in _case(report, "megabytes-of-hyperparameters")["runs"]:
        assert f"{len(messages)} messages, {size} bytes" in (report_directory / run["stdout"]).read_text()


def test_flags_arrive_with_every_character(report_directory: Path, report: Mapping[str, Any]) -> None:
    """Quotes, dollars, backslashes, newlines and unicode go through both platforms and a shell script unchanged."""
    given = CASES["diabetes-shell-pipeline"]["workload"]["hyperparameters"]
    for run in _case(report, "diabetes-shell-pipeline")["runs"]:
        written = json.loads((report_directory / run["artifacts"]["output"]["path"] / "report.json").read_text())
        assert written == {"title": given["title"], "notes": given["notes"].splitlines()}


def test_a_failures_reason_is_told(report: Mapping[str, Any]) -> None:
    """The orchestrator gets the exception's message from both targets, not only a status."""
    for run in _case(report, "fails-with-an-exception")["runs"]:
        assert "ValueError: the export lacks Emission_class" in run["reason"]
    for run in _case(report, "fails-with-status-3")["runs"]:
        assert "r2 0.4599" in run["reason"]


def test_no_secret_is_in_anything_that_stays(report_directory: Path, report: Mapping[str, Any]) -> None:
    """Reports, requests, streams, observations and artifacts: no planted value, plain or encoded."""
    values = [text for case in CASES.values() for value in case.get("secret_values", {}).values() for text in _texts(value)]
    planted = [value for value in values if value.startswith("planted-")]
    assert len(planted) == 4
    forms = [form for value in planted for form in (value.encode(), base64.b64encode(value.encode()))]
    files = [path for path in report_directory.rglob("*") if path.is_file()]
    assert len(files) > len(CASES)
    assert [path for path in files if any(form in path.read_bytes() for form in forms)] == []


def _texts(value: str) -> list[str]:
    """The texts of a secret: itself, or those inside when it is a JSON object."""
    return list(json.loads(value).values()) if value.startswith("{") else [value]


def test_every_report_format_has_every_case(report_directory: Path, report: Mapping[str, Any]) -> None:
    """JUnit for the CI, Markdown for its summary, HTML for people: all tell of the same cases."""
    junit = ET.parse(report_directory / "junit.xml").getroot()  # noqa: S314 - written by the run above
    assert {case.get("name") for case in junit.iter("testcase")} == set(CASES)
    for name in ("report.md", "report.html"):
        text = (report_directory / name).read_text(encoding="utf-8")
        assert [case for case in CASES if case not in text] == []


def test_nothing_of_the_run_is_left_on_the_engine(report: Mapping[str, Any], engine_client: Any) -> None:
    """Containers and networks go with the run."""
    label = {"label": f"dev.lyftlearn.run={report['run_id']}"}
    assert engine_client.containers.list(all=True, filters=label) == []
    assert engine_client.networks.list(filters=label) == []


def test_no_script_knows_of_this_project() -> None:
    """The scripts are as teams write them for one platform; nothing in them was made to fit the other."""
    scripts = [path for path in (HERE / "scripts").rglob("*") if path.is_file() and path.name != "Dockerfile"]
    assert len(scripts) > len(CASES)
    assert [path for path in scripts if b"lyftlearn" in path.read_bytes().lower()] == []


def test_the_suite_has_enough_of_both_kinds() -> None:
    """At least eight cases that must agree, and a control for each of: environment, UID, thread count, clock."""
    assert len(CASES) - len(CONTROLS) >= 8
    assert {"control-environment-variable", "control-uid", "control-thread-count", "control-clock"} <= set(CONTROLS)
