"""Writes a suite's result in every format."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.errors import RunError
from lyftlearn_image.report.formats import FORMATS, load_format
from lyftlearn_image.report.report_data import collect_report_data

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from lyftlearn_image.parity.verdict import SuiteResult


def write_reports(result: SuiteResult, directory: Path, secrets: Collection[str] = ()) -> Mapping[str, Path]:
    """Writes every format into `directory` and gives the files by format.

    Each file is whole at any moment: either the new report or the one that was there before. The values in `secrets`
    are masked wherever they occur, also where they are base64-, URL- or JSON-encoded. Raises RunError when the
    directory cannot be written.
    """
    data = collect_report_data(result, directory, secrets)
    formats = {name: load_format(name) for name in FORMATS}
    paths = {name: directory / each.FILE_NAME for name, each in formats.items()}
    # All of them before the first is written: a format that fails leaves no report of another run beside new ones.
    rendered = {paths[name]: each.render(data) for name, each in formats.items()}
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
    return paths


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
