"""report.md: the verdict as Markdown, for a CI job's summary or a comment.

GitHub refuses a step summary of more than 1 MiB, so this report never grows beyond that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.report.size_budget import Part, fit_parts, truncate, truncate_reason
from lyftlearn_image.report.summary import (
    PASTE,
    STANDING_LABELS,
    Standing,
    case_standing,
    describe_exit_code,
    describe_exposed,
    describe_rule,
    find_run,
    format_count,
    format_duration,
    format_timestamp,
    headline,
    list_differing_subjects,
    list_notes,
    pick_differences,
    tally,
)
from lyftlearn_image.sanitize import make_visible_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lyftlearn_image.parity.differences import Comparison, Difference
    from lyftlearn_image.parity.verdict import CaseResult, SuiteResult
    from lyftlearn_image.report.report_data import ReportData
    from lyftlearn_image.report.size_budget import SizeBudget

FILE_NAME = "report.md"
LIMIT_BYTES = 1024 * 1024
_SHOWN_REASONS = 50
_REASON_CHARACTERS = 300
# Of the line that says how many cases are left out.
_NOTE_BYTES = 200

_MARKS = {
    Standing.PARITY: "✅",
    Standing.CONTROL: "☑️",
    Standing.DIFFERENT: "❌",
    Standing.UNEXPECTED: "❌",
    Standing.ERROR: "⚠️",
}
# As character references these never begin markup: https://spec.commonmark.org/0.31.2/#entity-and-numeric-character-references
_ESCAPED = {ord(character): f"&#{ord(character)};" for character in "&<>|`*_[]\\~@#$!"}


def render(data: ReportData) -> str:
    """The report as GitHub-flavoured Markdown of at most LIMIT_BYTES."""
    result = data.result
    head, foot = (_text(lines) for lines in (_head(result), _accepted(result)))
    failing = [case for case in result.cases if not case.is_as_expected]
    parts = [
        Part(
            is_failing=True,
            weight=sum(len(comparison.counting) for comparison in case.counting),
            render=lambda budget, case=case: (f"{line}\n" for line in _details(case, result.targets, budget)),  # type: ignore[misc]
        )
        for case in failing
    ]
    room = LIMIT_BYTES - len(head.encode()) - len(foot.encode()) - _NOTE_BYTES
    shown = [text for text in fit_parts(room, parts) if text is not None]
    more = len(failing) - len(shown)
    note = f"\n{format_count(more, 'more case')} in `report.html` and `report.json`.\n" if more else ""
    return "".join([head, *shown, note, foot])


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _head(result: SuiteResult) -> Iterator[str]:
    yield f"## {_MARKS[Standing.PARITY] if result.exit_code == 0 else _MARKS[Standing.DIFFERENT]} {headline(result)}"
    yield ""
    yield f"{tally(result)}."
    yield ""
    targets = " and ".join(_code(target) for target in result.targets)
    yield f"Suite {_code(result.suite)} on {targets}, image {_code(result.image)}"
    yield f"{_code(result.image_id)}, {format_timestamp(result.started_at)}, took {format_duration(result.duration_s)}."
    yield ""
    for note in list_notes(result):
        yield from (f"⚠️ {_escaped(note)}", "")
    yield from _table(result)


def _table(result: SuiteResult) -> Iterator[str]:
    yield _row(["", "Case", "Verdict", "Differs in", *(f"{_escaped(target)} script" for target in result.targets)])
    yield _row(["---", "---", "---", "---", *("---:" for _ in result.targets)])
    for case in result.cases:
        where = case_standing(case)
        runs = (find_run(case, target) for target in result.targets)
        times = (format_duration(run.timings.script_s if run else None) for run in runs)
        yield _row(
            [_MARKS[where], _escaped(case.name), STANDING_LABELS[where], _escaped(list_differing_subjects(case)), *times]
        )


def _details(case: CaseResult, targets: tuple[str, str], budget: SizeBudget) -> Iterator[str]:
    """A block that opens on a click: what is wrong, then the differences side by side."""
    yield from ("", "<details>", f"<summary><b>{_escaped(case.name)}</b>: {STANDING_LABELS[case_standing(case)]}</summary>", "")
    if case.description:
        yield from (f"<p>{_escaped(case.description)}</p>", "")
    if case.problem:
        lines = (_escaped(truncate(line, budget.value_chars)) for line in case.problem.splitlines())
        yield from (f"<blockquote>{'<br>'.join(lines)}</blockquote>", "")
    for target in targets:
        run = find_run(case, target)
        if run is not None:
            reason = (
                f": {_code(truncate_reason(run.reason, max(budget.value_chars, _REASON_CHARACTERS)))}" if run.reason else ""
            )
            yield f"- {_escaped(target)}: {run.status}, exit code {describe_exit_code(run)}{reason}"
    if case.exposed:
        yield f"- {_escaped(describe_exposed(case))}"
    for advice in case.advice:
        yield f"- ➡️ {_escaped(truncate(advice, max(budget.value_chars, _REASON_CHARACTERS)))}"
    if case.patch:
        patch = "\n".join(map(_in_pre, case.patch.splitlines()))
        yield from ("", PASTE, "", f"<pre>{patch}</pre>")
    for comparison in case.counting[: budget.subjects]:
        yield from _comparison(comparison, targets, budget)
    if len(case.counting) > budget.subjects:
        yield from ("", f"{format_count(len(case.counting) - budget.subjects, 'more subject')} in `report.json`.")
    yield from ("", "</details>")


def _comparison(comparison: Comparison, targets: tuple[str, str], budget: SizeBudget) -> Iterator[str]:
    number = len(comparison.counting)
    yield ""
    yield f"**{_escaped(comparison.subject)}** ({_escaped(describe_rule(comparison))}): {format_count(number, 'difference')}"
    yield ""
    yield _row(["Where", *(_escaped(target) for target in targets)])
    yield _row(["---"] * (1 + len(targets)))
    for difference in pick_differences(comparison, budget.differences):
        yield _difference(difference, budget)
    if number > budget.differences:
        yield from ("", f"{number - budget.differences:,} more in `report.json`.")


def _difference(difference: Difference, budget: SizeBudget) -> str:
    where = _escaped(truncate(difference.place, budget.value_chars)) or "as a whole"
    if difference.detail:
        where += f"<br>{_escaped(truncate(difference.detail, budget.value_chars))}"
    return _row([where, _value(difference.left, budget), _value(difference.right, budget)])


def _value(value: str | None, budget: SizeBudget) -> str:
    return "(none)" if value is None else _code(truncate(value, budget.value_chars))


def _accepted(result: SuiteResult) -> Iterator[str]:
    """How many differences were accepted, by reason: what the verdict does not count must not be silent."""
    reasons: dict[str, int] = {}
    for case in result.cases:
        for comparison in case.comparisons:
            for difference in comparison.differences:
                if difference.accepted is not None:
                    reasons[difference.accepted] = reasons.get(difference.accepted, 0) + 1
    if not reasons:
        return
    total = sum(reasons.values())
    yield from ("", "<details>", f"<summary>{format_count(total, 'accepted difference')}, by reason</summary>", "")
    yield _row(["Number", "Reason"])
    yield _row(["---:", "---"])
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    for reason, number in ranked[:_SHOWN_REASONS]:
        yield _row([f"{number:,}", _escaped(truncate(reason, _REASON_CHARACTERS))])
    if len(ranked) > _SHOWN_REASONS:
        yield from ("", f"{format_count(len(ranked) - _SHOWN_REASONS, 'more reason')} in `report.json`.")
    yield from ("", "</details>")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _in_pre(line: str) -> str:
    """A line that HTML shows as it is; there is no Markdown in it."""
    return make_visible_line(line).translate({ord(character): f"&#{ord(character)};" for character in "&<>"})


def _code(text: str) -> str:
    """Text of a program in its own type, and nothing in it markup."""
    return f"<code>{_escaped(text)}</code>" if text else "(empty)"


def _escaped(text: str) -> str:
    """Text on one line that Markdown and HTML show as it is."""
    return make_visible_line(text).translate(_ESCAPED).replace("://", "&#58;//")
