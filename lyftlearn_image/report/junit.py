"""junit.xml: one test case a parity case, as CI servers read it.

The elements and attributes are those that Jenkins' and GitLab's readers share with pytest's `xunit2` family
(`testsuites/testsuite/{properties,testcase}`). Timings and other facts are properties of the suite, because the
stricter readers know no properties of a test case.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lyftlearn_image.parity.verdict import Outcome
from lyftlearn_image.report.size_budget import truncate
from lyftlearn_image.report.summary import (
    PASTE,
    STANDING_LABELS,
    case_standing,
    count_standings,
    describe_exit_code,
    describe_exposed,
    describe_rule,
    find_run,
    list_differing_subjects,
    list_notes,
    pick_differences,
)
from lyftlearn_image.sanitize import make_visible, make_visible_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.parity.verdict import CaseResult, SuiteResult
    from lyftlearn_image.report.report_data import ReportData
    from lyftlearn_image.run import Run

FILE_NAME = "junit.xml"
# No case has such a name.
_OUTSIDE = "(outside of the cases)"
_SHOWN_SUBJECTS = 100
_SHOWN_DIFFERENCES = 20
_SHOWN_CHARACTERS = 300
# Per stream of a run. Readers keep the whole file in memory.
_SYSTEM_OUT_CHARACTERS = 2000


def render(data: ReportData) -> str:
    """The report as an XML 1.0 document. Characters that XML cannot hold are shown as pictures."""
    result = data.result
    # A reader counts test cases: what failed outside of the cases is one, too.
    outside = 1 if result.problem else 0
    totals = {
        "name": _attribute(result.suite),
        "tests": str(len(result.cases) + outside),
        "failures": str(sum(_is_failure(case) for case in result.cases)),
        "errors": str(sum(case.outcome is Outcome.ERROR for case in result.cases) + outside),
        "time": f"{result.duration_s:.3f}",
    }
    root = ET.Element("testsuites", totals)
    timestamp = datetime.fromtimestamp(result.started_at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    suite = ET.SubElement(root, "testsuite", totals, skipped="0", timestamp=timestamp)
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(result):
        ET.SubElement(properties, "property", name=_attribute(name), value=_attribute(value))
    for case in result.cases:
        suite.append(_case(case, data))
    if outside:
        element = ET.SubElement(suite, "testcase", classname=_attribute(result.suite), name=_OUTSIDE, time="0.000")
        _add_error(element, result.problem)
    ET.indent(root, " ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _properties(result: SuiteResult) -> Iterator[tuple[str, str]]:
    yield "tool", f"lyftlearn-image {result.tool_version}"
    yield "run_id", result.run_id
    yield "targets", ", ".join(result.targets)
    yield "image", result.image
    yield "image_id", result.image_id
    yield "exit_code", str(int(result.command_exit_code))
    for note in list_notes(result):
        yield "note", note
    for where, number in count_standings(result).items():
        yield f"cases.{where}", str(number)
    for case in result.cases:
        yield f"{case.name}.expected", str(case.expected)
        yield f"{case.name}.outcome", str(case.outcome)
        for run in case.runs:
            for phase in ("prepare_s", "startup_s", "script_s", "collect_s"):
                seconds = getattr(run.timings, phase)
                if seconds is not None:
                    yield f"{case.name}.{run.target}.{phase}", f"{seconds:.3f}"


def _case(case: CaseResult, data: ReportData) -> ET.Element:
    result = data.result
    element = ET.Element(
        "testcase", classname=_attribute(result.suite), name=_attribute(case.name), time=f"{case.duration_s:.3f}"
    )
    if case.outcome is Outcome.ERROR:
        _add_error(element, case.problem)
    elif _is_failure(case):
        failure = ET.SubElement(element, "failure", type=str(case_standing(case)), message=_attribute(_message(case)))
        failure.text = "\n".join(_differences(case, result.targets))
    runs = [run for target in result.targets if (run := find_run(case, target)) is not None]
    lines = [line for run in runs for line in _streams(run, data)]
    if case.exposed:
        lines.append(make_visible_line(describe_exposed(case)))
    ET.SubElement(element, "system-out").text = "\n".join(lines)
    return element


def _add_error(element: ET.Element, problem: str) -> None:
    error = ET.SubElement(element, "error", type="harness", message=_attribute(problem))
    error.text = make_visible(problem)


def _is_failure(case: CaseResult) -> bool:
    return not case.is_as_expected and case.outcome is not Outcome.ERROR


def _message(case: CaseResult) -> str:
    found = f"differs in {list_differing_subjects(case)}" if case.counting else "no difference"
    return "; ".join(text for text in (STANDING_LABELS[case_standing(case)], case.problem or found) if text)


def _differences(case: CaseResult, targets: tuple[str, str]) -> Iterator[str]:
    yield from map(make_visible_line, case.advice)
    if case.patch:
        yield from (PASTE, make_visible(case.patch))
    for comparison in case.counting[:_SHOWN_SUBJECTS]:
        yield make_visible_line(f"{comparison.subject} ({describe_rule(comparison)})")
        for difference in pick_differences(comparison, _SHOWN_DIFFERENCES):
            yield make_visible_line(f"  {difference.place or 'as a whole'}  {difference.detail}".rstrip())
            for target, value in zip(targets, (difference.left, difference.right), strict=True):
                yield make_visible_line(f"    {target}: {'(none)' if value is None else truncate(value, _SHOWN_CHARACTERS)}")
        more = len(comparison.counting) - _SHOWN_DIFFERENCES
        if more > 0:
            yield f"  … {more:,} more in report.json"
    if len(case.counting) > _SHOWN_SUBJECTS:
        yield f"… {len(case.counting) - _SHOWN_SUBJECTS:,} more subjects in report.json"


def _streams(run: Run, data: ReportData) -> Iterator[str]:
    yield make_visible_line(f"{run.target}: {run.status}, exit code {describe_exit_code(run)} {run.reason}".rstrip())
    for name, path in (("stdout", run.stdout), ("stderr", run.stderr)):
        tail = data.tail(path)
        text = make_visible(tail.text).rstrip()
        if text:
            note = "" if tail.is_whole and len(text) <= _SYSTEM_OUT_CHARACTERS else "the end of "
            yield make_visible_line(f"--- {note}{run.target} {name}: {data.relative_path(path)}")
            yield text[-_SYSTEM_OUT_CHARACTERS:]


def _attribute(text: str) -> str:
    """Text for an attribute, bounded, on one line: readers show it in a list."""
    return make_visible_line(truncate(text, _SHOWN_CHARACTERS))
