"""report.json: everything, in a shape that programs can rely on."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.parity.differences import Comparison, Difference
from lyftlearn_image.report import json_report
from lyftlearn_image.report.document import json_schema
from lyftlearn_image.report.report_data import collect_report_data

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lyftlearn_image.parity.verdict import CaseResult, SuiteResult

SCHEMA = json_schema()


def test_the_report_is_as_its_schema_says(suite_result: SuiteResult, tmp_path: Path) -> None:
    """The schema describes every key of the report, and the report has every key that the schema requires."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    jsonschema.validate(_report(suite_result, tmp_path / "report"), _closed(SCHEMA))


def test_the_report_reads_as_reviewed(suite_result: SuiteResult, tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    """Every key of it, in an order that a person can follow."""
    golden("report.json", json_report.render(collect_report_data(suite_result, tmp_path / "report")))


@pytest.mark.parametrize("key", ["counts", "exit_code", "cases"])
def test_the_schema_notices_a_missing_key(suite_result: SuiteResult, tmp_path: Path, key: str) -> None:
    """A report without one of its keys does not pass: the check above can fail."""
    report = _report(suite_result, tmp_path / "report")
    del report[key]

    with pytest.raises(jsonschema.ValidationError, match=key):
        jsonschema.validate(report, SCHEMA)


def test_the_report_has_everything(suite_result: SuiteResult, tmp_path: Path) -> None:
    """No difference is left out, counting or accepted, and no metric, timing or observation."""
    report = _report(suite_result, tmp_path / "report")
    parity, _, different, *_ = report["cases"]

    assert [case["name"] for case in report["cases"]] == [case.name for case in suite_result.cases]
    assert parity["runs"][0]["metrics"] == ["train.loss:0.2187|g"]
    assert parity["runs"][1]["observation"]["packages"] == {"numpy": "2.3.4"}
    assert parity["runs"][0]["timings"] == {"prepare_s": 0.41, "startup_s": 0.093, "script_s": 3.2, "collect_s": 0.28}
    by_subject = {comparison["subject"]: comparison for comparison in different["comparisons"]}
    assert (by_subject["environment"]["counting"], len(by_subject["environment"]["differences"])) == (3, 7)
    assert by_subject["environment"]["differences"][1] == {
        "place": "variables/MKL_NUM_THREADS",
        "left": "2",
        "right": None,
        "detail": "",
        "accepted": None,
    }


def test_paths_are_relative_to_the_report(suite_result: SuiteResult, tmp_path: Path) -> None:
    """The directory of a report can be moved: its paths still name the runs' files."""
    run = _report(suite_result, tmp_path / "report")["cases"][2]["runs"][1]

    assert run["stdout"] == "runs/flights-delay-model/kubernetes/stdout.log"
    assert run["artifacts"]["model"] == {"path": "runs/flights-delay-model/kubernetes/model", "kept": True}
    assert str(tmp_path) not in json_report.render(collect_report_data(suite_result, tmp_path / "report"))


@given(text=st.text(st.characters(codec=None)))
def test_any_text_comes_back_as_it_was(
    make_case: Callable[..., CaseResult],
    make_suite: Callable[[Sequence[CaseResult]], SuiteResult],
    tmp_path: Path,
    text: str,
) -> None:
    """A program gets the very text of a difference, lone surrogates included, from a file that is valid UTF-8."""
    result = make_suite([make_case("any", [Comparison("stdout", "text", (Difference("line 1", text, None),))])])

    rendered = json_report.render(collect_report_data(result, tmp_path / "report")).encode("utf-8")

    assert json.loads(rendered)["cases"][0]["comparisons"][0]["differences"][0]["left"] == text


def _report(result: SuiteResult, directory: Path) -> Any:
    return json.loads(json_report.render(collect_report_data(result, directory)))


def _closed(schema: Any) -> Any:
    """The schema with no key permitted beyond those that it describes."""
    closed = copy.deepcopy(schema)
    pending = [closed]
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            pending += part
        if isinstance(part, dict):
            pending += part.values()
            if isinstance(part.get("properties"), dict):
                part["additionalProperties"] = False
    return closed
