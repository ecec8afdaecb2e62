"""Which parts of two short texts differ."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# A number is one token, so that 0.8172 and 0.9172 do not look as if they shared something.
_NUMBER = re.compile(r"\d[\d_,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")
_TOKEN = re.compile(rf"{_NUMBER.pattern}|\w+|\s+|.", re.DOTALL)
# Matching takes time with the square of this, and worse when words repeat: 160 take 20 ms at most.
_MOST_TOKENS = 160
# Texts with less than this in common are told apart better as wholes than in confetti.
_LEAST_RATIO = 0.3


@dataclass(frozen=True)
class Segment:
    """A stretch of one text, and whether the other text has something else there."""

    text: str
    is_changed: bool


# A report is rendered again with less of everything until it fits, and cases of one fault differ alike.
@functools.lru_cache(maxsize=4096)
def diff_segments(left: str, right: str) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """Both texts cut into parts; joining the parts of one gives that text again."""
    left_tokens, right_tokens = _TOKEN.findall(left), _TOKEN.findall(right)
    start = _common_start(left_tokens, right_tokens)
    end = _common_start(left_tokens[start:][::-1], right_tokens[start:][::-1])
    left_middle, right_middle = left_tokens[start : len(left_tokens) - end], right_tokens[start : len(right_tokens) - end]
    left_parts, right_parts = [_same(left_tokens[:start])], [_same(right_tokens[:start])]
    for is_same, left_piece, right_piece in _matched(left_middle, right_middle):
        digits = len(left_piece) if is_same else _shared_digits(left_piece, right_piece)
        left_parts += [Segment(left_piece[:digits], is_changed=False), Segment(left_piece[digits:], is_changed=True)]
        right_parts += [Segment(right_piece[:digits], is_changed=False), Segment(right_piece[digits:], is_changed=True)]
    left_parts.append(_same(left_tokens[len(left_tokens) - end :]))
    right_parts.append(_same(right_tokens[len(right_tokens) - end :]))
    return _joined(left_parts), _joined(right_parts)


def _matched(left: list[str], right: list[str]) -> Iterator[tuple[bool, str, str]]:
    """The two as pieces side by side: whether they are the same, and their texts."""
    if max(len(left), len(right)) <= _MOST_TOKENS:
        matcher = SequenceMatcher(None, left, right, autojunk=False)
        if matcher.ratio() >= _LEAST_RATIO:
            for tag, left_start, left_end, right_start, right_end in matcher.get_opcodes():
                yield tag == "equal", "".join(left[left_start:left_end]), "".join(right[right_start:right_end])
            return
    yield False, "".join(left), "".join(right)


def _shared_digits(left: str, right: str) -> int:
    """How many leading characters two fractions share, as far as that says how close they are; 0 for anything else."""
    if not (_NUMBER.fullmatch(left) and _NUMBER.fullmatch(right) and "." in left and left.find(".") == right.find(".")):
        return 0
    shared = _common_start(left, right)
    return shared if shared > left.find(".") else 0


def _common_start(left: Sequence[str], right: Sequence[str]) -> int:
    shortest = min(len(left), len(right))
    return next((index for index in range(shortest) if left[index] != right[index]), shortest)


def _same(tokens: list[str]) -> Segment:
    return Segment("".join(tokens), is_changed=False)


def _joined(found: list[Segment]) -> tuple[Segment, ...]:
    """The parts without empty ones, neighbours of one kind made one."""
    joined: list[Segment] = []
    for part in found:
        if not part.text:
            continue
        if joined and joined[-1].is_changed == part.is_changed:
            joined[-1] = Segment(joined[-1].text + part.text, part.is_changed)
        else:
            joined.append(part)
    return tuple(joined)
