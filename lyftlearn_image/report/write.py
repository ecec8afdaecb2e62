"""Writes a suite's result in every format."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image import untrusted_tree
from lyftlearn_image.errors import RunError
from lyftlearn_image.parity.case_error import ERRORS, describe_case_error
from lyftlearn_image.parity.run_plan import RUNS
from lyftlearn_image.report.formats import FORMATS, load_format
from lyftlearn_image.report.report_data import collect_report_data

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from lyftlearn_image.parity.verdict import SuiteResult


class ReportsError(RunError):
    """A format could not be made. `written` are the others, which are there."""

    def __init__(self, what: str, written: Mapping[str, Path], *, hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.written = written


def write_reports(result: SuiteResult, directory: Path, secrets: Collection[str] = ()) -> Mapping[str, Path]:
    """Writes every format into `directory` and gives the files by format.

    Each file is whole at any moment: either the new report or the one that was there before. The values in `secrets`
    are masked wherever they occur, also where they are base64-, URL- or JSON-encoded. Raises RunError when the
    directory cannot be written, and ReportsError, once the others are written, when a format fails; its file of another
    run is removed then.
    """
    data = collect_report_data(result, directory, secrets)
    formats = {name: load_format(name) for name in FORMATS}
    paths = {name: directory / each.FILE_NAME for name, each in formats.items()}
    # All of them before the first is written: no two files of one directory are of two runs.
    rendered: dict[str, str] = {}
    problems = []
    for name, each in formats.items():
        try:
            rendered[name] = each.render(data)
        except Exception as error:  # noqa: BLE001 - one format never takes the others down
            problems.append(describe_case_error(error, directory / ERRORS / f"_{each.FILE_NAME}.log", secrets))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, path in paths.items():
            if name in rendered:
                _write_atomically(path, rendered[name])
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(
            f"the reports cannot be written: {error.strerror}",
            where=str(error.filename2 or error.filename or directory),
            hint="Name another directory with --report.",
        ) from error
    written = {name: paths[name] for name in rendered}
    if problems:
        missing = ", ".join(formats[name].FILE_NAME for name in formats if name not in rendered)
        raise ReportsError(f"{missing} could not be made: {'; '.join(problems)}", written, hint="Please report it.")
    return written


def own_names() -> tuple[str, ...]:
    """The names, as patterns, of all that a run leaves in its report directory."""
    files, directories = _own_names()
    return (*files, *directories)


def remove_reports(directory: Path) -> None:
    """Removes what an earlier run left: nobody takes it for the next one's, however that ends. RunError where it cannot be."""
    files, directories = _own_names()
    try:
        for path in (path for pattern in files for path in directory.glob(pattern)):
            path.unlink(missing_ok=True)
        for name in directories:
            untrusted_tree.remove(directory / name)
    except OSError as error:
        raise RunError(
            f"the reports of an earlier run cannot be removed: {error.strerror}",
            where=str(error.filename or directory),
            hint="Name another directory with --report.",
        ) from None


def _own_names() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Patterns of files, half written ones too, and names of directories."""
    files = [load_format(name).FILE_NAME for name in FORMATS]
    return (*files, *(f".{name}.*" for name in files)), (RUNS, ERRORS)


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
