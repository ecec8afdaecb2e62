"""The suite of one imported workload: what `import --suite` writes, and what is still to be done for it to run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.scaffold.directory import look
from lyftlearn_image.scaffold.names import image_of
from lyftlearn_image.scaffold.suite_text import SuiteCase, SuiteText
from lyftlearn_image.scaffold.workloads import data_of, is_case
from lyftlearn_image.workload import Job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lyftlearn_image.workload import Workload


def suite_for(workload: Workload, workload_path: Path, suite_path: Path) -> tuple[str, tuple[str, ...]]:
    """The text of a suite at `suite_path` for the workload at `workload_path`, and notes.

    It builds the Dockerfile beside one of the two; without one it runs the workload's own image.
    """
    here = suite_path.parent
    build = next((place for place in (here, workload_path.parent) if (place / "Dockerfile").is_file()), None)
    image = image_of(build) if build else workload.image
    channels = workload.channels if isinstance(workload, Job) else {}
    found = look(here)
    data = {uri: data_of(found, name, len(channels)) for name, uri in channels.items() if uri.startswith("s3://")}
    text = SuiteText(
        workload.name, image, _relative(build, here) if build else None,
        [SuiteCase(_relative(workload_path, here), workload)], data,
    ).text(f"lyftlearn-image parity run {suite_path}")  # fmt: skip
    return text, tuple(_notes(workload, suite_path, data, has_build=bool(build)))


def _notes(workload: Workload, suite_path: Path, data: dict[str, str], *, has_build: bool) -> Iterator[str]:
    if not is_case(workload):
        yield f"a {workload.kind} workload is no case that a suite runs yet"
    if not has_build:
        yield (
            f"there is no Dockerfile beside {suite_path}: the suite runs {workload.image} as this engine has it."
            " `lyftlearn-image init` writes one"
        )
    for uri, place in data.items():
        if not (suite_path.parent / place).exists():
            yield f"a copy of the data is missing: aws s3 cp --recursive {uri} {suite_path.parent / place}"


def _relative(path: Path, directory: Path) -> str:
    return Path(os.path.relpath(path, directory)).as_posix()
