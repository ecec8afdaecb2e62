"""What the HTML page shows of one case: domain values arranged for the template, which only places them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lyftlearn_image.report import timeline
from lyftlearn_image.report.intraline import Segment, diff_segments
from lyftlearn_image.report.size_budget import truncate
from lyftlearn_image.report.summary import find_run, pick_differences

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lyftlearn_image.parity.differences import Comparison, Difference
    from lyftlearn_image.parity.verdict import CaseResult, SuiteResult
    from lyftlearn_image.report.report_data import KeptFile, ReportData
    from lyftlearn_image.report.size_budget import SizeBudget
    from lyftlearn_image.run import Run

# What a row of the page takes beside its texts, at least.
_ROW_BYTES = 45
# The subject whose places are paths such as `variables/TZ`, shown by their first step.
ENVIRONMENT = "environment"


@dataclass(frozen=True)
class DifferenceRow:
    """One difference: each side as parts, None where there is no value."""

    place: str
    detail: str
    left: tuple[Segment, ...] | None
    right: tuple[Segment, ...] | None


@dataclass(frozen=True)
class RowGroup:
    """Rows under one heading, which may be empty."""

    heading: str
    rows: tuple[DifferenceRow, ...]


@dataclass(frozen=True)
class SubjectSection:
    """What differs in one subject, and how many differences are not shown."""

    comparison: Comparison
    groups: tuple[RowGroup, ...]
    more: int


@dataclass(frozen=True)
class StreamTailView:
    """The shown end of one run's stream; `is_whole` unless something comes before it."""

    text: str
    is_whole: bool
    path: str


@dataclass(frozen=True)
class StreamView:
    """One stream of both runs, in the order of the targets; None for a target that did not run."""

    name: str
    ends: tuple[StreamTailView | None, ...]

    @property
    def is_same(self) -> bool:
        """Whether what is shown of it is the same on every target."""
        return None not in self.ends and len({end.text for end in self.ends if end}) == 1


@dataclass(frozen=True)
class ArtifactView:
    """An artifact directory that was kept."""

    target: str
    name: str
    path: str
    files: tuple[KeptFile, ...]


@dataclass(frozen=True)
class CaseDetails:
    """What the page shows of a case once it is open."""

    sections: tuple[SubjectSection, ...]
    sections_more: int
    accepted: tuple[RowGroup, ...]
    accepted_more: int
    streams: tuple[StreamView, ...]
    artifacts: tuple[ArtifactView, ...]
    scale: timeline.Scale


@dataclass(frozen=True)
class CaseView:
    """One case as a line of the table. `is_detailed` is False where the page's size permits no more than that."""

    case: CaseResult
    anchor: str
    runs: tuple[Run | None, ...]
    is_detailed: bool = True


def case_views(result: SuiteResult) -> tuple[CaseView, ...]:
    """Every case of the suite, in its order."""
    return tuple(
        CaseView(case, anchor, tuple(find_run(case, target) for target in result.targets))
        for case, anchor in zip(result.cases, case_anchors(result), strict=True)
    )


def case_details(view: CaseView, data: ReportData, budget: SizeBudget) -> CaseDetails:
    """All that is shown of one case; made when the page gets to it, because most of the work is here."""
    accepted, accepted_more = _accepted(view.case, budget)
    counting = view.case.counting
    return CaseDetails(
        sections=tuple(_section(comparison, budget) for comparison in counting[: budget.subjects]),
        sections_more=max(0, len(counting) - budget.subjects),
        accepted=accepted,
        accepted_more=accepted_more,
        streams=_streams(view.runs, data, budget),
        artifacts=tuple(_artifacts(view.runs, data)),
        scale=timeline.fit_scale([run for run in view.runs if run]),
    )


def least_bytes(case: CaseResult, budget: SizeBudget) -> int:
    """A size that the differences of a case surely take on the page: no character gets less than a byte there."""
    shown = (pick_differences(each, budget.differences) for each in case.counting[: budget.subjects])
    return sum(_ROW_BYTES + _shown_characters(each, budget) for differences in shown for each in differences)


