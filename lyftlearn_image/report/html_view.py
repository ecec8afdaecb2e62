"""What the HTML page shows of one case: domain values arranged for the template, which only places them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lyftlearn_image.report import timeline
from lyftlearn_image.report.intraline import Part, parts
from lyftlearn_image.report.size_budget import cut
from lyftlearn_image.report.summary import run_on

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lyftlearn_image.parity.differences import Comparison, Difference
    from lyftlearn_image.parity.verdict import CaseResult, SuiteResult
    from lyftlearn_image.report.report_data import Contents, KeptFile
    from lyftlearn_image.report.size_budget import Caps
    from lyftlearn_image.targets.target import Run

# The subject whose places are paths such as `variables/TZ`, shown by their first step.
ENVIRONMENT = "environment"


@dataclass(frozen=True)
class Row:
    """One difference: each side as parts, None where there is no value."""

    place: str
    detail: str
    left: tuple[Part, ...] | None
    right: tuple[Part, ...] | None


@dataclass(frozen=True)
class Group:
    """Rows under one heading, which may be empty."""

    heading: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Section:
    """What differs in one subject, and how many differences are not shown."""

    comparison: Comparison
    groups: tuple[Group, ...]
    more: int


@dataclass(frozen=True)
class StreamEnd:
    """The shown end of one run's stream; `is_whole` unless something comes before it."""

    text: str
    is_whole: bool
    path: str


@dataclass(frozen=True)
class Stream:
    """One stream of both runs, in the order of the targets; None for a target that did not run."""

    name: str
    ends: tuple[StreamEnd | None, ...]

    @property
    def is_same(self) -> bool:
        """Whether what is shown of it is the same on every target."""
        return None not in self.ends and len({end.text for end in self.ends if end}) == 1


@dataclass(frozen=True)
class Artifact:
    """An artifact directory that was kept."""

    target: str
    name: str
    path: str
    files: tuple[KeptFile, ...]


@dataclass(frozen=True)
class Details:
    """What the page shows of a case once it is open."""

    sections: tuple[Section, ...]
    accepted: tuple[Group, ...]
    accepted_more: int
    streams: tuple[Stream, ...]
    artifacts: tuple[Artifact, ...]
    scale: timeline.Scale


@dataclass(frozen=True)
class CaseView:
    """One case as a line of the table. `is_detailed` is False where the page's size permits no more than that."""

    case: CaseResult
    anchor: str
    runs: tuple[Run | None, ...]
    is_detailed: bool


def case_views(result: SuiteResult, caps: Caps) -> tuple[CaseView, ...]:
    """Every case of the suite, in its order."""
    views = []
    left = {True: caps.expected, False: caps.failing}
    for case, anchor in zip(result.cases, anchors(result), strict=True):
        left[case.is_as_expected] -= 1
        runs = tuple(run_on(case, target) for target in result.targets)
        views.append(CaseView(case, anchor, runs, is_detailed=left[case.is_as_expected] >= 0))
    return tuple(views)


def details(view: CaseView, contents: Contents, caps: Caps) -> Details:
    """All that is shown of one case; made when the page gets to it, because most of the work is here."""
    accepted, accepted_more = _accepted(view.case, caps)
    return Details(
        sections=tuple(_section(comparison, caps) for comparison in view.case.counting),
        accepted=accepted,
        accepted_more=accepted_more,
        streams=_streams(view.runs, contents, caps),
        artifacts=tuple(_artifacts(view.runs, contents)),
        scale=timeline.scale_of([run for run in view.runs if run]),
    )


def anchors(result: SuiteResult) -> tuple[str, ...]:
    """An id of the page for every case, made of its name, so that a link to it stays valid in the next report."""
    found: dict[str, None] = {}
    for case in result.cases:
        anchor = "case-" + re.sub(r"[^A-Za-z0-9_-]+", "-", case.name)
        found[anchor if anchor not in found else f"{anchor}-{len(found)}"] = None
    return tuple(found)


def _section(comparison: Comparison, caps: Caps) -> Section:
    shown = comparison.counting[: caps.differences]
    if comparison.subject == ENVIRONMENT:
        groups = _by_first_step(shown, caps)
    else:
        groups = (Group("", tuple(_row(difference, caps) for difference in shown)),)
    return Section(comparison, groups, len(comparison.counting) - len(shown))


def _by_first_step(differences: Iterable[Difference], caps: Caps) -> tuple[Group, ...]:
    """Differences whose places are paths, gathered by the first step of the path."""
    gathered: dict[str, list[Row]] = {}
    for difference in differences:
        step, slash, rest = difference.place.removeprefix("/").partition("/")
        heading, place = (step, rest) if slash else ("", difference.place)
        gathered.setdefault(heading, []).append(_row(difference, caps, place))
    return tuple(Group(heading, tuple(rows)) for heading, rows in gathered.items())


def _row(difference: Difference, caps: Caps, place: str | None = None) -> Row:
    place = cut(difference.place if place is None else place, caps.characters)
    left = None if difference.left is None else cut(difference.left, caps.characters)
    right = None if difference.right is None else cut(difference.right, caps.characters)
    left_parts, right_parts = parts(left or "", right or "")
    return Row(
        place,
        cut(difference.detail, caps.characters),
        None if left is None else left_parts,
        None if right is None else right_parts,
    )


def _accepted(case: CaseResult, caps: Caps) -> tuple[tuple[Group, ...], int]:
    """The accepted differences of all subjects by their reason, and how many are not shown."""
    gathered: dict[str, list[Row]] = {}
    number = 0
    for comparison in case.comparisons:
        for difference in comparison.differences:
            if difference.accepted is None:
                continue
            number += 1
            if number <= caps.accepted:
                place = f"{comparison.subject}: {difference.place}" if difference.place else comparison.subject
                gathered.setdefault(cut(difference.accepted, caps.characters), []).append(_row(difference, caps, place))
    groups = tuple(Group(reason, tuple(rows)) for reason, rows in gathered.items())
    return groups, max(0, number - caps.accepted)


def _streams(runs: Sequence[Run | None], contents: Contents, caps: Caps) -> tuple[Stream, ...]:
    if not caps.stream or not any(runs):
        return ()
    return tuple(
        Stream(name, tuple(_stream_end(run, name, contents, caps) if run else None for run in runs))
        for name in ("stdout", "stderr")
    )


def _stream_end(run: Run, name: str, contents: Contents, caps: Caps) -> StreamEnd:
    path = run.stdout if name == "stdout" else run.stderr
    tail = contents.tail(path)
    text = tail.text[-caps.stream :]
    return StreamEnd(text, tail.is_whole and len(text) == len(tail.text), contents.relative(path))


def _artifacts(runs: Iterable[Run | None], contents: Contents) -> Iterable[Artifact]:
    for run in filter(None, runs):
        for name, path in run.artifacts.items():
            if path in contents.kept:
                yield Artifact(run.target, name, contents.relative(path), contents.kept[path])
