"""Copies of what the cases of a suite read from S3: embedded targets have an S3 of their own, and read no real account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.emulation.session import BUCKET
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.services.staging import local_path
from lyftlearn_image.workload import Job

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lyftlearn_image.parity.suite import Case, Suite


def copies(suite: Suite, suite_path: Path) -> dict[str, Path]:
    """S3 URI → the copy on this machine. Raises InvalidInputError where there is none."""
    found = {}
    for uri, source in suite.data.items():
        path = local_path(source, relative_to=suite_path.parent)
        if path is None or not path.exists():
            raise InvalidInputError(
                f"there is no data at {source}", where=f"{suite_path}, key `data.{uri}`", hint="Name a file or a directory."
            )
        found[uri] = path
    return found


def check(suite: Suite, cases: Iterable[Case], suite_path: Path) -> None:
    """InvalidInputError for a channel of these cases whose data is only in a real account, with the lines to add."""
    copies(suite, suite_path)
    missing: dict[str, str] = {}
    for case in cases:
        if case.exit_code or case.expect == "different":
            continue  # it may be about just that
        workload = case.workload
        for name, source in workload.channels.items() if isinstance(workload, Job) else ():
            if source.startswith("s3://") and not _is_here(source, suite):
                missing.setdefault(source, f"case {case.name}, channel {name}")
    if missing:
        lines = "".join(f"\n    {uri}: path/to/a/copy" for uri in missing)
        raise InvalidInputError(
            f"a run on this machine reads no real account, and has no copy of {', '.join(missing)}",
            where=f"{suite_path}, {next(iter(missing.values()))}",
            hint=f"Copy it with `aws s3 cp --recursive`, and add these lines to the suite:\n  data:{lines}",
        )


def _is_here(source: str, suite: Suite) -> bool:
    """Whether a prefix is in the local S3: below a copy, around one, or in the run's own bucket."""
    if source.startswith(f"s3://{BUCKET}/"):
        return True
    return any(source.startswith(uri) or uri.startswith(source) for uri in suite.data)
