"""junit.xml, as the readers of CI servers expect it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.parity.differences import Comparison, Difference
from lyftlearn_image.parity.verdict import Outcome
from lyftlearn_image.report import junit
from lyftlearn_image.report.report_data import collect_report_data

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lyftlearn_image.parity.verdict import CaseResult, SuiteResult
    from lyftlearn_image.run import Run

# What Jenkins' schema (junit-10.xsd of its xunit plugin) and pytest's own tests of the xunit2 family permit:
# element → attributes that it must have, attributes that it may have, children.
GRAMMAR: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "disabled", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "time"},
        {"skipped", "timestamp", "hostname", "id", "package"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": ({"name", "classname", "time"}, {"group"}, {"skipped", "error", "failure", "system-out", "system-err"}),
    "failure": (set(), {"type", "message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set()),
}


def test_the_document_follows_the_grammar_of_junit(suite_result: SuiteResult, tmp_path: Path) -> None:
    """Every element, attribute and child is one that readers know, and every number is what the elements say."""
    root = _parsed(suite_result, tmp_path / "report")

    _check(root)
    suite = root[0]
    assert suite.get("tests") == str(len(suite.findall("testcase"))) == "6"
    assert suite.get("failures") == str(len(suite.findall("testcase/failure"))) == "2"
    assert suite.get("errors") == str(len(suite.findall("testcase/error"))) == "1"


@pytest.mark.parametrize("fault", ["attribute", "child", "missing"])
def test_the_grammar_notices_a_fault(suite_result: SuiteResult, tmp_path: Path, fault: str) -> None:
    """An attribute, a child that no reader knows, or a missing attribute does not pass: the check above can fail."""
    root = _parsed(suite_result, tmp_path / "report")
    case = root[0][1]
    if fault == "attribute":
        case.set("colour", "red")
    elif fault == "child":
        ET.SubElement(case, "properties")
    else:
        del case.attrib["classname"]

    with pytest.raises(AssertionError, match="testcase"):
        _check(root)


def test_each_case_is_a_test_case_with_its_verdict(suite_result: SuiteResult, tmp_path: Path) -> None:
    """Parity and a control that differs pass; a difference and a silent control fail; a failed harness is an error."""
    cases = {case.get("name"): case for case in _parsed(suite_result, tmp_path / "report").iter("testcase")}

    marks = {name: [child.tag for child in case if child.tag != "system-out"] for name, case in cases.items()}
    assert marks == {
        "iris-script-mode": [],
        "control-by-uid": [],
        "flights-delay-model": ["failure"],
        "control-by-clock": ["failure"],
        "vega-processing": ["error"],
        "stopped-with-checkpoint": [],
    }
    failure = cases["flights-delay-model"].find("failure")
    assert failure is not None
    assert "line 2\n    sagemaker: threads: 2\n    kubernetes: threads: 1\n" in (failure.text or "")
    silent = cases["control-by-clock"].find("failure")
    assert silent is not None
    assert silent.get("message") == "not as expected; expected a difference in stdout, found none"


def test_the_document_reads_as_reviewed(suite_result: SuiteResult, tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    """Every property, every verdict with its message, and the ends of the streams."""
    golden("junit.xml", junit.render(collect_report_data(suite_result, tmp_path / "report")))


def test_every_property_is_what_the_result_says(suite_result: SuiteResult, tmp_path: Path) -> None:
    """All of them and no other: the run's facts, how many cases stand where, and each case with the phases of its runs."""
    expected = {
        "tool": "lyftlearn-image 0.1.0",
        "run_id": suite_result.run_id,
        "targets": "sagemaker, kubernetes",
        "image": suite_result.image,
        "image_id": suite_result.image_id,
        "exit_code": "2",
        "cases.parity": "2",
        "cases.control": "1",
        "cases.different": "1",
        "cases.unexpected": "1",
        "cases.error": "1",
    }
    for case in suite_result.cases:
        expected[f"{case.name}.expected"] = str(case.expected)
        expected[f"{case.name}.outcome"] = str(case.outcome)
        for run in case.runs:
            for phase, seconds in vars(run.timings).items():
                if seconds is not None:
                    expected[f"{case.name}.{run.target}.{phase}"] = f"{seconds:.3f}"
    properties = list(_parsed(suite_result, tmp_path / "report").iter("property"))
    assert {each.get("name"): each.get("value") for each in properties} == expected
    assert len(properties) == len(expected)


def test_facts_and_timings_are_properties(suite_result: SuiteResult, tmp_path: Path) -> None:
    """The suite's properties say what ran where, and how long each phase of each run took."""
    found = {each.get("name"): each.get("value") for each in _parsed(suite_result, tmp_path / "report").iter("property")}

    assert found["targets"] == "sagemaker, kubernetes"
    assert found["image_id"] == suite_result.image_id
    assert found["flights-delay-model.kubernetes.script_s"] == "24.700"
    assert found["control-by-uid.expected"] == "different"
    assert "stopped-with-checkpoint.sagemaker.startup_s" not in found


def test_the_streams_are_bounded(
    make_run: Callable[..., Run],
    make_case: Callable[..., CaseResult],
    make_suite: Callable[[Sequence[CaseResult]], SuiteResult],
    tmp_path: Path,
) -> None:
    """Of a long stream the end is there, and a note that it is the end."""
    log = "".join(f"line {number}\n" for number in range(100_000))
    runs = [make_run("long", target, stdout=log) for target in ("sagemaker", "kubernetes")]

    root = _parsed(make_suite([make_case("long", [], runs)]), tmp_path / "report")

    text = root.findtext(".//system-out") or ""
    assert len(text) < 5000
    assert "--- the end of sagemaker stdout: runs/long/sagemaker/stdout.log" in text
    assert "line 99999" in text


@given(text=st.text(st.characters(codec=None)))
def test_any_text_gives_a_well_formed_document(
    make_run: Callable[..., Run],
    make_case: Callable[..., CaseResult],
    make_suite: Callable[[Sequence[CaseResult]], SuiteResult],
    tmp_path: Path,
    text: str,
) -> None:
    """Whatever a script prints, and however a case is named, the XML can be read."""
    comparisons = [Comparison(text, text, (Difference(text, text, text, text),), text)]
    runs = [make_run("any", target, stdout=text, stderr=text, reason=text) for target in ("sagemaker", "kubernetes")]
    failed = make_case(text, comparisons, runs, description=text)
    broken = make_case(text, [], [], outcome=Outcome.ERROR, problem=text)

    _check(_parsed(make_suite([failed, broken]), tmp_path / "report"))


def _parsed(result: SuiteResult, directory: Path) -> ET.Element:
    return ET.fromstring(junit.render(collect_report_data(result, directory)).encode("utf-8"))  # noqa: S314 - our own document


def _check(element: ET.Element) -> None:
    """Raises AssertionError when the element, or one below it, is not as GRAMMAR says."""
    assert element.tag in GRAMMAR, element.tag
    required, optional, children = GRAMMAR[element.tag]
    assert required <= set(element.attrib) <= required | optional, f"{element.tag} has {set(element.attrib)}"
    for child in element:
        assert child.tag in children, f"{element.tag} has {child.tag}"
        _check(child)
