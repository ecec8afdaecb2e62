"""All that reports show, gathered once: the result, the ends of the streams, the files kept; without a secret."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from lyftlearn_image.parity.secrets import MASK, redact
from lyftlearn_image.report.visible import as_on_a_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from lyftlearn_image.parity.verdict import SuiteResult

T = TypeVar("T")

# No format shows more of a stream; what is before it stays in the run's own file.
TAIL_BYTES = 16_384
# No format lists more files of one artifact.
LISTED_FILES = 100
# Shorter values occur in ordinary text; masking them would destroy it.
_SHORTEST_SECRET = 4
_SHORTEST_LINE = 8
# Between the texts that are redacted together: not part of any encoding in which a secret is looked for.
_BETWEEN = "\x00\x1e\x00"
_CUT = re.compile(r"… \(\d+ characters\)\Z")


@dataclass(frozen=True)
class Tail:
    """The end of a stream as a terminal would leave it, and how many bytes of the file come before it."""

    text: str = ""
    omitted_bytes: int = 0


@dataclass(frozen=True)
class KeptFile:
    """A file of an artifact that is still there, by its name below the artifact."""

    name: str
    size_bytes: int


@dataclass(frozen=True)
class Contents:
    """What a report is made from. `tails` is by stream file, `kept` by artifact directory; `directory` gets the reports."""

    result: SuiteResult
    directory: Path
    tails: Mapping[Path, Tail]
    kept: Mapping[Path, tuple[KeptFile, ...]]

    def relative(self, path: Path) -> str:
        """The path as seen from the report directory, with forward slashes."""
        return os.path.relpath(path, self.directory).replace(os.sep, "/")

    def tail(self, stream: Path) -> Tail:
        """The end of this stream; empty when there is no such file."""
        return self.tails.get(stream, Tail())


def gather(result: SuiteResult, directory: Path, secrets: Collection[str] = ()) -> Contents:
    """Reads the streams and lists the files that the runs left, and masks every secret in all of it."""
    secrets = _forms(secrets)
    margin = max((len(secret.encode()) for secret in secrets), default=0) * 4
    runs = [run for case in result.cases for run in case.runs]
    contents = Contents(
        result=result,
        directory=directory,
        tails={stream: _tail(stream, margin) for run in runs for stream in (run.stdout, run.stderr)},
        kept={path: _files(path) for run in runs for path in run.artifacts.values() if path.is_dir()},
    )
    masked = _masked(contents, secrets) if secrets else contents
    return replace(masked, tails={path: _finished(tail, margin) for path, tail in masked.tails.items()})


def _tail(stream: Path, margin: int) -> Tail:
    """The end of the file with `margin` more bytes before it, so that no secret is cut where it is looked for."""
    try:
        with stream.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = file.seek(max(0, size - TAIL_BYTES - margin))
            return Tail(file.read().decode("utf-8", "replace"), start)
    except FileNotFoundError:
        return Tail()


def _finished(tail: Tail, margin: int) -> Tail:
    """The tail without its margin, from the beginning of a line, as a terminal would leave it."""
    if not tail.omitted_bytes:
        return replace(tail, text=as_on_a_terminal(tail.text))
    dropped, text = tail.text[:margin], tail.text[margin:]
    beginning, newline, rest = text.partition("\n")
    if newline and len(beginning) < len(rest):
        dropped, text = dropped + beginning + newline, rest
    return Tail(as_on_a_terminal(text), tail.omitted_bytes + len(dropped.encode()))


def _files(directory: Path) -> tuple[KeptFile, ...]:
    """The regular files below the directory by name, LISTED_FILES and one at most: the one says that there are more."""
    found: list[KeptFile] = []
    for parent, directories, names in os.walk(directory):
        directories.sort()
        for name in sorted(names):
            path = os.path.join(parent, name)  # noqa: PTH118 - a tree may have many thousand files
            found.append(KeptFile(os.path.relpath(path, directory), os.lstat(path).st_size))
            if len(found) > LISTED_FILES:
                return tuple(found)
    return tuple(found)


def _forms(secrets: Collection[str]) -> frozenset[str]:
    """The secrets and forms in which a script or a comparison may show one; `redact` knows more."""
    forms = {form for secret in secrets for form in _forms_of(secret)}
    return frozenset(form for form in forms if len(form) >= _SHORTEST_SECRET)


def _forms_of(secret: str) -> Iterator[str]:
    yield secret
    yield html.escape(secret)
    yield repr(secret)[1:-1]
    yield secret.encode("utf-8", "surrogateescape").hex()
    # A key of many lines meets a reader line by line.
    lines = [line.strip() for line in secret.splitlines()]
    yield from (line for line in lines if len(line) >= _SHORTEST_LINE)


def _masked(contents: Contents, secrets: frozenset[str]) -> Contents:
    """The contents with every secret masked in every text; all texts are searched together, which is much faster."""
    seen: dict[str, str] = {}

    def note(text: str) -> str:
        seen[text] = text
        return text

    _mapped(contents, note)
    masked = redact(_BETWEEN.join(seen), secrets).split(_BETWEEN)
    if len(masked) != len(seen):  # a text or a secret holds the separator
        masked = [redact(text, secrets) for text in seen]
    replaced = {text: _without_cut_secret(clean, secrets) for text, clean in zip(seen, masked, strict=True)}
    return _mapped(contents, replaced.__getitem__)


def _without_cut_secret(text: str, secrets: frozenset[str]) -> str:
    """A text that was cut for the report, without the beginning of a secret at the cut."""
    cut = _CUT.search(text)
    if cut is None:
        return text
    kept = text[: cut.start()]
    lengths = (n for secret in secrets for n in range(_SHORTEST_SECRET, len(secret)) if kept.endswith(secret[:n]))
    longest = max(lengths, default=0)
    return kept[: len(kept) - longest] + MASK + cut[0] if longest else text


def _mapped(value: T, change: Callable[[str], str]) -> T:
    """The value with every text in it changed; enumerations, paths and numbers stay."""
    return _changed(value, change)  # type: ignore[no-any-return]


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {_changed(key, change): _changed(each, change) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_changed(each, change) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _changed(getattr(value, field.name), change) for field in fields(value)})
    return value
