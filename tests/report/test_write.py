"""Writing the reports: every format, whole at any moment, and without a secret."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from rich.console import Console

from lyftlearn_image.errors import RunError
from lyftlearn_image.parity.differences import Comparison, Difference, format_value
from lyftlearn_image.report import terminal
from lyftlearn_image.report.formats import FORMATS, ReportFormat, load_format
from lyftlearn_image.report.report_data import TAIL_BYTES, collect_report_data
from lyftlearn_image.report.write import ReportsError, write_reports
from lyftlearn_runtime.secret_forms import MASK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lyftlearn_image.parity.verdict import CaseResult, SuiteResult
    from lyftlearn_image.run import Run

SECRET = 'planted-"q<u>o&te\\d/ü+key'
KEY = "-----BEGIN KEY-----\nplanted0line0one0of0the0key\nplanted0line0two0of0the0key\n-----END KEY-----\n"
ENCODED = {
    "plain": SECRET,
    "in a text": f"before {SECRET} after",
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base64 after one byte": base64.b64encode(f"x{SECRET}".encode()).decode(),
    "base64 after two bytes": base64.b64encode(f"xx{SECRET}yy".encode()).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(SECRET.encode()).decode(),
    "URL": f"https://user:{quote(SECRET, safe='')}@host/",
    "JSON": json.dumps({"password": SECRET}),
    "JSON with its own letters": json.dumps({"password": SECRET}, ensure_ascii=False),
    "Python": repr({"password": SECRET}),
    "HTML": "planted-&quot;q&lt;u&gt;o&amp;te\\d/ü+key",
    "hex": SECRET.encode().hex(),
    "coloured": '\x1b[31mplanted-"q<u>\x1b[0mo&te\\d/ü+key',
    "a line of a key": "planted0line0two0of0the0key",
}
# What of each encoding must not be there. Base64 of a part may differ in the group at either end.
TRACES = (
    "planted",
    "q<u>o",
    "q&lt;u&gt;o",
    "0line0two",
    SECRET.encode().hex()[4:-4],
    *(base64.b64encode(b"x" * offset + SECRET.encode())[4:-4].decode() for offset in range(3)),
)


def test_every_format_is_written(suite_result: SuiteResult, tmp_path: Path) -> None:
    """The caller gets the file of each format, and nothing else is left in the directory."""
    written = write_reports(suite_result, tmp_path / "new" / "directory")

    assert {name: path.name for name, path in written.items()} == {
        "json": "report.json",
        "junit": "junit.xml",
        "markdown": "report.md",
        "html": "report.html",
    }
    assert sorted(path.name for path in (tmp_path / "new" / "directory").iterdir()) == sorted(
        path.name for path in written.values()
    )
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in written.values())


def test_the_same_result_gives_the_same_reports(suite_result: SuiteResult, tmp_path: Path) -> None:
    """A report depends on nothing but the result: no time of writing, no order of a set."""
    first = {name: path.read_bytes() for name, path in write_reports(suite_result, tmp_path / "report").items()}
    second = {name: path.read_bytes() for name, path in write_reports(suite_result, tmp_path / "report").items()}

    assert first == second


def test_a_directory_that_cannot_be_written_is_named(suite_result: SuiteResult, tmp_path: Path) -> None:
    """The error says which place and what to do, and no half of a report is left."""
    (tmp_path / "report" / "report.json").mkdir()

    with pytest.raises(RunError, match="cannot be written") as caught:
        write_reports(suite_result, tmp_path / "report")

    assert caught.value.where.endswith("report.json")
    assert {path.name for path in (tmp_path / "report").iterdir()} == {"report.json", "runs"}


@pytest.mark.parametrize("form", ENCODED)
def test_no_secret_reaches_a_report(leaking: Callable[[str], SuiteResult], tmp_path: Path, form: str) -> None:
    """A secret is masked in every field and stream, however it is encoded."""
    written = write_reports(leaking(ENCODED[form]), tmp_path / "report", secrets=[SECRET, KEY])

    for path in written.values():
        text = path.read_text(encoding="utf-8")
        assert MASK in unescape(text)
        assert [trace for trace in TRACES if trace in text] == [], path.name


@pytest.mark.parametrize("name", FORMATS)
def test_a_secret_that_nobody_names_is_found_in_the_report(
    leaking: Callable[[str], SuiteResult], tmp_path: Path, name: str
) -> None:
    """Each format does show what it is given: the check above can fail."""
    written = write_reports(leaking(ENCODED["plain"]), tmp_path / "report")

    assert "planted" in written[name].read_text(encoding="utf-8")


def test_no_secret_reaches_the_terminal(leaking: Callable[[str], SuiteResult]) -> None:
    """The table and the differences are masked as the files are."""
    file = io.StringIO()

    terminal.show(leaking(SECRET), Console(file=file), secrets=[SECRET])

    assert MASK in file.getvalue()
    assert "planted" not in file.getvalue()


@pytest.mark.parametrize("left_of_the_cut", range(0, len(SECRET) + 2, 3))
def test_a_secret_at_the_cut_of_a_stream_is_masked(
    make_run: Callable[..., Run],
    make_case: Callable[..., CaseResult],
    make_suite: Callable[[Sequence[CaseResult]], SuiteResult],
    tmp_path: Path,
    left_of_the_cut: int,
) -> None:
    """Of a long stream only the end is read; a secret that begins before it does not show its rest."""
    margin = len(SECRET) * 12
    for distance in (TAIL_BYTES, TAIL_BYTES + margin):
        log = "a" * 40_000 + SECRET + "b" * (distance - len(SECRET.encode()) + left_of_the_cut)
        run = make_run("long", "sagemaker", stdout=log)

        data = collect_report_data(make_suite([make_case("long", [], [run])]), tmp_path / "report", [SECRET])

        tail = data.tail(run.stdout)
        assert not tail.is_whole
        assert not any(SECRET[start : start + 4] in tail.text for start in range(len(SECRET) - 4))


@pytest.mark.parametrize("secrets", [(), (SECRET,)])
def test_the_end_of_a_stream_is_kept_in_full(
    make_run: Callable[..., Run],
    make_case: Callable[..., CaseResult],
    make_suite: Callable[[Sequence[CaseResult]], SuiteResult],
    tmp_path: Path,
    secrets: tuple[str, ...],
) -> None:
    """As much of a long stream is read whether or not there are secrets to look for."""
    run = make_run("long", "sagemaker", stdout="a" * 100_000)

    data = collect_report_data(make_suite([make_case("long", [], [run])]), tmp_path / "report", secrets)

    assert data.tail(run.stdout).text == "a" * TAIL_BYTES


@pytest.mark.parametrize("kept", range(4, len(SECRET)))
def test_a_secret_at_the_cut_of_a_value_is_masked(
    make_case: Callable[..., CaseResult],
    make_suite: Callable[[Sequence[CaseResult]], SuiteResult],
    tmp_path: Path,
    kept: int,
) -> None:
    """A comparison cuts long values, perhaps within a secret; its beginning is masked too."""
    value = format_value("a" * (2000 - kept) + SECRET + "b" * 500)
    assert SECRET[:kept] in value

    data = collect_report_data(
        make_suite([make_case("long", [Comparison("stdout", "text", (Difference("", value, None),))])]),
        tmp_path / "report",
        [SECRET],
    )

    left = data.result.cases[0].comparisons[0].differences[0].left
    assert left is not None
    assert left.endswith(f"a{MASK}… ({2500 - kept + len(SECRET)} characters)")


@pytest.fixture
def leaking(
    make_run: Callable[..., Run],
    make_case: Callable[..., CaseResult],
    make_suite: Callable[[Sequence[CaseResult]], SuiteResult],
) -> Callable[[str], SuiteResult]:
    """Makes a result with a text in every field that a script, a comparison or a platform fills."""

    def make(text: str) -> SuiteResult:
        comparisons = [
            Comparison(
                f"output/{text}",
                "text",
                (Difference(text, text, None, text), Difference(text, None, text, text, accepted=text)),
                text,
            ),
            Comparison("environment", "environment", (Difference(f"variables/{text}", text, "right"),)),
        ]
        runs = [
            make_run(
                "leak",
                target,
                stdout=f"{text}\n",
                stderr=f"warning: {text}\n",
                reason=text,
                metrics=(text,),
                observation={"variables": {"LEAK": text, text: "key"}, "list": [text, [text]]},
            )
            for target in ("sagemaker", "kubernetes")
        ]
        return make_suite([make_case("leak", comparisons, runs, description=text, problem=text)])

    return make


OWN_FORMAT = """
FILE_NAME = "report.csv"

