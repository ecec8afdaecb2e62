"""All that reports show, gathered once: the result, the ends of the streams, the files kept; without a secret."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lyftlearn_image.report.redaction import longest_form, without_secrets
from lyftlearn_image.sanitize import collapse_overwritten_lines, strip_ansi

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from lyftlearn_image.parity.verdict import SuiteResult

# No format shows more of a stream; what is before it stays in the run's own file.
TAIL_BYTES = 16_384
# No format lists more files of one artifact.
LISTED_FILES = 100


@dataclass(frozen=True)
class StreamTail:
    """The end of a stream as a terminal would leave it, and whether nothing of the stream comes before it."""

    text: str = ""
    is_whole: bool = True


@dataclass(frozen=True)
class KeptFile:
    """A file of an artifact that is still there, by its name below the artifact."""

    name: str
    size_bytes: int


@dataclass(frozen=True)
class ReportData:
    """What a report is made from; `directory` gets it.

    `tails` is by stream file, `kept_files` by artifact directory.
    """

    result: SuiteResult
    directory: Path
    tails: Mapping[Path, StreamTail]
    kept_files: Mapping[Path, tuple[KeptFile, ...]]

    def relative_path(self, path: Path) -> str:
        """The path as seen from the report directory, with forward slashes."""
        return os.path.relpath(path, self.directory).replace(os.sep, "/")

    def tail(self, stream: Path) -> StreamTail:
        """The end of this stream; empty when there is no such file."""
        return self.tails.get(stream, StreamTail())


def collect_report_data(result: SuiteResult, directory: Path, secrets: Collection[str] = ()) -> ReportData:
    """Reads the streams and lists the files that the runs left, and masks every secret in all of it."""
    margin = longest_form(secrets)
    runs = [run for case in result.cases for run in case.runs]
    data = ReportData(
        result=result,
        directory=directory,
        tails={stream: _tail(stream, margin) for run in runs for stream in (run.stdout, run.stderr)},
        kept_files={path: _files(path) for run in runs for path in run.artifacts.values() if path.is_dir()},
    )
    masked = without_secrets(data, secrets)
    return replace(masked, tails={path: _finished(tail, margin) for path, tail in masked.tails.items()})


def _tail(stream: Path, margin: int) -> StreamTail:
    """The end of the file with `margin` more bytes before it, so that no secret is cut where it is looked for.

    Colour codes go first, because they could stand within a secret.
    """
    try:
        with stream.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = file.seek(max(0, size - TAIL_BYTES - margin))
            return StreamTail(strip_ansi(file.read().decode("utf-8", "replace")), is_whole=start == 0)
    except OSError:  # there is none, or it is no file
        return StreamTail()


def _finished(tail: StreamTail, margin: int) -> StreamTail:
    """The tail without its margin, from the beginning of a line where there is one, as a terminal would leave it."""
    if tail.is_whole:
        return replace(tail, text=collapse_overwritten_lines(tail.text))
    text = tail.text[margin:]
    beginning, newline, rest = text.partition("\n")
    return replace(tail, text=collapse_overwritten_lines(rest if newline and len(beginning) < len(rest) else text))


def _files(directory: Path) -> tuple[KeptFile, ...]:
    """The regular files below the directory by name, LISTED_FILES and one at most: the one says that there are more."""
    files: list[KeptFile] = []
    for parent, directories, names in os.walk(directory):
        directories.sort()
        for name in sorted(names):
            path = os.path.join(parent, name)  # noqa: PTH118 - a tree may have many thousand files
            with contextlib.suppress(OSError):  # gone meanwhile
                files.append(KeptFile(os.path.relpath(path, directory), os.lstat(path).st_size))
            if len(files) > LISTED_FILES:
                return tuple(files)
    return tuple(files)
