"""The comparators of files, by the names that rules give them."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from lyftlearn_image.parity.compare.binary import count_same_bytes
from lyftlearn_image.parity.compare.comparator import ComparatorContext

if TYPE_CHECKING:
    from pathlib import Path

    from lyftlearn_image.parity.compare.comparator import Comparator
    from lyftlearn_image.parity.compare.options import Options
    from lyftlearn_image.parity.differences import Difference

# Name → module, which has what the protocol `Comparator` asks for. A new comparator is a module, and its line here.
COMPARATORS = {
    "text": "lyftlearn_image.parity.compare.text",
    "bytes": "lyftlearn_image.parity.compare.binary",
    "json": "lyftlearn_image.parity.compare.structured",
    "table": "lyftlearn_image.parity.compare.tables",
    "array": "lyftlearn_image.parity.compare.arrays",
    "archive": "lyftlearn_image.parity.compare.archives",
    "png": "lyftlearn_image.parity.compare.png",
    "pdf": "lyftlearn_image.parity.compare.pdf",
    "sqlite": "lyftlearn_image.parity.compare.sqlite",
    "model": "lyftlearn_image.parity.compare.models",
    # Its name from when it knew no other models; suites have it.
    "sklearn-model": "lyftlearn_image.parity.compare.models",
}
MODEL_COMPARATORS = tuple(name for name, module in COMPARATORS.items() if module.endswith(".models"))
# For a file of which neither a rule nor a comparator knows the suffix.
_FALLBACK = "bytes"


def load_comparator(name: str) -> Comparator:
    """The comparator of this name. KeyError when there is none."""
    comparator: Comparator = importlib.import_module(COMPARATORS[name])
    return comparator


def comparator_for(file_name: str) -> str:
    """The name of the comparator for a file without a rule, by its suffix in whichever case."""
    suffix = PurePosixPath(file_name).suffix.lower()
    return next((name for name in COMPARATORS if suffix in load_comparator(name).SUFFIXES), _FALLBACK)


def compare_pair(
    name: str, files: tuple[Path, Path], options: Options, context: ComparatorContext | None
) -> tuple[Difference, ...]:
    """What the comparator of this name finds in two files. The same bytes are the same, whatever they are.

    Only a comparator that compares more than the two files needs a context.
    """
    same_bytes = count_same_bytes(*files)
    if same_bytes is None:
        return ()
    files_alone = ComparatorContext(None, {}, {})  # type: ignore[arg-type]
    known = replace(context or files_alone, same_bytes=same_bytes)
    return load_comparator(name).compare(*files, options, known)
