"""What comparing gives: differences, each with its place, gathered by what was compared."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

# Longer values are cut before they reach a report; the whole values stay in the run's files.
MAX_VALUE_CHARACTERS = 2000


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same on the two targets.

    `place` names it within the compared subject: a line number, a JSON pointer, `column 'x', row 17`, a variable's
    name; empty when the subject as a whole differs. `left` and `right` are short texts of the two values, None where
    there is none. `accepted` is the reason why this difference is expected (a documented fact of the platforms, or an
    entry of the suite file); None when it counts against parity.
    """

    place: str
    left: str | None
    right: str | None
    detail: str = ""
    accepted: str | None = None


@dataclass(frozen=True)
class Comparison:
    """All that was found about one subject.

    `subject` is `exit status`, `stdout`, `stderr`, `metrics`, `environment`, or an artifact's path such as
    `model/model.joblib`. `comparator` is the name of the rule that was used; `tolerance` says it in words.
    """

    subject: str
    comparator: str
    differences: tuple[Difference, ...] = ()
    tolerance: str = "exact"

    @cached_property
    def counting(self) -> tuple[Difference, ...]:
        """The differences that count against parity."""
        return tuple(difference for difference in self.differences if difference.accepted is None)


def format_value(value: object) -> str:
    """A value as text, short enough for a report. What no file could hold, such as a lone surrogate, is escaped."""
    text = value if isinstance(value, str) else _represent(value)
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= MAX_VALUE_CHARACTERS else f"{text[:MAX_VALUE_CHARACTERS]}… ({len(text)} characters)"


def _represent(value: object) -> str:
    try:
        return repr(value)
    except (RecursionError, ValueError):  # nested too deeply, or an int of more digits than Python writes
        return f"a {type(value).__name__} that is too large to be shown"
