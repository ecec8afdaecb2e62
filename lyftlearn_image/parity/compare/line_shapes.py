"""Lines that a log's statements print over and over: of the same shape, and normalised alike.

The named normalisers do not tell one digit from another. So what they leave of a line is known from the first line of its
shape, which is the line with each digit replaced by the same one, and need not be searched for in each of a million.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lyftlearn_image.parity.compare.normalisers import NORMALISERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lyftlearn_image.parity.compare.normalisers import Replacement

_SAME_DIGIT = bytes.maketrans(b"0123456789", b"9999999999")
_MAX_LINE_BYTES = 1000
_MAX_SHAPES = 10_000
# Once there are so many shapes, each must have been that of so many lines: working one out costs as much as they save.
_TRIED_SHAPES = 1000
_LINES_A_SHAPE = 10


@dataclass(frozen=True)
class _Form:
    """What is left of a line: `keep` takes out of it what stays; in `literals` each None stands for a stretch of that.

    `slices` are those stretches; there are none where nothing is known of them.
    """

    keep: Callable[[bytes], Any]
    literals: tuple[str | None, ...]
    slices: tuple[slice, ...] = ()


@dataclass(frozen=True)
class _Block:
    """Lines of one shape, with the line feed behind each."""

    form: _Form
    text: bytes
    width: int

    @property
    def kept(self) -> list[int]:
        """How long the stretches are that stay."""
        return [each.stop - each.start for each in self.form.slices]

    def columns(self) -> Iterator[bytes]:
        """The characters of all lines that stand at one place which stays, place after place."""
        for each in self.form.slices:
            for place in range(each.start, each.stop):
                yield self.text[place :: self.width]


# Of a line of which nothing is known all stays.
_WHOLE = _Form(operator.itemgetter(slice(None)), (None,))


class LineShapes:
    """Finds pairs of lines that are surely the same once they are normalised."""

    def __init__(self, rules: Sequence[str | Replacement]) -> None:
        self._names = [rule for rule in rules if isinstance(rule, str)]
        # A pattern of somebody's own may tell digits apart.
        self._is_useful = bool(rules) and len(self._names) == len(rules)
        self._is_with_addresses = "addresses" in self._names
        self._forms: dict[bytes, _Form] = {}
        self._lines = 0

    def find_unsure(self, left: Sequence[bytes], right: Sequence[bytes]) -> list[int]:
        """The places at which two lines are not the same, and not surely the same when they are normalised either."""
        pairs = enumerate(zip(left, right, strict=True))
        if not self._is_useful:
            return [place for place, (one, other) in pairs if one != other]
        self._lines += len(left)
        if self._is_same_block(left, right):
            return []
        unsure = []
        # A million lines go through here: nothing is called for a pair of known shapes but what is written in C.
        find_form = self._forms.get
        for place, (one, other) in pairs:
            if one == other:
                continue
            left_form, right_form = find_form(one.translate(_SAME_DIGIT)), find_form(other.translate(_SAME_DIGIT))
            if left_form is None or right_form is None:
                left_form, right_form = self._learn(one), self._learn(other)
            if left_form.literals != right_form.literals or left_form.keep(one) != right_form.keep(other):
                unsure.append(place)
        if len(self._forms) > _TRIED_SHAPES and self._lines < _LINES_A_SHAPE * len(self._forms):
            self._is_useful = False
        return unsure

    def _is_same_block(self, left: Sequence[bytes], right: Sequence[bytes]) -> bool:
        """Whether one statement printed all lines of each side, and what stays of them is surely the same."""
        one, other = self._block(left), self._block(right)
        if one is None or other is None or one.form.literals != other.form.literals:
            return False
        columns = zip(one.columns(), other.columns(), strict=False)
        return one.kept == other.kept and all(stretch == another for stretch, another in columns)

    def _block(self, lines: Sequence[bytes]) -> _Block | None:
        """The lines as a block; None where they are of several shapes, or of an unknown one."""
        form = self._forms.get(lines[0].translate(_SAME_DIGIT))
        if form is None or not form.slices:
            return None
        text = b"\n".join([*lines, b""])
        width = len(lines[0]) + 1
        shapes = text.translate(_SAME_DIGIT)
        return _Block(form, text, width) if shapes == shapes[:width] * len(lines) else None

    def _learn(self, line: bytes) -> _Form:
        shape = line.translate(_SAME_DIGIT)
        form = self._forms.get(shape)
        if form is None and len(self._forms) >= _MAX_SHAPES:
            return _WHOLE
        if form is None:
            # Whether `9x` is the `0x` of an address cannot be seen in a shape.
            is_unclear = self._is_with_addresses and b"9x" in shape
            form = _WHOLE if is_unclear else self._make_form(line)
            self._forms[shape] = form
        return form

    def _make_form(self, line: bytes) -> _Form:
        if not line.isascii() or b"\r" in line or len(line) > _MAX_LINE_BYTES:
            return _WHOLE
        text = line.decode()
        # For each character where it stood in the line; None for one of a literal.
        origins: list[int | None] = list(range(len(text)))
        for name in self._names:
            for step in NORMALISERS[name].steps:
                pieces: list[str] = []
                places: list[int | None] = []
                end = 0
                for match in step.pattern.finditer(text):
                    if not step.is_meant(match):
                        continue
                    kept = match.end(1) if match.re.groups else match.start()
                    pieces += [text[end:kept], step.literal]
                    places += [*origins[end:kept], *[None] * len(step.literal)]
                    end = match.end()
                text, origins = "".join([*pieces, text[end:]]), [*places, *origins[end:]]
        return _divide(text, origins)


def _divide(text: str, origins: list[int | None]) -> _Form:
    slices: list[slice] = []
    literals: list[str | None] = []
    for character, origin in zip(text, origins, strict=True):
        if origin is None:
            if literals and literals[-1] is not None:
                literals[-1] += character
            else:
                literals.append(character)
        elif literals and literals[-1] is None and slices[-1].stop == origin:
            slices[-1] = slice(slices[-1].start, origin + 1)
        else:
            slices.append(slice(origin, origin + 1))
            literals.append(None)
    # One that keeps nothing still gives something to compare.
    return _Form(operator.itemgetter(*(slices or [slice(0, 0)])), tuple(literals), tuple(slices))
