"""Which parts of two short texts differ."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

_TOKEN = re.compile(r"\w+|\s+|.", re.DOTALL)
# Matching takes time with the product of the lengths; beyond this only the common ends are found.
_MOST_TOKENS = 400
# Texts with less than this in common are told apart better as wholes than in confetti.
_LEAST_RATIO = 0.3


@dataclass(frozen=True)
class Part:
    """A stretch of one text, and whether the other text has something else there."""

    text: str
    changed: bool


def parts(left: str, right: str) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """Both texts cut into parts; joining the parts of one gives that text again."""
    if left == right:
        return _joined([Part(left, changed=False)]), _joined([Part(right, changed=False)])
    left_tokens, right_tokens = _TOKEN.findall(left), _TOKEN.findall(right)
    if max(len(left_tokens), len(right_tokens)) > _MOST_TOKENS:
        return _ends(left, right)
    matcher = SequenceMatcher(None, left_tokens, right_tokens, autojunk=False)
    if matcher.ratio() < _LEAST_RATIO:
        return _joined([Part(left, changed=True)]), _joined([Part(right, changed=True)])
    left_parts, right_parts = [], []
    for tag, left_start, left_end, right_start, right_end in matcher.get_opcodes():
        changed = tag != "equal"
        left_parts.append(Part("".join(left_tokens[left_start:left_end]), changed))
        right_parts.append(Part("".join(right_tokens[right_start:right_end]), changed))
    return _joined(left_parts), _joined(right_parts)


def _ends(left: str, right: str) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """Both texts as common beginning, what differs, and common end."""
    shortest = min(len(left), len(right))
    start = next((index for index in range(shortest) if left[index] != right[index]), shortest)
    limit = shortest - start
    end = next((index for index in range(limit) if left[-1 - index] != right[-1 - index]), limit)
    return _three(left, start, end), _three(right, start, end)


def _three(text: str, start: int, end: int) -> tuple[Part, ...]:
    stop = len(text) - end
    return _joined([Part(text[:start], changed=False), Part(text[start:stop], changed=True), Part(text[stop:], changed=False)])


def _joined(found: list[Part]) -> tuple[Part, ...]:
    """The parts without empty ones, neighbours of one kind made one."""
    joined: list[Part] = []
    for part in found:
        if not part.text:
            continue
        if joined and joined[-1].changed == part.changed:
            joined[-1] = Part(joined[-1].text + part.text, part.changed)
        else:
            joined.append(part)
    return tuple(joined)
