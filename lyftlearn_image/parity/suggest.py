"""Rules that would make the rest of a case the same, each with its reason: proposed, and never applied by itself."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from lyftlearn_image.parity.compare.artifacts import compare_files, find_rule, list_files
from lyftlearn_image.parity.compare.comparator import ComparatorContext
from lyftlearn_image.parity.compare.fitting import fitting_comparators
from lyftlearn_image.parity.compare.normalisers import AWS_IDENTITY_LINE, NORMALISERS, DroppedLines, normalise
from lyftlearn_image.parity.compare.registry import MODEL_COMPARATORS, load_comparator
from lyftlearn_image.parity.compare.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lyftlearn_image.parity.differences import Difference
    from lyftlearn_image.parity.kept_run import KeptRuns

    Pairs = Sequence[tuple[Path, Path]]

# A larger distance is more than another order of additions makes.
_RTOLS = tuple(10.0**exponent for exponent in range(-15, -5))
# Differences are listed in part: what is to be ignored is found in so many rounds.
_MAX_ROUNDS = 20
# A part of a JSON pointer, or a column, that tells a time, a speed or a place by its name.
_TELLING_NAME = re.compile(
    r"(?i)(?:^|[_\-. ])(?:time|times|timestamp|date|datetime|seconds|secs|duration|elapsed|runtime|started|finished|created"
    r"|updated|pid|hostname|memory|rss|per_second|throughput|uuid)(?:$|[_\-. ])|_(?:at|ms)$"
)
_COLUMN = re.compile(r"column '((?:[^'\\]|\\.)*)'")


@dataclass(frozen=True)
class Proposal:
    """A rule for a subject, in `streams` or in `outputs`, which `file` made necessary.

    `before` is the pattern above which it must stand, if any.
    """

    part: str
    subject: str
    rule: Mapping[str, Any]
    reason: str
    file: str = ""
    before: str = ""


@dataclass(frozen=True)
class Acceptable:
    """An entry for `accept`, by which a difference does not count; with an empty place the whole subject."""

    subject: str
    place: str
    reason: str


@dataclass(frozen=True)
class Suggestions:
    """What was found for a case: proposals, and each subject that no rule explains, with the reason why.

    `acceptances` are for what nobody has a rule for, and somebody may have a reason.
    """

    case: str
    proposals: tuple[Proposal, ...]
    unexplained: tuple[tuple[str, str], ...]
    acceptances: tuple[Acceptable, ...] = ()


def suggest(case: str, kept: Sequence[KeptRuns]) -> Suggestions:
    """Rules for all that differs between the targets or, of several runs, from one to the next on the same target."""
    proposals: list[Proposal] = []
    unexplained: list[tuple[str, str]] = []
    names = {name for runs in kept for side in runs.sides for name in list_files(side.artifacts)}
    for part, subject, pairs, is_everywhere in _subjects(kept):
        rules = kept[0].streams if part == "streams" else kept[0].outputs
        rule = rules.get(subject, Rule(compare="text")) if part == "streams" else find_rule(subject, rules)
        if not is_everywhere:
            unexplained.append((subject, "the file is not there in every run"))
            continue
        if _is_same(subject, rule, pairs):
            continue
        proposed = _propose(subject, rule, pairs)
        if proposed is None:
            unexplained.append((subject, _why_not(subject, rule, pairs)))
            continue
        pattern = _first_match(subject, rules)
        if len([name for name in names if _first_match(name, rules) == pattern]) == 1:
            # It is the pattern's only file: a rule above it would keep it from being applied.
            proposals.append(Proposal(part, pattern or subject, *proposed, file=subject))
        else:
            proposals.append(Proposal(part, subject, *proposed, file=subject, before=pattern))
    return Suggestions(case, tuple(proposals), tuple(unexplained))


def _first_match(name: str, rules: Mapping[str, Rule]) -> str:
    return next((pattern for pattern in rules if fnmatchcase(name, pattern)), "")


def _subjects(kept: Sequence[KeptRuns]) -> Iterator[tuple[str, str, list[tuple[Path, Path]], bool]]:
    """Each stream and file with the pairs to compare: both targets of a run, and a target's first run with its others."""
    sides = [side for runs in kept for side in runs.sides]
    places = [(2 * number, 2 * number + 1) for number in range(len(kept))]
    places += [(first, 2 * number + first) for number in range(1, len(kept)) for first in (0, 1)]
    for name in ("stdout", "stderr"):
        streams = [side.streams[name] for side in sides]
        is_everywhere = all(path.is_file() for path in streams)
        yield "streams", name, [(streams[one], streams[other]) for one, other in places], is_everywhere
    files = [list_files(side.artifacts) for side in sides]
    for name in sorted(set().union(*files)):
        is_everywhere = all(name in each and each[name].is_file() for each in files)
        pairs = [(files[one][name], files[other][name]) for one, other in places] if is_everywhere else []
        yield "outputs", name, pairs, is_everywhere


def _propose(subject: str, rule: Rule, pairs: Pairs) -> tuple[dict[str, Any], str] | None:
    """The rule that makes all pairs the same, as people write it, and its reason; None when there is none."""
    if rule.compare in MODEL_COMPARATORS:
        return None  # what they predict is part of what is compared, and to predict they are opened in a container
    for fitting in fitting_comparators(subject, rule.compare, (path for pair in pairs for path in pair)):
        fitted = Rule(compare=fitting)
        if _is_same(subject, fitted, pairs):
            return {"compare": fitting}, f"as `{fitting}` it is the same, and that is what it is by its name or its beginning"
        if fitting not in MODEL_COMPARATORS and (found := _loosened(subject, fitted, pairs)):
            return found
    return _loosened(subject, rule, pairs)


