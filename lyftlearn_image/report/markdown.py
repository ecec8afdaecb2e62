"""report.md: the verdict as Markdown, for a CI job's summary or a comment.

GitHub refuses a step summary of more than 1 MiB, so this report never grows beyond that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.report.sanitize import one_line
from lyftlearn_image.report.size_budget import cut, within
from lyftlearn_image.report.summary import (
    WORDS,
    Standing,
    counted,
    differs_in,
    duration,
    headline,
    moment,
    rule,
    run_on,
    standing,
    tally,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lyftlearn_image.parity.differences import Comparison, Difference
    from lyftlearn_image.parity.verdict import CaseResult, SuiteResult
    from lyftlearn_image.report.report_data import Contents
    from lyftlearn_image.report.size_budget import Caps

LIMIT_BYTES = 1024 * 1024
_SHOWN_REASONS = 50
_REASON_CHARACTERS = 300

_MARKS = {
    Standing.PARITY: "✅",
    Standing.CONTROL: "☑️",
    Standing.DIFFERENT: "❌",
    Standing.UNEXPECTED: "❌",
    Standing.ERROR: "⚠️",
}
# As character references these never begin markup: https://spec.commonmark.org/0.31.2/#entity-and-numeric-character-references
_ESCAPED = {ord(character): f"&#{ord(character)};" for character in "&<>|`*_[]\\~@#$!"}


def render(contents: Contents) -> str:
    """The report as GitHub-flavoured Markdown of at most LIMIT_BYTES."""
    return within(LIMIT_BYTES, lambda caps: (f"{line}\n" for line in _lines(contents.result, caps)))


def _lines(result: SuiteResult, caps: Caps) -> Iterator[str]:
    yield f"## {_MARKS[Standing.PARITY] if result.exit_code == 0 else _MARKS[Standing.DIFFERENT]} {headline(result)}"
    yield ""
    yield f"{tally(result)}."
    yield ""
    targets = " and ".join(_code(target) for target in result.targets)
    yield f"Suite {_code(result.suite)} on {targets}, image {_code(result.image)}"
    yield f"{_code(result.image_id)}, {moment(result.started_at)}, took {duration(result.duration_s)}."
    yield ""
    yield from _table(result)
    failing = [case for case in result.cases if not case.is_as_expected]
    for case in failing[: caps.failing]:
        yield from _details(case, result.targets, caps)
    if len(failing) > caps.failing:
        yield from ("", f"{counted(len(failing) - caps.failing, 'more case')} in `report.html` and `report.json`.")
    yield from _accepted(result)


def _table(result: SuiteResult) -> Iterator[str]:
    yield _row(["", "Case", "Verdict", "Differs in", *(f"{_escaped(target)} script" for target in result.targets)])
    yield _row(["---", "---", "---", "---", *("---:" for _ in result.targets)])
    for case in result.cases:
        where = standing(case)
        runs = (run_on(case, target) for target in result.targets)
        times = (duration(run.timings.script_s if run else None) for run in runs)
        yield _row([_MARKS[where], _escaped(case.name), WORDS[where], _escaped(differs_in(case)), *times])


def _details(case: CaseResult, targets: tuple[str, str], caps: Caps) -> Iterator[str]:
    """A block that opens on a click: what is wrong, then the differences side by side."""
    yield from ("", "<details>", f"<summary><b>{_escaped(case.name)}</b>: {WORDS[standing(case)]}</summary>", "")
    if case.description:
        yield from (f"<p>{_escaped(case.description)}</p>", "")
    if case.problem:
        lines = (_escaped(cut(line, caps.characters)) for line in case.problem.splitlines())
        yield from (f"<blockquote>{'<br>'.join(lines)}</blockquote>", "")
    for target in targets:
        run = run_on(case, target)
        if run is not None:
            reason = f": {_code(cut(run.reason, caps.characters))}" if run.reason else ""
            yield f"- {_escaped(target)}: {run.status}, exit code {run.exit_code}{reason}"
    for comparison in case.counting:
        yield from _comparison(comparison, targets, caps)
    yield from ("", "</details>")


def _comparison(comparison: Comparison, targets: tuple[str, str], caps: Caps) -> Iterator[str]:
    number = len(comparison.counting)
    yield ""
    yield f"**{_escaped(comparison.subject)}** ({_escaped(rule(comparison))}): {counted(number, 'difference')}"
    if caps.differences:
        yield ""
        yield _row(["Where", *(_escaped(target) for target in targets)])
        yield _row(["---"] * (1 + len(targets)))
        for difference in comparison.counting[: caps.differences]:
            yield _difference(difference, caps)
    if number > caps.differences:
        yield from ("", f"{number - caps.differences:,} more in `report.json`.")


def _difference(difference: Difference, caps: Caps) -> str:
    where = _escaped(cut(difference.place, caps.characters)) or "as a whole"
    if difference.detail:
        where += f"<br>{_escaped(cut(difference.detail, caps.characters))}"
    return _row([where, _value(difference.left, caps), _value(difference.right, caps)])


def _value(value: str | None, caps: Caps) -> str:
    return "(none)" if value is None else _code(cut(value, caps.characters))


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
    yield from ("", "<details>", f"<summary>{counted(total, 'accepted difference')}, by reason</summary>", "")
    yield _row(["Number", "Reason"])
    yield _row(["---:", "---"])
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    for reason, number in ranked[:_SHOWN_REASONS]:
        yield _row([f"{number:,}", _escaped(cut(reason, _REASON_CHARACTERS))])
    if len(ranked) > _SHOWN_REASONS:
        yield from ("", f"{counted(len(ranked) - _SHOWN_REASONS, 'more reason')} in `report.json`.")
    yield from ("", "</details>")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _code(text: str) -> str:
    """Text of a program in its own type, and nothing in it markup."""
    return f"<code>{_escaped(text)}</code>" if text else "(empty)"


def _escaped(text: str) -> str:
    """Text on one line that Markdown and HTML show as it is."""
    return one_line(text).translate(_ESCAPED).replace("://", "&#58;//")
