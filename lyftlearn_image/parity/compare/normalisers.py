"""What is known to change from run to run in a text, and what stands in its place before texts are compared.

None of the named ones reaches over the end of a line, or looks at a character more than a bounded number of times: numbers
are matched possessively and only from their beginning, and everything else that repeats has a limit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lyftlearn_image.parity.compare.progress_bars import KERAS, TQDM, settle_progress_bars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# What the shim logs before it names the identity that it uses. It does so once, when it fetches something for the first
# time; on one platform it has more to fetch than on the other.
AWS_IDENTITY_LINE = "lyftlearn: AWS identity: "

# Every pattern begins with a character or a set of them: so `re` goes over a text ten times as fast as where it begins with an
# assertion. What must not stand before the first digit is therefore said behind it.
_FIRST_DIGIT = r"\d(?<!\w\d)"
# The whole of a number, as in 1, 2.5, 1,234.5 and 1e-05; none begins inside a longer one.
_NUMBER = r"\d(?<![\w.,]\d)\d*+(?:[.,]\d++)*+(?:[eE][+-]?\d++)?+"
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
_DAYS, _MONTHS = "Mon|Tue|Wed|Thu|Fri|Sat|Sun", "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_ZONE = r"(?: [A-Z]{3,4}\b| [+-]\d{4}\b)?"
# ISO 8601 and `logging`; Spark and XGBoost; compact; HTTP; a time of day; glog. Then ctime, `date` and syslog.
_TIMESTAMPS = (
    r"\d(?:\d{3}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"
    rf"|(?<!\w\d)(?:\d(?:\d\d)?/\d\d/\d\d {_CLOCK}"
    r"|\d{7}T\d{6}(?:[.,]\d+)?(?:Z\b|\b)"
    rf"|\d? (?:{_MONTHS}) \d{{4}} {_CLOCK}{_ZONE}"
    r"|\d:\d\d:\d\d(?:[.,]\d+)?\b)"
    rf"|(?<=\b[IWEF]\d)\d{{3}} {_CLOCK})"
)
_WORDED_TIMESTAMPS = rf"(?:{_DAYS}),? (?:\d\d? (?:{_MONTHS}) \d{{4}}|(?:{_MONTHS}) [ \d]?\d) {_CLOCK}{_ZONE}(?: \d{{4}}\b)?"
_SYSLOG_TIMESTAMPS = rf"(?:{_MONTHS}) [ \d]?\d {_CLOCK}"
_DURATIONS = (
    rf"{_FIRST_DIGIT}(?:\d*+(?:\.\d++)?+(?:[eE][+-]?\d++)?+[^\S\n]?"
    r"(?:ns|us|µs|ms|s|m|h|(?:nano|micro|milli)?sec(?:ond)?s?|min(?:ute)?s?|hours?|days?)\b"
    r"|\d{0,3}h\d{1,2}m(?:\d{1,2}(?:\.\d+)?s)?\b"
    r"|:\d\d:\d\d(?:\.\d+)?\b)"
)
_KEYED_DURATIONS = r"(elapsed[=:] ?|runtime['\"]?[=:] ?)\d++(?:\.\d++)?+"
_SPEEDS = (
    rf"{_NUMBER}(?:[^\S\n]?[A-Za-zµ]{{1,20}}/(?:s|secs?|seconds?|min|minute|h|hour|it|iter|step|batch|epoch|sample|row|token)"
    r"| [A-Za-z]{1,20} per (?:second|sec|minute|hour))\b"
)
_KEYED_SPEEDS = r"(_per_second['\"]?[=:] ?)\d++(?:\.\d++)?+"
_BYTES = re.compile(rf"{_NUMBER}[^\S\n]?(?:[kKMGTP]i?)?(?:B|[Bb]ytes)\b")
# Whether a number of bytes tells of memory, by the words beside it.
_MEMORY_BEFORE = re.compile(
    r"(?<![a-zA-Z])(?i:mem(?:ory)?|rss|vms|uss|pss|v?ram|heap|swap|resident|allocated|reserved)(?![a-zA-Z])[^\n\d]{0,24}\Z"
)
_MEMORY_AFTER = re.compile(r"(?: of)? (?:memory|RAM|RSS|heap|VRAM|allocated|reserved|resident)\b")
_BESIDE = 40
_PACKAGE_LINE = r"(/(?:site|dist)-packages/[\w./+-]{1,300}+:)\d++(?=:)"
_PACKAGE_FRAME = r"(/(?:site|dist)-packages/[^\"\n]{1,300}+\", line )\d++"


@dataclass(frozen=True)
class Step:
    """Matches of a pattern, all or those that `is_meant` picks, become their first group, if there is one, and `literal`."""

    pattern: re.Pattern[str]
    literal: str
    is_meant: Callable[[re.Match[str]], bool] = lambda _: True

    def replace(self, match: re.Match[str]) -> str:
        """What stands in the place of a match."""
        if not self.is_meant(match):
            return match[0]
        return (match[1] if match.re.groups else "") + self.literal


@dataclass(frozen=True)
class Normaliser:
    """A named one: what its lines differ in, as a reason says it, and how that is taken out.

    No step tells one digit from another, but for the `0x` of an address: `line_shapes` relies on it.
    """

    description: str
    steps: tuple[Step, ...]
    prepare: Callable[[str], str] = lambda text: text

    def apply(self, text: str) -> str:
        """The text without what this takes out."""
        text = self.prepare(text)
        for step in self.steps:
            text = step.pattern.sub(step.replace, text)
        return text


def _replacing(description: str, *steps: tuple[str, str]) -> Normaliser:
    return Normaliser(description, tuple(Step(re.compile(pattern), literal) for pattern, literal in steps))


def _is_of_memory(match: re.Match[str]) -> bool:
    before = match.string[max(0, match.start() - _BESIDE) : match.start()]
    return bool(_MEMORY_BEFORE.search(before) or _MEMORY_AFTER.match(match.string, match.end()))


NORMALISERS = {
    # First: the others would take a bar's times and speeds for their own, and leave the rest of it.
    "progress-bars": Normaliser(
        "progress bars: what was overwritten, and the times and speeds in them",
        (Step(TQDM, "[<time>, <speed>"), Step(KERAS, "<time> <speed>")),
        settle_progress_bars,
    ),
    "timestamps": _replacing(
        "dates and times of day", (_WORDED_TIMESTAMPS, "<time>"), (_SYSLOG_TIMESTAMPS, "<time>"), (_TIMESTAMPS, "<time>")
    ),
    "durations": _replacing("how long something took", (_DURATIONS, "<duration>"), (_KEYED_DURATIONS, "<duration>")),
    "speeds": _replacing(
        "how fast something went, such as 12.5 it/s or 3 ms/step", (_SPEEDS, "<speed>"), (_KEYED_SPEEDS, "<speed>")
    ),
    "memory": Normaliser("how much memory was used", (Step(_BYTES, "<memory>", _is_of_memory),)),
    "addresses": _replacing("addresses in memory", (r"0x(?<!\w0x)[0-9a-fA-F]{4,}\b", "<address>")),
    "pids": _replacing("process IDs", (r"([Pp](?<!\w[Pp])(?:[Ii][Dd]|rocess [Ii][Dd])[ =:]{1,8})\d++\b", "<pid>")),
    "temporary-paths": _replacing("paths of temporary files", (r"/(?:(?:var/)?tmp|dev/shm)/[^\s'\":,]+", "<temporary>")),
    "package-lines": _replacing(
        "line numbers within installed packages", (_PACKAGE_LINE, "<line>"), (_PACKAGE_FRAME, "<line>")
    ),
}


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"expected a regular expression: {error}") from None
    return text


def _normaliser(name: str) -> str:
    if name not in NORMALISERS:
        raise ValueError(f"expected one of {', '.join(NORMALISERS)}, or {{pattern, replace}}")
    return name


def _list_normalisers(schema: dict[str, Any]) -> None:
    schema["oneOf"] = [{"const": name, "description": each.description} for name, each in NORMALISERS.items()]


RegularExpression = Annotated[str, AfterValidator(_regex)]
NormaliserName = Annotated[str, AfterValidator(_normaliser), Field(json_schema_extra=_list_normalisers)]


class Replacement(BaseModel):
    """A normaliser of one's own: every match of `pattern` becomes `replace`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pattern: RegularExpression = Field(description="Regular expression (Python's).")
    replace: str = Field(default="…", description="What stands in place of every match.")


