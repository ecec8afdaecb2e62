"""The verdict for a terminal: one table, then what differs in the cases that did not come out as expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lyftlearn_image.report.intraline import parts
from lyftlearn_image.report.redaction import without_secrets
from lyftlearn_image.report.sanitize import one_line, visible
from lyftlearn_image.report.size_budget import cut
from lyftlearn_image.report.summary import (
    WORDS,
    Standing,
    accepted,
    counted,
    differs_in,
    duration,
    headline,
    rule,
    run_on,
    standing,
    tally,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from rich.console import RenderableType

    from lyftlearn_image.parity.differences import Comparison, Difference
    from lyftlearn_image.parity.verdict import CaseResult, SuiteResult
    from lyftlearn_image.report.intraline import Part

WIDTH = 100
_SHOWN_SUBJECTS = 4
_SHOWN_DIFFERENCES = 3
_SHOWN_CHARACTERS = 160
_SHOWN_REASON = 400

# The table has no room for the whole sentence.
_WORDS = WORDS | {Standing.CONTROL: "differs as expected"}
_STYLES = {
    Standing.PARITY: "green",
    Standing.CONTROL: "cyan",
    Standing.DIFFERENT: "bold red",
    Standing.UNEXPECTED: "bold red",
    Standing.ERROR: "bold yellow",
}


def show(result: SuiteResult, console: Console | None = None, secrets: Collection[str] = ()) -> None:
    """Prints the verdict, with `secrets` masked.

    A terminal gets colours unless NO_COLOR is set; a CI log gets plain text of 100 columns.
    """
    console = console or Console()
    if not console.is_terminal:
        console.width = WIDTH
    with console.capture() as captured:
        console.print(render(without_secrets(result, secrets)), width=min(WIDTH, console.width), highlight=False)
    # A log that cannot hold a character gets a question mark, not an exception.
    encoding = console.encoding or "utf-8"
    console.file.write(captured.get().encode(encoding, "replace").decode(encoding))


def render(result: SuiteResult) -> RenderableType:
    """The table, the first differences of each case that did not come out as expected, and the verdict."""
    failing = [_failing(case, result.targets) for case in result.cases if not case.is_as_expected]
    return Group(_cases(result), *failing, _verdict(result))


def _cases(result: SuiteResult) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1), pad_edge=False)
    table.add_column("case", overflow="fold")
    table.add_column("verdict")
    table.add_column("differs in", ratio=1, min_width=20, overflow="fold")
    for target in result.targets:
        table.add_column(Text(f"{one_line(target)}\nscript"), justify="right", no_wrap=True)
    for case in result.cases:
        where = standing(case)
        table.add_row(
            Text(one_line(case.name)),
            Text(_WORDS[where], style=_STYLES[where]),
            Text(one_line(differs_in(case))),
            *(_script_time(case, target) for target in result.targets),
        )
    return table


def _script_time(case: CaseResult, target: str) -> Text:
    run = run_on(case, target)
    return Text(duration(run.timings.script_s if run else None))


def _failing(case: CaseResult, targets: tuple[str, str]) -> RenderableType:
    """One case with what is wrong with it: the problem, then differences side by side."""
    where = standing(case)
    lines: list[RenderableType] = []
    if case.description:
        lines.append(Text(one_line(case.description), style="dim"))
    if case.problem:
        lines.append(Text(visible(cut(case.problem, _SHOWN_REASON)), style="yellow"))
    for target in targets:
        run = run_on(case, target)
        if run is not None and run.reason:
            reason = cut(run.reason.strip(), _SHOWN_REASON)
            lines.append(Text(f"{one_line(target)} ended with {run.exit_code}: {one_line(reason)}"))
    for comparison in case.counting[:_SHOWN_SUBJECTS]:
        lines += [Text(), _comparison(comparison, targets)]
    more = len(case.counting) - _SHOWN_SUBJECTS
    if more > 0:
        lines.append(Text(f"… and differences in {counted(more, 'more subject')}", style="dim"))
    heading = Text.assemble((one_line(case.name), "bold"), "  ", (WORDS[where], _STYLES[where]))
    return Group(heading, Padding(Group(*lines), (0, 0, 1, 2)))


def _comparison(comparison: Comparison, targets: tuple[str, str]) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1), pad_edge=False, show_edge=False)
    table.add_column("where", ratio=4, overflow="fold")
    for target in targets:
        table.add_column(Text(one_line(target)), ratio=5, overflow="fold")
    for difference in comparison.counting[:_SHOWN_DIFFERENCES]:
        table.add_row(*_row(difference))
    more = len(comparison.counting) - _SHOWN_DIFFERENCES
    if more > 0:
        table.add_row(Text(f"… {more:,} more", style="dim"))
    return Group(Text.assemble((one_line(comparison.subject), "bold"), (one_line(f"  {rule(comparison)}"), "dim")), table)


def _row(difference: Difference) -> Iterator[Text]:
    where = Text(one_line(difference.place) or "(as a whole)")
    if difference.detail:
        where.append(f"\n{one_line(difference.detail)}", style="dim")
    yield where
    left, right = parts(difference.left or "", difference.right or "")
    yield _value(difference.left, left)
    yield _value(difference.right, right)


def _value(value: str | None, value_parts: tuple[Part, ...]) -> Text:
    """The value with what the other side does not have in bold red."""
    if value is None:
        return Text("(none)", style="dim")
    if not value:
        return Text("(empty)", style="dim")
    text = Text()
    for part in value_parts:
        text.append(one_line(part.text), style="bold red" if part.changed else "")
    if len(text) > _SHOWN_CHARACTERS:
        text = text[:_SHOWN_CHARACTERS]
        text.append("…", style="dim")
    return text


def _verdict(result: SuiteResult) -> Text:
    style = "bold green" if result.exit_code == 0 else "bold red"
    facts = f"{tally(result)}\n{counted(accepted(result), 'accepted difference')} · {duration(result.duration_s)}\n"
    image = one_line(f"image {result.image} {_short(result.image_id)}")
    return Text.assemble((f"{headline(result)}.\n", style), facts, (image, "dim"))


def _short(image_id: str) -> str:
    """A digest as people quote it: 12 hex digits."""
    algorithm, _, digits = image_id.rpartition(":")
    return f"{algorithm}:{digits[:12]}" if algorithm else digits
