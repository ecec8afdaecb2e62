"""What a comparator of files is: a module with the names of `Comparator`, and one line in `registry.COMPARATORS`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lyftlearn_image.parity.compare.model_reader import ModelReader
    from lyftlearn_image.parity.compare.options import Options
    from lyftlearn_image.parity.differences import Difference


@dataclass(frozen=True)
class ComparatorContext:
    """What a comparator may use besides the two files: the artifacts of both sides by name, and what opens models.

    `channels` are the files and directories that the case's channels were staged from, where they are on this machine.
    `same_bytes`: so many at the beginning of the two files are known to be the same.
    """

    models: ModelReader
    left: Mapping[str, Path]
    right: Mapping[str, Path]
    channels: Sequence[Path] = ()
    same_bytes: int = 0


@runtime_checkable
class Comparator(Protocol):
    """A module that compares two files.

    `OPTIONS` are the fields of `Options` that mean something to it; a rule with any other one is refused. `SUFFIXES`,
    such as `.csv`, are those of the files that it compares where no rule says how.
    """

    OPTIONS: frozenset[str]
    SUFFIXES: tuple[str, ...]

    def compare(self, left: Path, right: Path, options: Options, context: ComparatorContext, /) -> tuple[Difference, ...]:
        """The differences of two files, each with its place; a file that cannot be read is a difference too.

        It is not called for two files of the same bytes, and ends for any others in a time bounded by their size.
        """
