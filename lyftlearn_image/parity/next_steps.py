"""What people need after a first "different": whose difference it is, what to look at, and the lines to paste."""

from __future__ import annotations

import glob
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lyftlearn_image.parity import suggest_patch
from lyftlearn_image.parity.suggest import Acceptable, suggest
from lyftlearn_image.parity.verdict import ENDS
from lyftlearn_image.runs.failure_line import failure_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lyftlearn_image.parity.differences import Comparison
    from lyftlearn_image.parity.kept_run import KeptRuns
    from lyftlearn_image.run import Run

# A file of which more differs than this, or an environment, is better accepted as a whole than line by line.
_MAX_PLACES = 5
# Nobody pastes more.
_MAX_ENTRIES = 20
# Files are compared again and again to find their rules.
_MAX_BYTES = 64 << 20
# No script makes it.
ENVIRONMENT = "environment"
WHY = "say why this is expected"


@dataclass(frozen=True)
class NextSteps:
    """Sentences, the most important first, and lines of YAML for the suite file; empty where there are none."""

    advice: tuple[str, ...] = ()
    patch: str = ""


def find_next_steps(case: str, comparisons: Sequence[Comparison], kept: KeptRuns, repeated: str = "") -> NextSteps:
    """The steps for a case that differs. `repeated` says whether the script differs from itself.

    Where the two runs ended differently nothing is proposed: what the one of them did not get to is no difference to hide.
    """
    differing = [each for each in comparisons if each.counting]
    first = (repeated,) if repeated else ()
    if any(each.subject == ENDS for each in differing):
        return NextSteps(("the two runs ended differently: mend that first, other differences may follow from it", *first))
    if _size(kept) > _MAX_BYTES:
        return NextSteps((*first, f"`lyftlearn-image parity suggest {case}` looks for rules; these files are large"))
    found = suggest(case, [kept])
    proposed = {proposal.subject for proposal in found.proposals} | {proposal.file for proposal in found.proposals}
    rest = [each for each in differing if each.subject not in proposed]
    acceptances = [acceptance for each in rest for acceptance in _acceptances(each)]
    proposals, acceptances = found.proposals[:_MAX_ENTRIES], acceptances[:_MAX_ENTRIES]
    if len(found.proposals) > _MAX_ENTRIES or len(rest) > _MAX_ENTRIES:
        first = (*first, f"here are the first lines of many; `lyftlearn-image parity suggest {case}` prints all rules")
    found = replace(found, proposals=proposals, acceptances=tuple(acceptances))
    why = dict(found.unexplained)
    rest = rest[:_MAX_ENTRIES]
    told = [f"no rule should hide {each.subject}: {why[each.subject]}" for each in rest if each.subject in why]
    return NextSteps((*first, *told), suggest_patch.as_yaml(found, with_comments=False))


def describe_repeat(target: str, before: Iterable[Comparison], again: Iterable[Comparison]) -> str:
    """What a second run on one target says of the differences between the two: which of them the script has with itself."""
    differing = [each.subject for each in before if each.counting and each.subject != ENVIRONMENT]
    own = {each.subject for each in again if any(one.left != one.right for one in each.counting)}
    itself, platforms = [one for one in differing if one in own], [one for one in differing if one not in own]
    if not itself:
        return f"run again on {target}, the script did the same as before: the platforms make the difference"
    text = f"the script differs from itself: run again on {target}, it made another {', '.join(itself)}"
    return f"{text}; but {', '.join(platforms)} stayed as before" if platforms else f"{text}; no platform is the reason"


def describe_failures(runs: Iterable[Run], expected: int | None) -> Iterator[str]:
    """Of each run that failed and was not to, the line of its output that says why."""
    for run in runs:
        if run.exit_code != expected and (line := failure_line(run)):
            yield f"{run.target} failed: {line}"


def lead(failures: Iterable[str], steps: NextSteps, limit: str) -> tuple[str, ...]:
    """All advice in its order: a limit that decided before all else, then why a run failed, then what to do."""
    if limit:
        return (*steps.advice, *failures)
    return (*failures, *steps.advice)


def _acceptances(comparison: Comparison) -> Iterator[Acceptable]:
    places = [one.place for one in comparison.counting]
    subject = glob.escape(comparison.subject)
    if len(places) > _MAX_PLACES or not all(places):
        yield Acceptable(subject, "", WHY)
        return
    for place in dict.fromkeys(places):
        yield Acceptable(subject, glob.escape(place), WHY)


def _size(kept: KeptRuns) -> int:
    paths = [path for side in kept.sides for top in side.artifacts.values() for path in top.rglob("*") if path.is_file()]
    paths += [path for side in kept.sides for path in side.streams.values()]
    return sum(path.lstat().st_size for path in paths)