def _loosened(subject: str, rule: Rule, pairs: Pairs) -> tuple[dict[str, Any], str] | None:
    """The rule with the mildest addition that makes all pairs the same."""
    for addition in _additions(subject, rule, pairs):
        if _is_same(subject, _with(rule, addition), pairs):
            smallest = _reduce(subject, rule, addition, pairs)
            written = _with(rule, smallest).model_dump(mode="json", exclude_unset=True)
            return {"compare": rule.compare, **written}, _reason(smallest)
    return None


def _additions(subject: str, rule: Rule, pairs: Pairs) -> Iterator[dict[str, Any]]:
    """What may be added to a rule, the mildest first."""
    options = load_comparator(rule.compare).OPTIONS
    if "normalise" in options:
        more = tuple(name for name in NORMALISERS if name not in rule.normalise)
        yield {"normalise": (*rule.normalise, *more)}
        yield {"unordered": True}
        yield {"unordered": True, "normalise": (*rule.normalise, *more)}
        return
    ignored = _find_ignorable(subject, rule, pairs) if "ignore" in options else ()
    ignore = {"ignore": (*rule.ignore, *ignored)} if ignored else {}
    orders: list[dict[str, Any]] = [{}, {"unordered": True}] if "unordered" in options else [{}]
    tolerances: list[dict[str, Any]] = [{}, {"rtol": _RTOLS[-1]}] if "rtol" in options and rule.rtol < _RTOLS[-1] else [{}]
    for order, tolerance, left_out in itertools.product(orders, tolerances, [{}, ignore] if ignore else [{}]):
        if addition := {**order, **tolerance, **left_out}:
            yield addition


def _reduce(subject: str, rule: Rule, addition: dict[str, Any], pairs: Pairs) -> dict[str, Any]:
    """The addition without the normalisers and places that it does without, and with the smallest tolerance."""
    for rtol in _RTOLS if "rtol" in addition else ():
        if rtol > rule.rtol and _is_same(subject, _with(rule, {**addition, "rtol": rtol}), pairs):
            addition = {**addition, "rtol": rtol}
            break
    for option in ("normalise", "ignore"):
        # Backwards: a normaliser of bars says more than one of the times and speeds within them, and stands first.
        for each in reversed(addition.get(option, ())):
            if each in getattr(rule, option):
                continue
            fewer = {**addition, option: tuple(other for other in addition[option] if other != each)}
            if _is_same(subject, _with(rule, fewer), pairs):
                addition = fewer
    return {option: value for option, value in addition.items() if value != getattr(rule, option)}


def _find_ignorable(subject: str, rule: Rule, pairs: Pairs) -> tuple[str, ...]:
    """Pointers or columns that differ and tell a time, a speed or a place, by their names or by what stands there."""
    found: dict[str, None] = {}
    for _ in range(_MAX_ROUNDS):
        loosened = _with(rule, {"ignore": (*rule.ignore, *found)})
        more = {
            place: None
            for pair in pairs
            for difference in _differences(subject, loosened, pair)
            if (place := _ignorable_place(difference))
        }
        if not more.keys() - found.keys():
            break
        found.update(more)
    return tuple(found)


def _ignorable_place(difference: Difference) -> str | None:
    column = _COLUMN.search(difference.place)
    place = column[1] if column else difference.place
    if not place or "," in place or any(character in place for character in "*?["):
        return None
    sides = difference.left or "", difference.right or ""
    is_telling = _TELLING_NAME.search(place.rpartition("/")[2]) is not None
    return place if is_telling or (all(sides) and len({normalise(side, NORMALISERS) for side in sides}) == 1) else None


def _with(rule: Rule, addition: Mapping[str, Any]) -> Rule:
    return Rule.model_validate({**rule.model_dump(exclude_unset=True), **addition})


def _is_same(subject: str, rule: Rule, pairs: Pairs) -> bool:
    return not any(_differences(subject, rule, pair) for pair in pairs)


def _differences(subject: str, rule: Rule, pair: tuple[Path, Path]) -> tuple[Difference, ...]:
    if subject == "stderr" and rule.compare == "text":
        rule = rule.model_copy(update={"normalise": (DroppedLines(AWS_IDENTITY_LINE), *rule.normalise)})
    context = ComparatorContext(None, {}, {})  # type: ignore[arg-type]
    return compare_files(subject, pair, rule, context).counting


def _reason(addition: Mapping[str, Any]) -> str:
    reasons = []
    if addition.get("unordered"):
        reasons.append("the same is there in another order")
    if "rtol" in addition:
        reasons.append(f"numbers differ by no more than {addition['rtol']:g} of their size")
    if addition.get("ignore"):
        reasons.append(
            "what differs tells a time, a speed or a place by its name or value; everything else there is left out too"
        )
    if addition.get("normalise"):
        names = [name for name in addition["normalise"] if name in NORMALISERS]
        reasons.append(f"lines differ only in {'; '.join(NORMALISERS[name].description for name in names)}")
    return ", and ".join(reasons)


def _why_not(subject: str, rule: Rule, pairs: Pairs) -> str:
    if rule.compare in MODEL_COMPARATORS:
        return "models are not opened here"
    first = next(found[0] for pair in pairs if (found := _differences(subject, rule, pair)))
    why = f"it differs in more than any rule should hide, first at {first.place}" if first.place else "it differs as a whole"
    fitting = [
        one for one in fitting_comparators(subject, rule.compare, (path for pair in pairs for path in pair)) if one != "text"
    ]
    return f"{why}; `compare: {fitting[0]}` fits it better than `{rule.compare}`, and says more of it" if fitting else why
