"""Writes a suite's result in every format."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.errors import RunError
from lyftlearn_image.report import html, json_report, junit, markdown
from lyftlearn_image.report.report_data import gather

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from lyftlearn_image.parity.verdict import SuiteResult
    from lyftlearn_image.report.report_data import Contents

# Each format: its file's name, and the function that renders it.
FORMATS: Mapping[str, tuple[str, Callable[[Contents], str]]] = {
    "json": ("report.json", json_report.render),
    "junit": ("junit.xml", junit.render),
    "markdown": ("report.md", markdown.render),
    "html": ("report.html", html.render),
}


def write_reports(result: SuiteResult, directory: Path, secrets: Collection[str] = ()) -> Mapping[str, Path]:
    """Writes every format into `directory` and gives the files by format.

    Each file is whole at any moment: either the new report or the one that was there before. The values in `secrets`
    are masked wherever they occur, also where they are base64-, URL- or JSON-encoded. Raises RunError when the
    directory cannot be written.
    """
    contents = gather(result, directory, secrets)
    rendered = {directory / name: render(contents) for name, render in FORMATS.values()}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, text in rendered.items():
            _write_atomically(path, text)
    except OSError as error:
        raise RunError(
            f"the reports cannot be written: {error.strerror}",
            where=str(error.filename2 or error.filename or directory),
            hint="Name another directory with --report.",
        ) from error
    return dict(zip(FORMATS, rendered, strict=True))


def _write_atomically(path: Path, text: str) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