def _shown_characters(difference: Difference, budget: SizeBudget) -> int:
    texts = (difference.left, difference.right, difference.detail)
    return sum(min(len(text), budget.value_chars) for text in texts if text)


def case_anchors(result: SuiteResult) -> tuple[str, ...]:
    """An id of the page for every case, made of its name, so that a link to it stays valid in the next report."""
    found: dict[str, None] = {}
    for case in result.cases:
        anchor = "case-" + re.sub(r"[^A-Za-z0-9_-]+", "-", case.name)
        found[anchor if anchor not in found else f"{anchor}-{len(found)}"] = None
    return tuple(found)


def _section(comparison: Comparison, budget: SizeBudget) -> SubjectSection:
    shown = pick_differences(comparison, budget.differences)
    if comparison.subject == ENVIRONMENT:
        groups = _by_first_step(shown, budget)
    else:
        groups = (RowGroup("", tuple(_row(difference, budget) for difference in shown)),)
    return SubjectSection(comparison, groups, len(comparison.counting) - len(shown))


def _by_first_step(differences: Iterable[Difference], budget: SizeBudget) -> tuple[RowGroup, ...]:
    """Differences whose places are paths, gathered by the first step of the path."""
    gathered: dict[str, list[DifferenceRow]] = {}
    for difference in differences:
        step, slash, rest = difference.place.removeprefix("/").partition("/")
        heading, place = (step, rest) if slash else ("", difference.place)
        gathered.setdefault(heading, []).append(_row(difference, budget, place))
    return tuple(RowGroup(heading, tuple(rows)) for heading, rows in gathered.items())


def _row(difference: Difference, budget: SizeBudget, place: str | None = None) -> DifferenceRow:
    place = truncate(difference.place if place is None else place, budget.value_chars)
    left = None if difference.left is None else truncate(difference.left, budget.value_chars)
    right = None if difference.right is None else truncate(difference.right, budget.value_chars)
    left_parts, right_parts = diff_segments(left or "", right or "")
    return DifferenceRow(
        place,
        truncate(difference.detail, budget.value_chars),
        None if left is None else left_parts,
        None if right is None else right_parts,
    )


def _accepted(case: CaseResult, budget: SizeBudget) -> tuple[tuple[RowGroup, ...], int]:
    """The accepted differences of all subjects by their reason, and how many are not shown."""
    gathered: dict[str, list[DifferenceRow]] = {}
    number = 0
    for comparison in case.comparisons:
        for difference in comparison.differences:
            if difference.accepted is None:
                continue
            number += 1
            if number <= budget.accepted:
                place = f"{comparison.subject}: {difference.place}" if difference.place else comparison.subject
                gathered.setdefault(truncate(difference.accepted, budget.value_chars), []).append(
                    _row(difference, budget, place)
                )
    groups = tuple(RowGroup(reason, tuple(rows)) for reason, rows in gathered.items())
    return groups, max(0, number - budget.accepted)


def _streams(runs: Sequence[Run | None], data: ReportData, budget: SizeBudget) -> tuple[StreamView, ...]:
    if not budget.stream_chars or not any(runs):
        return ()
    return tuple(
        StreamView(name, tuple(_stream_end(run, name, data, budget) if run else None for run in runs))
        for name in ("stdout", "stderr")
    )


def _stream_end(run: Run, name: str, data: ReportData, budget: SizeBudget) -> StreamTailView:
    path = run.stdout if name == "stdout" else run.stderr
    tail = data.tail(path)
    text = tail.text[-budget.stream_chars :]
    return StreamTailView(text, tail.is_whole and len(text) == len(tail.text), data.relative_path(path))


def _artifacts(runs: Iterable[Run | None], data: ReportData) -> Iterable[ArtifactView]:
    for run in filter(None, runs):
        for name, path in run.artifacts.items():
            if path in data.kept_files:
                yield ArtifactView(run.target, name, data.relative_path(path), data.kept_files[path])
