"""The room of a report: what failed has it first, and no case starves another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from lyftlearn_image.parity.differences import Comparison, Difference
from lyftlearn_image.report import html, junit, markdown
from lyftlearn_image.report.html_view import case_views
from lyftlearn_image.report.report_data import ReportData, collect_report_data
from lyftlearn_image.report.size_budget import LADDER, Part, fit_parts, truncate_reason
from lyftlearn_image.report.summary import list_differing_subjects, pick_differences
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lyftlearn_image.parity.verdict import CaseResult, SuiteResult
    from lyftlearn_image.report.size_budget import SizeBudget
    from lyftlearn_image.run import Run

    MakeCase = Callable[..., CaseResult]
    MakeSuite = Callable[[Sequence[CaseResult]], SuiteResult]

FILES = 20_000
SAME = [Comparison(f"output/{number % 100:02d}/{number}.json", "json") for number in range(FILES)]
DIFFERENCES = tuple(Difference(f"line {number}", f"left {number} {'l' * 150}", f"right {number}") for number in range(60))
FAILING = [Comparison("stdout", "text", DIFFERENCES)]


def part(size: int, *, is_failing: bool) -> Part:
    """One that needs so many bytes at its fullest, and fewer on each step below."""

    def render(budget: SizeBudget) -> Iterator[str]:
        yield "x" * (size * budget.subjects // LADDER[0].subjects)

    return Part(is_failing=is_failing, weight=size, render=render)


SIZES = st.lists(st.tuples(st.integers(0, 5000), st.booleans()), max_size=12)


@given(SIZES, st.integers(0, 20_000))
def test_parts_never_take_more_than_the_room(sizes: list[tuple[int, bool]], room: int) -> None:
    """All of them together, whatever they need."""
    texts = fit_parts(room, [part(size, is_failing=is_failing) for size, is_failing in sizes])
    assert sum(len(text or "") for text in texts) <= room


@given(SIZES, SIZES, st.integers(0, 20_000))
def test_what_passed_takes_no_room_from_what_failed(
    failing: list[tuple[int, bool]], passing: list[tuple[int, bool]], room: int
) -> None:
    """Whatever passed beside it, a failing case has the same text."""
    parts = [part(size, is_failing=True) for size, _ in failing]
    alone = fit_parts(room, parts)
    assert fit_parts(room, [*[part(size, is_failing=False) for size, _ in passing], *parts])[len(passing) :] == alone


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=8), st.integers(0, 50_000))
def test_what_a_small_case_does_not_need_goes_to_a_large_one(small: list[int], room: int) -> None:
    """A case that needs less than its share is whole, however large the others are."""
    parts = [part(1_000_000, is_failing=True), *(part(size, is_failing=True) for size in small)]
    texts = fit_parts(room, parts)
    for text, size in zip(texts[1:], small, strict=True):
        assert size > room // len(parts) or len(text or "") == size


TEXTS = st.none() | st.text("a é<&\t\x00\u202e😀", max_size=150)
DETAILS = TEXTS.map(lambda text: text or "")
ROWS = st.lists(st.builds(Difference, st.sampled_from(["", "a", "v/a", "v/b"]), TEXTS, TEXTS, DETAILS))


@given(rows=ROWS, step=st.sampled_from(LADDER), subject=st.sampled_from(["stdout", "environment"]))
@settings(examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_case_of_the_page_is_smaller_than_it_is_said_to_be_at_least(
    rows: list[Difference], step: SizeBudget, subject: str, make_case: MakeCase, make_suite: MakeSuite
) -> None:
    """What is given up for its size before it is made would not have fitted."""
    suite = make_suite([make_case("case", [Comparison(subject, "text", tuple(rows))])])
    (view,) = case_views(suite)
    made = html._part(view, ReportData(suite, Path(), {}, {}))
    assert made.least_bytes(step) <= len("".join(made.render(step)).encode())


def test_a_part_that_is_larger_than_the_room_is_not_made() -> None:
    """Making it would only show that."""

    def refuse(_: SizeBudget) -> Iterator[str]:
        raise AssertionError

    assert fit_parts(1000, [Part(is_failing=True, weight=1, render=refuse, least_bytes=lambda _: 1001)]) == [None]


@pytest.mark.parametrize("number_failing", [1, 5])
def test_a_passing_case_with_thousands_of_files_starves_no_failing_one(
    make_case: MakeCase, make_suite: MakeSuite, tmp_path: Path, number_failing: int
) -> None:
    """Every difference of a failing case is there, with its whole value, before the files of the other; and it comes first."""
    failing = [make_case(f"wrong-{number}", FAILING) for number in range(number_failing)]
    data = collect_report_data(make_suite([make_case("many-files", SAME), *failing]), tmp_path / "report")
    page = html.render(data)
    assert len(page.encode()) <= html.LIMIT_BYTES
    for case in failing:
        section = page[page.index(f'id="case-{case.name}"') :]
        section = section[: section.index('<details class="compared">')]
        assert section.count("<tr><th") > len(DIFFERENCES)
        assert "l" * 150 in section.replace("<mark>", "").replace("</mark>", "")
    assert page.index('id="case-wrong-0"') < page.index('id="case-many-files"')
    assert f"{FILES - LADDER[0].subjects:,} more subjects in report.json" in page


@pytest.mark.parametrize("report", [html, markdown, junit])
def test_a_case_that_differs_in_thousands_of_files_starves_no_other(
    report: object, make_case: MakeCase, make_suite: MakeSuite, tmp_path: Path
) -> None:
    """Each failing case has its share; of the large one there is a beginning, and how much more there is."""
    large = [Comparison(one.subject, "json", (Difference("", "left", "right"),)) for one in SAME]
    data = collect_report_data(make_suite([make_case("large", large), make_case("small", FAILING)]), tmp_path / "report")
    text: str = report.render(data)  # type: ignore[attr-defined]
    assert len(text.encode()) <= 1024 * 1024
    assert "more subjects" in text
    assert text.count("output/00/0.json")
    shown = 20 if report is junit else len(DIFFERENCES)
    assert all(f"left {number} " in text.replace("<mark>", "").replace("</mark>", "") for number in range(shown))


def test_a_line_of_the_table_names_the_first_of_many_subjects(make_case: MakeCase) -> None:
    """And says how many more there are."""
    case = make_case("large", [Comparison(f"output/{number}", "json", DIFFERENCES[:1]) for number in range(100)])
    listed = list_differing_subjects(case)
    assert listed.startswith("output/0, output/1, ")
    assert listed.endswith("output/19, and 80 more")


TRACEBACK = "exit code 1\nTraceback (most recent call last):\n" + "".join(
    f'  File "deep.py", line {number}, in f\n    f()\n' for number in range(200)
)


@pytest.mark.parametrize("characters", [80, 300, 400, 2000])
def test_of_a_traceback_the_last_lines_are_shown(characters: int) -> None:
    """They say what failed; the first line says how it ended."""
    shown = truncate_reason(f"{TRACEBACK}KeyError: 'the column'", characters)
    assert shown.startswith("exit code 1\n")
    assert shown.endswith("KeyError: 'the column'")
    assert len(shown) < characters + 60


@pytest.mark.parametrize(("text", "whole"), [("short\nreason", True), ("x" * 1000, False), ("x" * 900 + "\nend", False)])
def test_a_reason_is_cut_in_its_middle(text: str, whole: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A short one stays; of a long one there are both ends."""
    shown = truncate_reason(text, 100)
    assert (shown == text) is whole
    assert shown.endswith(text[-3:])


def test_of_differences_that_are_a_traceback_the_last_are_picked() -> None:
    """Of others the first."""
    lines = [*TRACEBACK.splitlines()[1:], "KeyError: 'the column'"]
    traceback = tuple(Difference(f"line {number}", line, None) for number, line in enumerate(lines))
    assert pick_differences(Comparison("stderr", "text", traceback), 3)[-1].left == "KeyError: 'the column'"
    assert pick_differences(Comparison("stdout", "text", DIFFERENCES), 3) == DIFFERENCES[:3]
    assert pick_differences(Comparison("stdout", "text", DIFFERENCES), 0) == ()


@pytest.mark.parametrize("report", [html, markdown, junit])
def test_every_report_shows_the_end_of_a_long_reason(
    report: object, make_run: Callable[..., Run], make_case: MakeCase, make_suite: MakeSuite, tmp_path: Path
) -> None:
    """The platform's message of a failed run is a traceback more often than not."""
    runs = [make_run("failed", target, exit_code=1, reason=f"{TRACEBACK}KeyError: the column") for target in ("sagemaker",)]
    data = collect_report_data(make_suite([make_case("failed", FAILING, runs)]), tmp_path / "report")
    assert "KeyError: the column" in report.render(data)  # type: ignore[attr-defined]
