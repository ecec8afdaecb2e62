"""The verdict for a terminal: one table, then what differs in the cases that did not come out as expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lyftlearn_image.report.intraline import diff_segments
from lyftlearn_image.report.redaction import without_secrets
from lyftlearn_image.report.size_budget import truncate, truncate_reason
from lyftlearn_image.report.summary import (
    PASTE,
    STANDING_LABELS,
    Standing,
    case_standing,
    count_accepted,
    describe_exit_code,
    describe_exposed,
    describe_rule,
    find_run,
    format_count,
    format_duration,
    headline,
    list_differing_subjects,
    list_notes,
    pick_differences,
    tally,
)
from lyftlearn_image.sanitize import make_visible, make_visible_line, without_commands

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from rich.console import RenderableType

    from lyftlearn_image.parity.differences import Comparison, Difference
    from lyftlearn_image.parity.verdict import CaseResult, SuiteResult
    from lyftlearn_image.report.intraline import Segment

WIDTH = 100
_SHOWN_SUBJECTS = 4
_SHOWN_DIFFERENCES = 3
_SHOWN_CHARACTERS = 160
_SHOWN_REASON = 400

# The table has no room for the whole sentence.
_WORDS = STANDING_LABELS | {Standing.CONTROL: "differs as expected"}
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
        for part in _parts(without_secrets(result, secrets)):
            width = min(WIDTH, console.width)
            console.print(part, width=width, highlight=False, soft_wrap=isinstance(part, _Whole))
    # A log that cannot hold a character gets a question mark, not an exception.
    encoding = console.encoding or "utf-8"
    text = without_commands(captured.get().encode(encoding, "replace").decode(encoding))
    console.file.write(text)


class _Whole(Text):
    """Lines to copy: they are whole, however narrow the screen is."""


def _parts(result: SuiteResult) -> Iterator[RenderableType]:
    """The table, the first differences of each case that did not come out as expected, and the verdict."""
    yield _cases(result)
    for case in result.cases:
        if not case.is_as_expected:
            yield from _failing(case, result.targets)
    yield _verdict(result)


def _cases(result: SuiteResult) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1), pad_edge=False)
    table.add_column("case", overflow="fold")
    table.add_column("verdict")
    table.add_column("differs in", ratio=1, min_width=20, overflow="fold")
    for target in result.targets:
        table.add_column(Text(f"{make_visible_line(target)}\nscript"), justify="right", no_wrap=True)
    for case in result.cases:
        where = case_standing(case)
        table.add_row(
            Text(make_visible_line(case.name)),
            Text(_WORDS[where], style=_STYLES[where]),
            Text(make_visible_line(list_differing_subjects(case))),
            *(_script_time(case, target) for target in result.targets),
        )
    return table


def _script_time(case: CaseResult, target: str) -> Text:
    run = find_run(case, target)
    return Text(format_duration(run.timings.script_s if run else None))


def _failing(case: CaseResult, targets: tuple[str, str]) -> Iterator[RenderableType]:
    """One case with what is wrong with it: the problem, then differences side by side."""
    where = case_standing(case)
    lines: list[RenderableType] = []
    if case.description:
        lines.append(Text(make_visible_line(case.description), style="dim"))
    if case.problem:
        lines.append(Text(make_visible(truncate(case.problem, _SHOWN_REASON)), style="yellow"))
    for target in targets:
        run = find_run(case, target)
        if run is not None and run.reason:
            reason = make_visible(truncate_reason(run.reason.strip(), _SHOWN_REASON))
            lines.append(Text(f"{make_visible_line(target)} ended with {describe_exit_code(run)}: {reason}"))
    if case.exposed:
        lines.append(Text(make_visible_line(truncate(describe_exposed(case), _SHOWN_REASON)), style="yellow"))
    lines += [Text(f"→ {make_visible_line(truncate(advice, _SHOWN_REASON))}", style="cyan") for advice in case.advice]
    if case.patch:
        lines.append(Text(PASTE, style="cyan"))
    differences: list[RenderableType] = []
    for comparison in case.counting[:_SHOWN_SUBJECTS]:
        differences += [Text(), _comparison(comparison, targets)]
    more = len(case.counting) - _SHOWN_SUBJECTS
    if more > 0:
        differences.append(Text(f"… and differences in {format_count(more, 'more subject')}", style="dim"))
    heading = Text.assemble((make_visible_line(case.name), "bold"), "  ", (STANDING_LABELS[where], _STYLES[where]))
    yield heading
    yield _indented(lines)
    if case.patch:
        yield _Whole(make_visible(case.patch))
    yield _indented([*differences, Text()])


def _indented(lines: Sequence[RenderableType]) -> Padding:
    return Padding(Group(*lines), (0, 0, 0, 2))


def _comparison(comparison: Comparison, targets: tuple[str, str]) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1), pad_edge=False, show_edge=False)
    table.add_column("where", ratio=4, overflow="fold")
    for target in targets:
        table.add_column(Text(make_visible_line(target)), ratio=5, overflow="fold")
    for difference in pick_differences(comparison, _SHOWN_DIFFERENCES):
        table.add_row(*_row(difference))
    more = len(comparison.counting) - _SHOWN_DIFFERENCES
    if more > 0:
        table.add_row(Text(f"… {more:,} more", style="dim"))
    return Group(
        Text.assemble(
            (make_visible_line(comparison.subject), "bold"), (make_visible_line(f"  {describe_rule(comparison)}"), "dim")
        ),
        table,
    )


def _row(difference: Difference) -> Iterator[Text]:
    where = Text(make_visible_line(difference.place) or "(as a whole)")
    if difference.detail:
        where.append(f"\n{make_visible_line(difference.detail)}", style="dim")
    yield where
    left, right = diff_segments(difference.left or "", difference.right or "")
    yield _value(difference.left, left)
    yield _value(difference.right, right)


def _value(value: str | None, value_parts: tuple[Segment, ...]) -> Text:
    """The value with what the other side does not have in bold red."""
    if value is None:
        return Text("(none)", style="dim")
    if not value:
        return Text("(empty)", style="dim")
    text = Text()
    for part in value_parts:
        text.append(make_visible_line(part.text), style="bold red" if part.is_changed else "")
    if len(text) > _SHOWN_CHARACTERS:
        text = text[:_SHOWN_CHARACTERS]
        text.append("…", style="dim")
    return text


def _verdict(result: SuiteResult) -> Text:
    style = "bold green" if result.exit_code == 0 else "bold red"
    accepted = format_count(count_accepted(result), "accepted difference")
    facts = f"{tally(result)}\n{accepted} · {format_duration(result.duration_s)}\n"
    image = make_visible_line(f"image {result.image} {_short(result.image_id)}")
    notes = "".join(f"\n{make_visible_line(truncate(note, _SHOWN_REASON))}" for note in list_notes(result))
    return Text.assemble((f"{headline(result)}.\n", style), facts, (image, "dim"), (notes, "yellow"))


def _short(image_id: str) -> str:
    """A digest as people quote it: 12 hex digits."""
    algorithm, _, digits = image_id.rpartition(":")
    return f"{algorithm}:{digits[:12]}" if algorithm else digits