def render(data):
    return "".join(f"{case.name},{case.outcome}\\n" for case in data.result.cases)
"""


def test_a_new_format_is_one_file_and_one_line(
    leaking: Callable[[str], SuiteResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written beside the others, from the same data: masked already."""
    (tmp_path / "own_format.py").write_text(OWN_FORMAT)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(FORMATS, "csv", "own_format")
    written = write_reports(leaking(SECRET), tmp_path / "report", secrets=[SECRET])
    assert list(written) == ["json", "junit", "markdown", "html", "csv"]
    assert written["csv"] == tmp_path / "report" / "report.csv"
    assert written["csv"].read_text() == "leak,different\n"


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_what_the_protocol_asks_for(name: str) -> None:
    """A file name of its own, and a function of the data."""
    report_format = load_format(name)
    assert isinstance(report_format, ReportFormat)
    assert [load_format(each).FILE_NAME for each in FORMATS].count(report_format.FILE_NAME) == 1


def test_a_format_that_fails_takes_no_other_down(
    suite_result: SuiteResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are written, its own file of another run is gone, and the error, with its traceback, tells no secret."""
    program = f'FILE_NAME = "report.txt"\n\ndef render(data):\n    raise ValueError({SECRET!r})\n'
    (tmp_path / "failing_format.py").write_text(program)
    (tmp_path / "report" / "report.txt").write_text("of another run")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(FORMATS, "text", "failing_format")
    with pytest.raises(ReportsError, match=r"report\.txt could not be made: ValueError") as caught:
        write_reports(dataclasses.replace(suite_result, run_id="another"), tmp_path / "report", secrets=[SECRET])
    assert caught.value.exit_code == 2
    assert list(caught.value.written) == ["json", "junit", "markdown", "html"]
    assert json.loads(caught.value.written["json"].read_text())["run_id"] == "another"
    assert not (tmp_path / "report" / "report.txt").exists()
    log = tmp_path / "report" / "errors" / "_report.txt.log"
    assert "in render" in log.read_text()
    assert "planted" not in log.read_text().replace('planted-"q<u>o', "") + str(caught.value)