@dataclass(frozen=True)
class DroppedLines:
    """Lines that begin so are taken out whole. `pattern` says it as a regular expression does."""

    prefix: str

    @property
    def pattern(self) -> str:
        """For those who read the rule."""
        return rf"(?m)^{self.prefix}.*\n"


def normalise(text: str, normalisers: Iterable[str | Replacement]) -> str:
    """The text with each normaliser applied, in their order; a text stands for the one of that name."""
    for normaliser in normalisers:
        if isinstance(normaliser, str):
            text = NORMALISERS[normaliser].apply(text)
        else:
            text = re.sub(normaliser.pattern, normaliser.replace, text)
    return text


@lru_cache(maxsize=64)
def stays_within_lines(normaliser: str | Replacement) -> bool:
    r"""Whether it surely gives the same line by line as on the whole text.

    One that may is refused too: it can match a line break (`\s`, a negated set, an escape of a control character), or
    has `^` or `$` that mean the ends of the text.
    """
    if isinstance(normaliser, str):
        return True
    return bool(_SAFE_PATTERN.fullmatch(normaliser.pattern)) and "\n" not in normaliser.replace


# Printable characters, escapes that match no line break, groups without flags; `^` and `$` only behind (?m).
_SAFE_PATTERN = re.compile(
    r"(?:\(\?m\)(?:[$^]|{0})*+|(?:{0})*+)".replace(
        "{0}", r"\\[dwSbB1-9]|\\[!-/:-@\[-`{-~]|\((?!\?)|\(\?(?:[:=!]|<[=!]|P[<=])|(?!\[\^)[^\\(^$\x00-\x1f\x7f-\x9f]"
    )
)
