"""What the toolkit itself has written into a directory that is built: reports, kept runs, logs. It is no part of the image.

A file in each such directory says which names in it are the toolkit's; `build: .` would else make a new image at every run,
with the last report inside.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.build.build_log import log_directory

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

MARK = ".lyftlearn-output"
ALL = ("*",)
_MOST_BYTES = 4096


def mark(directory: Path, names: Collection[str] = ALL) -> None:
    """Says that these names in a directory, patterns as .dockerignore has them, are the toolkit's outputs."""
    (directory / MARK).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def ignore_rules(context: Path, directories: Collection[str]) -> Iterator[str]:
    """Lines of .dockerignore that keep the toolkit's outputs out; `directories` are those of a context, relative to it."""
    for name in sorted(directories):
        try:
            with (context / name / MARK).open("rb") as file:
                own = [line for line in file.read(_MOST_BYTES).decode("utf-8", "replace").split() if "/" not in line]
        except OSError:
            continue
        own.append(MARK)
        inside = sorted(path.name for path in (context / name).iterdir())
        if name != "." and all(any(Path(one).match(pattern) for pattern in own) for one in inside):
            # Empty, it would still be a directory of the image.
            yield _literal(name)
        else:
            yield from (f"{_literal(name)}/{pattern}".removeprefix("./") for pattern in own)
    with contextlib.suppress(RuntimeError):  # nobody's home is known
        logs = log_directory().resolve()
        if logs.is_relative_to(context.resolve()):
            yield _literal(str(logs.relative_to(context.resolve())))


def _literal(path: str) -> str:
    """A rule for this path. Docker's readers agree on no way to escape a character; any one is the nearest to it."""
    return re.sub(r"[*?\[\\]", "?", path)
