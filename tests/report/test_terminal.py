"""The verdict on a terminal and in a CI log."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from hypothesis import given, strategies as st
from rich.cells import cell_len
from rich.console import Console

from lyftlearn_image.parity.differences import Comparison, Difference
from lyftlearn_image.parity.verdict import Outcome
from lyftlearn_image.report import terminal
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest

    from lyftlearn_image.parity.verdict import CaseResult, SuiteResult


def test_lines_to_paste_are_whole(make_case: Callable[..., CaseResult], make_suite: Callable[..., SuiteResult]) -> None:
    """However narrow the terminal is: half of a line is no YAML."""
    line = f"      - {{subject: {'a' * 150}, reason: say why}}"
    case = make_case("one", [Comparison("stdout", "text", (Difference("line 1", "a", "b"),))], patch=f"accept:\n{line}")
    assert line in _shown(make_suite([case]), width=60)


def test_the_verdict_reads_as_reviewed(suite_result: SuiteResult, golden: Callable[[str, str], None]) -> None:
    """A CI log gets 100 columns of plain text: the table, then differences side by side, then the verdict."""
    golden("terminal.txt", "".join(f"{line.rstrip()}\n" for line in _shown(suite_result).splitlines()))


def test_the_verdict_of_parity_is_short(
    suite_result: SuiteResult, make_suite: Callable[[Sequence[CaseResult]], SuiteResult], golden: Callable[[str, str], None]
) -> None:
    """When every case came out as expected there is the table and the verdict, and nothing else."""
    as_expected = [case for case in suite_result.cases if case.is_as_expected]

    golden("terminal-parity.txt", "".join(f"{line.rstrip()}\n" for line in _shown(make_suite(as_expected)).splitlines()))


def test_a_terminal_gets_colours_with_a_meaning(suite_result: SuiteResult, monkeypatch: pytest.MonkeyPatch) -> None:
    """Green is parity, cyan a control that differs, red what is wrong."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = _shown(suite_result, force_terminal=True, color_system="standard")

    assert "\x1b[32mparity" in shown
    assert "\x1b[36mdiffers as expected" in shown
    assert "\x1b[1;31mdifferent" in shown
    assert "\x1b[1;31mThe harness failed" in shown


def test_no_color_is_respected(suite_result: SuiteResult, monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR a terminal gets the same words without a colour."""
    monkeypatch.setenv("NO_COLOR", "1")
    shown = _shown(suite_result, force_terminal=True, color_system="standard")

    assert "\x1b[1mThe harness failed" in shown
    assert "\x1b[3" not in shown.replace("\x1b[39", "")


def test_a_narrow_terminal_gets_what_fits(suite_result: SuiteResult) -> None:
    """On 72 columns nothing is wider than the terminal, and no case's verdict is lost."""
    shown = _shown(suite_result, force_terminal=True, width=72, color_system=None)

    assert max(cell_len(line) for line in shown.splitlines()) <= 72
    assert "flights-delay-model" in shown


def test_a_log_that_cannot_hold_a_character_is_still_written(suite_result: SuiteResult) -> None:
    """An ASCII log gets a question mark instead of an exception."""
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")

    terminal.show(suite_result, Console(file=file))

    file.flush()
    assert b"did not come out as expected" in file.buffer.getvalue()  # type: ignore[attr-defined]


def test_more_than_fits_is_counted(
    make_case: Callable[..., CaseResult], make_suite: Callable[[Sequence[CaseResult]], SuiteResult]
) -> None:
    """The terminal shows the first differences of the first subjects, and says how many there are beyond."""
    comparisons = [
        Comparison(f"output/{n}.txt", "text", tuple(Difference(f"line {m}", "a", "b") for m in range(10))) for n in range(7)
    ]

    shown = _shown(make_suite([make_case("much", comparisons)]))

    assert "… 7 more" in shown
    assert "… and differences in 3 more subjects" in shown
    assert "line 3" not in shown


@examples(50)
@given(text=st.text(st.characters(codec=None), max_size=200))
def test_hostile_text_does_nothing_to_the_terminal(
    make_case: Callable[..., CaseResult], make_suite: Callable[[Sequence[CaseResult]], SuiteResult], text: str
) -> None:
    """Whatever a script prints, no control character reaches the terminal, no markup is read, and 100 columns hold."""
    comparison = Comparison(text, text, (Difference(text, text, f"[bold]{text}", text),), text)
    case = make_case("hostile", [comparison], description=text, problem=text, outcome=Outcome.DIFFERENT)

    shown = _shown(make_suite([case]))

    assert not {character for character in shown if character < " " and character != "\n"}
    assert max(cell_len(line) for line in shown.split("\n")) <= 100


def _shown(result: SuiteResult, **console: object) -> str:
    file = io.StringIO()
    terminal.show(result, Console(file=file, **console))  # type: ignore[arg-type]
    return file.getvalue()


def test_a_ci_server_takes_nothing_of_a_case_for_a_command(
    make_case: Callable[..., CaseResult], make_suite: Callable[[Sequence[CaseResult]], SuiteResult]
) -> None:
    """A problem of several lines, a value or a name may begin as a command does; blanks before it count for nothing."""
    text = "one\n::error::two\n  ::set-env name=PATH::x ##vso[task.x]"
    cases = [
        make_case("any", [Comparison(text, "text", (Difference(text, text, text, text),))], description=text, problem=text),
        make_case("other", [], [], outcome=Outcome.ERROR, problem=text),
    ]
    file = io.StringIO()
    terminal.show(make_suite(cases), Console(file=file))
    assert not any(line.strip().startswith("::") for line in file.getvalue().splitlines())
    assert "##vso[" not in file.getvalue()
    assert ": :error::two" in file.getvalue()
