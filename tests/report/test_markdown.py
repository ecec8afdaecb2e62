"""report.md, as GitHub's step summary and other readers of Markdown show it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypothesis import example, given, strategies as st
from markdown_it import MarkdownIt

from lyftlearn_image.parity.differences import Comparison, Difference
from lyftlearn_image.report import markdown
from lyftlearn_image.report.report_data import collect_report_data

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lyftlearn_image.parity.verdict import CaseResult, SuiteResult

# The only elements of the report; a value that makes another one was read as markup.
ELEMENTS = {"b", "blockquote", "br", "code", "details", "h2", "li", "p", "strong", "summary", "ul"}
ELEMENTS |= {"table", "tbody", "td", "th", "thead", "tr"}


def test_the_summary_reads_as_reviewed(suite_result: SuiteResult, tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    """The verdict first, then a line a case, then a block for each case that did not come out as expected."""
    golden("report.md", markdown.render(collect_report_data(suite_result, tmp_path / "report")))


def test_every_case_has_a_row(suite_result: SuiteResult, tmp_path: Path) -> None:
    """The table has one row a case and five columns beside the mark, as a Markdown parser sees it."""
    html = _html(suite_result, tmp_path / "report")
    first_table = html[: html.index("</table>")]

    assert first_table.count("<tr>") == 1 + len(suite_result.cases)
    assert first_table.count("<td") == 6 * len(suite_result.cases)


def test_a_hundred_cases_with_everything_different_fit_into_a_mebibyte(
    make_case: Callable[..., CaseResult], make_suite: Callable[[Sequence[CaseResult]], SuiteResult], tmp_path: Path
) -> None:
    """However much differs, the summary stays within GitHub's limit, names every case, and says what it left out."""
    result = make_suite([make_case(f"case-{n}", _much()) for n in range(100)])

    text = markdown.render(collect_report_data(result, tmp_path / "report"))

    assert 100_000 < len(text.encode()) <= markdown.LIMIT_BYTES
    assert all(f"| case-{n} |" in text for n in range(100))
    assert "more in `report.json`" in text


@given(text=st.text(st.characters(codec=None)) | st.text("<>&|`*_[](){}\\~@#$!:/.-+= \n1aA", max_size=40))
@example("</details><script>alert(1)</script>")
@example("[a](http://example.org) ![b](c) <http://example.org> https://example.org")
@example("| a | b |\n| --- | --- |")
@example("- a\n1. b\n# c\n> d\n```\ne")
@example("\\| `code` **bold** _x_ ~~y~~ @team #1 $z$")
def test_no_text_is_read_as_markup(
    make_case: Callable[..., CaseResult],
    make_suite: Callable[[Sequence[CaseResult]], SuiteResult],
    tmp_path: Path,
    text: str,
) -> None:
    """Whatever a script prints, the tables keep their cells and no link, image, heading or element comes of it."""
    difference = Difference(text, text, text, text)
    accepted = Difference(text, text, text, text, accepted=text)
    comparison = Comparison(text, text, (difference, accepted), text)
    result = make_suite([make_case(text, [comparison], [], description=text, problem=text)])

    html = _html(result, tmp_path / "report")

    assert set(re.findall(r"<([a-z0-9]+)", html)) <= ELEMENTS
    assert html.count("<td") == 6 + 3 + 2
    assert html.count("<h2") == 1
    assert html.count("<details>") == html.count("</details>") == 2


def _html(result: SuiteResult, directory: Path) -> str:
    rendered = (
        MarkdownIt("commonmark")
        .enable("table")
        .enable("strikethrough")
        .render(markdown.render(collect_report_data(result, directory)))
    )
    return str(rendered)


def _much() -> list[Comparison]:
    differences = tuple(Difference(f"line {n}", f"{'left ' * 300}{n}", f"{'right ' * 300}{n}") for n in range(60))
    return [Comparison(f"output/{n}.txt", "text", differences) for n in range(5)]
